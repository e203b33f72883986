// The first page: is everything protected, what burns, and what to do about it.

import { get } from "./api.js";
import { known, options, schedulesOf, when } from "./context.js";
import { chip, command, h, icon, message, swap, table } from "./dom.js";
import { eventList } from "./lists.js";
import { mergeRow } from "./merges.js";
import { ago, bytes, counted, duration, time } from "./words.js";

const STATES = {
	idle: "", served: "good", active: "good", inactive: "dim", merging: "busy", broken: "bad",
	missing: "bad",
};

/** The colour of a volume's state. */
export const stateTone = (state) => STATES[state] ?? "";

/** What burns, by a status document: `[{tone, volume, text}]`, the worst first. */
export function findings(status, now) {
	const found = [];
	const add = (tone, volume, text) => found.push({ tone, volume, text });
	for (const volume of status.volumes) {
		const { name } = volume;
		if (volume.state === "broken") {
			add("bad", name, `a chain of its snapshots is broken: run \`snapmgr check ${name}\``);
		}
		if (volume.state === "missing") {
			add("bad", name, `its origin or store is not there: run \`snapmgr volume show ${name}\``);
		}
		if (volume.days_to_full !== null && volume.days_to_full < 7) {
			add(volume.days_to_full < 2 ? "bad" : "warn", name,
				`its store is full in ${duration(volume.days_to_full * 86_400)}: run \`snapmgr prune --dry-run ${name}\``);
		}
		if (volume.merge?.state === "failed") {
			add("bad", name, `the merge failed: ${volume.merge.failure ?? "no reason is known"}; run \`snapmgr merge status ${name}\``);
		}
		if (volume.merge?.state === "paused") {
			add("warn", name, `its merge is paused: run \`snapmgr merge resume ${name}\``);
		}
		if (volume.scrub?.damaged > 0) {
			add("bad", name, `${counted(volume.scrub.damaged, "damaged chunk")} found: run \`snapmgr check ${name} --data\``);
		}
		for (const mirror of volume.mirrors) mirrorFindings(mirror, name, add);
		late(volume, now, add);
		for (const warning of volume.warnings) add("warn", name, warning);
	}
	for (const warning of status.warnings) add("warn", null, warning);
	return found.sort((a, b) => (a.tone === b.tone ? 0 : a.tone === "bad" ? -1 : 1));
}

function mirrorFindings(mirror, name, add) {
	const see = `run \`snapmgr mirror show ${mirror.name}\``;
	if (mirror.state === "split") add("bad", name, `mirror ${mirror.name}: both sites were written to; ${see}`);
	else if (mirror.state === "failing") {
		add(mirror.failures >= 3 ? "bad" : "warn", name,
			`mirror ${mirror.name}: ${mirror.failure?.message ?? "it fails"}; ${see}`);
	} else if (["waiting", "promoted", "orphaned"].includes(mirror.state)) {
		add("warn", name, `mirror ${mirror.name} is ${mirror.state}; ${see}`);
	} else if (mirror.lag_seconds > 172_800) {
		add("warn", name, `mirror ${mirror.name} is ${duration(mirror.lag_seconds)} behind; ${see}`);
	}
}

// A schedule whose snapshot has been missing for two of its periods.
function late(volume, now, add) {
	for (const schedule of schedulesOf(volume.name, now)) {
		if (schedule.due === null) continue;
		const before = schedule.due - now;
		const newest = time(volume.newest_at);
		const period = /every (\d+)(m|min|h)/.exec(schedule.text);
		if (!period) continue;
		const length = Number(period[1]) * (period[2] === "h" ? 3_600_000 : 60_000);
		if (Number.isNaN(newest) || now - newest > 2 * length + (length - before)) {
			add("bad", volume.name, Number.isNaN(newest)
				? `schedule ${schedule.name} has taken no snapshot yet: run \`snapmgr tick\``
				: `no snapshot by schedule ${schedule.name} since ${ago(newest, now)}: run \`snapmgr tick\``);
		}
	}
}

