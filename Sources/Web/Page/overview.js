// The first page: is everything protected, what burns, what to do about it.

import { get } from "./api.js";
import { known, schedulesOf, when } from "./context.js";
import { chip, command, h, icon, message, swap, table } from "./dom.js";
import { eventList } from "./lists.js";
import { mergeRow } from "./merges.js";
import { ago, bytes, counted, duration, time } from "./words.js";

const STATES = {
	idle: "", served: "good", active: "good", inactive: "dim", merging: "busy", broken: "bad",
	missing: "bad",
};

export const stateTone = (state) => STATES[state] ?? "";

// A failure's words are no command.
const quoted = (text) => text?.replaceAll("`", "'") ?? "why is not known";

/** What burns, by a status document: `[{tone, volume, text}]`, the worst first. */
export function findings(status, now) {
	const found = status.warnings.map((text) => ({ tone: "warn", volume: null, text }));
	for (const volume of status.volumes) {
		const { name, days_to_full: days, merge } = volume;
		const add = (tone, text, command) => found.push({
			tone, volume: name, text: command ? `${text}: run \`snapmgr ${command}\`` : text,
		});
		if (volume.state === "broken") add("bad", "a chain of its snapshots is broken", `check ${name}`);
		if (volume.state === "missing") {
			add("bad", "its origin or store is not there", `volume show ${name}`);
		}
		if (days !== null && days < 7) {
			add(days < 2 ? "bad" : "warn", `its store is full in ${duration(days * 86_400)}`,
				`prune --dry-run ${name}`);
		}
		if (merge?.state === "failed") {
			add("bad", `the merge failed, ${quoted(merge.failure)}`, `merge status ${name}`);
		}
		if (merge?.state === "paused") add("warn", "its merge is paused", `merge resume ${name}`);
		if (volume.scrub?.damaged > 0) {
			add("bad", `${counted(volume.scrub.damaged, "damaged chunk")} found`, `check ${name} --data`);
		}
		for (const mirror of volume.mirrors) judgeMirror(mirror, add);
		judgeSchedules(volume, now, add);
		for (const warning of volume.warnings) add("warn", warning);
	}
	return found.sort((a, b) => (b.tone === "bad") - (a.tone === "bad"));
}

function judgeMirror({ name, state, failures, failure, lag_seconds: lag }, add) {
	const tell = (tone, text) => add(tone, `mirror ${name} ${text}`, `mirror show ${name}`);
	if (state === "split") tell("bad", "and this volume were both written to");
	else if (state === "failing") {
		tell(failures >= 3 ? "bad" : "warn", `fails, ${quoted(failure?.message)}`);
	} else if (["waiting", "promoted", "orphaned"].includes(state)) tell("warn", `is ${state}`);
	else if (lag > 172_800) tell("warn", `is ${duration(lag)} behind`);
}

// A schedule whose snapshot has been missing for two of its periods.
function judgeSchedules(volume, now, add) {
	for (const { name, due, period } of schedulesOf(volume.name, now)) {
		if (due === null) continue;
		const newest = time(volume.newest_at);
		if (Number.isNaN(newest)) add("bad", `schedule ${name} has taken no snapshot yet`, "tick");
		else if (due - newest > 3 * period) {
			add("bad", `no snapshot by schedule ${name} since ${ago(newest, now)}`, "tick");
		}
	}
}

/** The view at "#/". */
export function overview() {
	const head = h("section.hero", { "aria-labelledby": "verdict" });
	const burning = h("section.burning");
	const merging = h("section.merging");
	const volumes = h("section.card");
	const happened = h("section.card");
	const element = h("div.view", head, burning, merging, volumes, happened);
	let events = null;
	const drawEvents = () => events && swap(happened, [events, Math.floor(Date.now() / 5000)], () => [
		h("header.card-head", h("h2", "What happened"), h("a", { href: "#/events" }, "All events")),
		eventList(events),
	]);
	const load = async () => {
		events = (await get("/events", { limit: 8 })).events.toReversed();
		drawEvents();
	};
	return {
		title: "Protection", element,
		update() {
			const { status } = known;
			if (!status) return;
			const now = Date.now();
			const found = findings(status, now);
			drawHead(head, status, found, now);
			drawBurning(burning, found);
			drawMerges(merging, status);
			drawVolumes(volumes, status, now);
			drawEvents();
		},
		load,
		concerns: () => true,
	};
}

