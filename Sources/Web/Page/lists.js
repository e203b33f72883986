// Clones, mounts, mirrors, jobs and events: what else there is, each as a table.

import { change, get, path } from "./api.js";
import { known, may, shown, when } from "./context.js";
import { button, chip, failure, h, icon, link, say, swap, table, terminal } from "./dom.js";
import { ago, bytes, duration, time, visible } from "./words.js";

/** Events as a list, each with how grave it is, in a word and a drawing. */
export function eventList(events) {
	const now = Date.now();
	if (events.length === 0) return h("p.empty", "Nothing has happened yet.");
	return h("ol.events", events.map((event) => h("li", { class: event.level },
		icon(event.level === "info" ? "info" : event.level, event.level),
		h("time", { datetime: event.time, title: shown(event.time) },
			ago(time(event.time), now)),
		event.volume ? link(event.volume, "volume", event.volume)
			: h("span.quiet", "–"),
		h("span.what", visible(event.message)),
		h("span.quiet.who", who(event.requested_by)))));
}

// Of those who act for another, the other.
const who = (by) => (by ? visible(by.token ?? by.sudo_user ?? by.user ?? "") : "");

/** A view of a title and what a document says. */
function listView(title, { load, draw, event, note }) {
	const region = h("section.card");
	const view = {
		title,
		element: h("div.view",
			h("header.view-head", h("h1", title),
				note ? h("p.subtitle", note) : null), region),
		async load() {
			try {
				view.document = await load();
				view.redraw();
			} catch (error) {
				swap(region, error.message, () => failure(error));
			}
		},
		redraw() {
			if (view.document === undefined) return;
			swap(region, [view.document, Math.floor(Date.now() / 5000)],
				() => draw(view.document, view));
		},
		update: () => view.redraw(),
		event: event ? (each) => event(each, view) : null,
		concerns: () => !event,
	};
	return view;
}

/** The view at "#/events". */
export const eventsView = () => listView("Events", {
	note: "The newest first, as they happen.",
	load: async () => (await get("/events", { limit: 300 })).events.toReversed(),
	draw: (events) => eventList(events),
	event: (each, view) => {
		if (!view.document || view.document.some((other) => other.id === each.id)) return;
		view.document = [each, ...view.document].slice(0, 1000);
		view.redraw();
	},
});

/** The view at "#/clones". */
export const clonesView = () => listView("Clones", {
	note: "Writable layers over snapshots, served by their names.",
	load: async () => (await get("/clones")).clones,
	draw: (clones) => [table("Clones", [["Clone"], ["Volume"], ["Snapshot"], ["State"],
		["Size", "figure-cell"], ["Written", "figure-cell"], ["Created"]], clones.map((clone) => ({ cells: [
		h("b", visible(clone.name)),
		link(clone.volume, "volume", clone.volume),
		link(clone.snapshot_id, "volume", clone.volume, clone.snapshot_id),
		chip(clone.state, clone.state === "ready" ? "good" : clone.state === "merging" ? "busy" : "warn"),
		bytes(clone.size), bytes(clone.store_bytes), when(clone.created_at),
	] })), { empty: "There is no clone." }),
	terminal("Make one", "snapmgr clone create VOLUME@REF NAME", "pad")],
});

/** The view at "#/mounts". */
export const mountsView = () => listView("Mounts", {
	note: "Snapshots and clones that are mounted on this machine.",
	load: async () => (await get("/status")).mounts,
	draw: (mounts) => [table("Mounts", [["Folder"], ["Volume"], ["What"], ["Filesystem"], ["State"],
		["Since"]], mounts.map((mount) => ({ cells: [
		h("code", visible(mount.directory)),
		link(mount.volume, "volume", mount.volume),
		mount.all ? `all snapshots, ${mount.snapshots ?? 0}` : mount.clone ? `clone ${visible(mount.clone)}`
			: `snapshot ${mount.snapshot_id}`,
		mount.filesystem ?? "–", chip(mount.state, mount.state === "mounted" ? "good" : "warn"),
		when(mount.mounted_at),
	] })), { empty: "Nothing is mounted." }),
	terminal("Mount one", "snapmgr mount VOLUME@REF /mnt", "pad")],
});

const MIRROR_TONES = { current: "good", behind: "warn", waiting: "warn", reversed: "dim" };

/** The view at "#/mirrors". */
export const mirrorsView = () => listView("Mirrors", {
	note: "Copies of volumes on other machines.",
	load: async () => (await get("/mirrors")).mirrors,
	draw: (mirrors) => [table("Mirrors", [["Mirror"], ["Volume"], ["Target"], ["State"], ["Behind"],
		["Last success"], ["Next attempt"], ["Failure"]], mirrors.map((mirror) => ({ cells: [
		h("b", visible(mirror.name)),
		link(mirror.volume, "volume", mirror.volume),
		h("code", visible(mirror.target)),
		chip(mirror.running ? "running" : mirror.state, mirror.running ? "busy" : MIRROR_TONES[mirror.state] ?? "bad"),
		mirror.lag_snapshots === 0 ? "nothing" : `${mirror.lag_snapshots} snapshots, `
			+ `${bytes(mirror.lag_bytes)}, ${duration(mirror.lag_seconds ?? 0)}`,
		when(mirror.last_success_at), when(mirror.next_attempt_at),
		mirror.failure ? visible(mirror.failure.message) : h("span.quiet", "none"),
	] })), { empty: "There is no mirror." }),
	terminal("Add one", "snapmgr mirror add NAME VOLUME user@host:VOLUME", "pad")],
});

/** The view at "#/jobs". */
export const jobsView = () => listView("Jobs", {
	note: "Long work that was asked for here or over the API, for an hour after its end.",
	load: async () => (await get("/jobs")).jobs.toReversed(),
	draw: (jobs, view) => table("Jobs", [["Job"], ["State"], ["Volumes"], ["Asked by"], ["Since"],
		["Progress"], ["", "actions-cell"]], jobs.map((job) => ({ cells: [
		h("b", visible(job.kind)),
		chip(job.state, job.state === "running" ? "busy" : job.state === "done" ? "good" : "bad"),
		(job.volumes ?? []).join(", "),
		who(job.requested_by) || "–", when(job.since),
		progress(job),
		job.cancellable && job.state === "running" && may("operate") ? button("Cancel", {
			tone: "small", onclick: () => cancel(job, view),
		}) : "",
	] })), { empty: "No job runs." }),
});

function progress(job) {
	if (job.error) return visible(job.error.message);
	const { done_bytes: done, total_bytes: total, step } = job.progress ?? {};
	if (total) return `${bytes(done)} of ${bytes(total)}`;
	return step ? visible(step) : "–";
}

async function cancel(job, view) {
	try {
		await change("DELETE", path("jobs", job.id));
		say("The job is told to stop");
	} catch (error) {
		say(error.message);
	}
	await view.load();
	known.refresh();
}