/** The view at "#/". */
export function overview() {
	const head = h("section", { class: "hero", "aria-labelledby": "verdict" });
	const burning = h("section", { class: "burning" });
	const merging = h("section", { class: "merging" });
	const volumes = h("section", { class: "card" });
	const happened = h("section", { class: "card" });
	const element = h("div", { class: "view" }, head, burning, merging, volumes, happened);
	let events = [];
	const loadEvents = async () => {
		const document = await get("/events", { limit: 8 });
		events = document.events.toReversed();
		swap(happened, JSON.stringify([events, options.isUTC]), () => [
			h("header", { class: "card-head" }, h("h2", {}, "What happened"),
				h("a", { href: "#/events" }, "All events")),
			eventList(events),
		]);
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
		},
		load: loadEvents,
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
	const figure = (value, name) => h("div", { class: "figure" }, h("b", {}, value), h("span", {}, name));
	const snapshots = status.volumes.reduce((sum, volume) => sum + volume.snapshots, 0);
	const stores = status.volumes.reduce((sum, volume) => sum + (volume.store_bytes ?? 0), 0);
	const mirrors = status.volumes.flatMap((volume) => volume.mirrors);
	const lag = mirrors.reduce((most, mirror) => Math.max(most, mirror.lag_seconds ?? 0), 0);
	swap(region, JSON.stringify([verdict, tone, Math.floor(now / 5000), snapshots, stores, lag]), () => [
		h("div", { class: `verdict ${tone}` },
			h("span", { class: "seal" }, icon(tone === "good" ? "ok" : tone === "bad" ? "error" : "warning")),
			h("div", {}, h("h1", { id: "verdict" }, verdict),
				h("p", {}, total === 0
					? ["Begin with ", command("snapmgr setup /path/to/disk.img")]
					: `${safe} of ${counted(total, "volume")} without a fault`
						+ (found.length ? `, ${counted(found.length, "finding")} below` : "")))),
		h("div", { class: "figures" },
			figure(newest.length ? ago(Math.max(...newest), now) : "none", "last good snapshot"),
			figure(due.length ? ago(Math.min(...due), now) : "–", "next one due"),
			figure(mirrors.length ? (lag === 0 ? "current" : duration(lag)) : "none",
				mirrors.length === 1 ? "mirror’s lag" : "mirrors’ lag"),
			figure(counted(snapshots, "snapshot"), `in ${bytes(stores)}`)),
	]);
}

function drawBurning(region, found) {
	region.hidden = found.length === 0;
	swap(region, JSON.stringify(found), () => [
		h("h2", {}, "What burns"),
		h("ul", { class: "findings" }, found.map((item) => h("li", { class: item.tone },
			icon(item.tone === "bad" ? "error" : "warning", item.tone === "bad" ? "Critical" : "Warning"),
			h("div", {}, item.volume
				? [h("a", { href: `#/volume/${encodeURIComponent(item.volume)}` }, item.volume), ": "]
				: null, message(item.text))))),
	]);
}

function drawMerges(region, status) {
	const merges = status.volumes.map((volume) => volume.merge).filter((merge) => merge);
	region.hidden = merges.length === 0;
	swap(region, JSON.stringify(merges), () => [h("h2", {}, "Merges that run"), merges.map(mergeRow)]);
}

function drawVolumes(region, status, now) {
	const key = JSON.stringify([status.volumes, options.isUTC, Math.floor(now / 15_000)]);
	swap(region, key, () => [
		h("header", { class: "card-head" }, h("h2", {}, "Volumes")),
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
		Number.isNaN(newest) ? h("span", { class: "quiet" }, "never")
			: when(newest),
		soon.length ? ago(Math.min(...soon), now)
			: h("span", { class: "quiet" }, due.length ? due[0].text : "by hand"),
		String(volume.snapshots), bytes(volume.store_bytes), bytes(volume.free_bytes),
		volume.days_to_full === null ? "–" : volume.days_to_full > 3650 ? "years"
			: duration(volume.days_to_full * 86_400),
		volume.mirrors.length === 0 ? h("span", { class: "quiet" }, "none")
			: volume.mirrors.map((mirror) => chip(mirror.lag_seconds
				? `${mirror.name} ${duration(mirror.lag_seconds)} behind` : mirror.name,
			mirror.state === "current" ? "good" : mirror.state === "behind" ? "warn" : "bad")),
	] };
}