function drawHead(region, status, found, now) {
	const burning = new Set(found.filter((item) => item.tone === "bad").map((item) => item.volume));
	const total = status.volumes.length;
	const safe = total - burning.size;
	const newest = status.volumes.map((volume) => time(volume.newest_at)).filter((at) => at > 0);
	const due = status.volumes.flatMap((volume) => schedulesOf(volume.name, now))
		.map((schedule) => schedule.due).filter((at) => at !== null);
	const verdict = total === 0 ? "No volume yet"
		: burning.size === 0 ? "Everything is protected"
			: `${burning.size === 1 ? "One volume needs" : `${burning.size} volumes need`} you`;
	const tone = total === 0 ? "" : burning.size > 0 ? "bad" : found.length ? "warn" : "good";
	const figure = (value, name) => h("div.figure", h("b", value), h("span", name));
	const snapshots = status.volumes.reduce((sum, volume) => sum + volume.snapshots, 0);
	const stores = status.volumes.reduce((sum, volume) => sum + (volume.store_bytes ?? 0), 0);
	const mirrors = status.volumes.flatMap((volume) => volume.mirrors);
	const lag = mirrors.reduce((most, mirror) => Math.max(most, mirror.lag_seconds ?? 0), 0);
	swap(region, [verdict, tone, Math.floor(now / 5000), snapshots, stores, lag], () => [
		h("div", { class: `verdict ${tone}` },
			h("span.seal", icon(tone === "good" ? "ok" : tone === "bad" ? "error" : "warning")),
			h("div", h("h1", { id: "verdict" }, verdict),
				h("p", total === 0
					? ["Begin with ", command("snapmgr setup /path/to/disk.img")]
					: `${safe} of ${counted(total, "volume")} without a fault`
						+ (found.length ? `, ${counted(found.length, "finding")} below` : "")))),
		h("div.figures",
			figure(newest.length ? ago(Math.max(...newest), now) : "none", "last good snapshot"),
			figure(due.length ? ago(Math.min(...due), now) : "–", "next one due"),
			figure(mirrors.length ? (lag === 0 ? "current" : duration(lag)) : "none",
				mirrors.length === 1 ? "mirror’s lag" : "mirrors’ lag"),
			figure(counted(snapshots, "snapshot"), `in ${bytes(stores)}`)),
	]);
}

function drawBurning(region, found) {
	region.hidden = found.length === 0;
	swap(region, found, () => [
		h("h2", "What burns"),
		h("ul.findings", found.map((item) => h("li", { class: item.tone },
			icon(item.tone === "bad" ? "error" : "warning", item.tone === "bad" ? "Critical" : "Warning"),
			h("div", item.volume
				? [h("a", { href: `#/volume/${encodeURIComponent(item.volume)}` }, item.volume), ": "]
				: null, message(item.text))))),
	]);
}

function drawMerges(region, status) {
	const merges = status.volumes.map((volume) => volume.merge).filter((merge) => merge);
	region.hidden = merges.length === 0;
	swap(region, merges, () => [h("h2", "Merges that run"), merges.map(mergeRow)]);
}

function drawVolumes(region, status, now) {
	const key = [status.volumes, Math.floor(now / 15_000)];
	swap(region, key, () => [
		h("header.card-head", h("h2", "Volumes")),
		table("Volumes", [
			["Volume"], ["State"], ["Last good", "figure-cell"], ["Next due", "figure-cell"],
			["Snapshots", "figure-cell"], ["Store", "figure-cell"], ["Free", "figure-cell"],
			["Full in", "figure-cell"], ["Mirrors"],
		], status.volumes.map((volume) => volumeRow(volume, now)), {
			empty: "There is no volume yet.",
		}),
	]);
}

function volumeRow(volume, now) {
	const due = schedulesOf(volume.name, now);
	const soon = due.map((schedule) => schedule.due).filter((at) => at !== null);
	const newest = time(volume.newest_at);
	return { cells: [
		h("a", { href: `#/volume/${encodeURIComponent(volume.name)}`, "data-focus": volume.name },
			volume.name),
		chip(volume.merge ? "merging" : volume.state, stateTone(volume.state)),
		Number.isNaN(newest) ? h("span.quiet", "never")
			: when(newest),
		soon.length ? ago(Math.min(...soon), now)
			: h("span.quiet", due.length ? due[0].text : "by hand"),
		String(volume.snapshots), bytes(volume.store_bytes), bytes(volume.free_bytes),
		volume.days_to_full === null ? "–" : volume.days_to_full > 3650 ? "years"
			: duration(volume.days_to_full * 86_400),
		volume.mirrors.length === 0 ? h("span.quiet", "none")
			: volume.mirrors.map((mirror) => chip(mirror.lag_seconds
				? `${mirror.name} ${duration(mirror.lag_seconds)} behind` : mirror.name,
			mirror.state === "current" ? "good" : mirror.state === "behind" ? "warn" : "bad")),
	] };
}
