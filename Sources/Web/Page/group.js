// A set or a VM: its volumes under each other on one axis.

import { get, path } from "./api.js";
import { configuredSets, known, may, options, schedules, shown } from "./context.js";
import { button, chip, facts, failure, h, link, swap, terminal } from "./dom.js";
import { askSnapshot } from "./revert.js";
import { Timeline } from "./timeline.js";
import { axisSwitch, legend, loadColumns } from "./volume.js";
import { ago, bytes, counted, time, visible } from "./words.js";

/** The view at "#/set/NAME". */
export function setView([name]) {
	const set = configuredSets().find((each) => each.name === name);
	return groupView(name, set?.volumes ?? [], { over: "Set" });
}

/** The view at "#/vm/NAME". */
export function vmView([name]) {
	const machine = known.vms.find((each) => each.name === name);
	return groupView(name, machine?.volumes ?? [], { over: "Virtual machine", machine });
}

function groupView(name, volumes, { over, machine }) {
	const head = h("header.view-head");
	const problem = h("div");
	const chart = h("section.card.chart", { "aria-label": "Time axis" });
	const chosen = h("section.card.pad", { "aria-label": "Chosen set" });
	const about = machine ? h("section.card.pad", aboutMachine(machine)) : null;
	const view = {
		title: name, tracks: null,
		element: h("div.view", head, problem, chart, h("div.columns.even", chosen, about)),
		async load() {
			try {
				const [sets, ...tracks] = await Promise.all([get("/sets"), ...volumes.map(loadColumns)]);
				view.sets = new Map(sets.sets.map((set) => [set.id, set]));
				view.tracks = tracks;
			} catch (error) {
				swap(problem, error.message, () => failure(error));
				return;
			}
			if (!view.timeline && view.tracks.length) begin(view, chart, chosen);
			else view.timeline?.replace(view.tracks);
			view.update();
			if (view.at) show(view, chosen, ...view.at);
		},
		update() {
			drawHead(head, { name, over, volumes, machine, tracks: view.tracks });
		},
		concerns: (event) => volumes.includes(event.volume),
		redraw() {
			view.timeline?.draw();
			view.update();
			if (view.at) show(view, chosen, ...view.at);
		},
		close: () => view.timeline?.close(),
		keys: {
			s: () => may("snapshot") && askSnapshot(name),
			t: () => view.timeline?.element.focus(),
		},
	};
	return view;
}

function begin(view, chart, chosen) {
	view.timeline = new Timeline({
		tracks: view.tracks, label: `Snapshots of ${view.title} by age`, options,
		select: (track, index) => {
			view.at = [track, index];
			show(view, chosen, track, index);
		},
	});
	chart.append(h("header.card-head", h("h2", "Time axis"), legend(),
		axisSwitch((mode) => view.timeline.setMode(mode))), view.timeline.element);
	const index = view.tracks[0].count - 1;
	view.at = [0, index];
	view.timeline.choose(0, index);
}

function drawHead(region, { name, over, volumes, machine, tracks }) {
	const now = Date.now();
	const newest = (tracks ?? []).map((columns) => columns.at[columns.count - 1]).filter((at) => at > 0);
	const due = schedules(`sets.${name}`, now).map((schedule) => schedule.due).filter((at) => at !== null);
	swap(region, [name, newest, Math.floor(now / 15_000)], () => [
		h("p.over", over),
		h("div.title", h("h1", name),
			machine ? chip(machine.reachable ? machine.status ?? "reachable" : "not reachable",
				machine.reachable ? "good" : "warn") : null),
		h("p.subtitle", [
			counted(volumes.length, "volume"),
			newest.length ? `last good ${ago(Math.max(...newest), now)}` : null,
			due.length ? `next due ${ago(Math.min(...due), now)}` : null,
		].filter((part) => part).join(" · ")),
		h("div.actions",
			may("snapshot") ? button("Take snapshot…", {
				image: "camera", tone: "primary", "aria-keyshortcuts": "s",
				onclick: () => askSnapshot(name),
			}) : null,
			h("a.button", { href: `#${path("retention", name)}` }, "Retention")),
	]);
}

function show(view, region, track, index) {
	const columns = view.tracks[track];
	if (index < 0) return;
	const id = columns.set[index];
	const members = view.tracks.map((each) => [each, id === null ? (each === columns ? index : -1)
		: each.set.indexOf(id)]).filter(([, position]) => position >= 0);
	const set = view.sets.get(id);
	const reference = id === null ? String(columns.id[index]) : `set:${id}`;
	swap(region, [track, index, id], () => [
		h("p.over", id === null ? "Snapshot" : `Set ${id}`),
		h("h2", set?.name ? visible(set.name) : ago(columns.at[index], Date.now())),
		facts([
			["Taken", shown(columns.at[index])],
			set?.held_us ? ["Writes were held", `${(set.held_us / 1000).toFixed(1)} ms`] : null,
			...members.map(([each, position]) => [each.volume,
				link(`snapshot ${each.id[position]}`, "volume", each.volume, each.id[position]),
				` · ${bytes(each.changed[position])} changed`]),
		]),
		members.length < view.tracks.length && id !== null
			? h("p.quiet", "Not all volumes of the set are in it.") : null,
		terminal("What a revert would do", `snapmgr revert ${reference} --dry-run`),
		terminal("Back to it", `snapmgr revert ${reference}`),
	]);
}

function aboutMachine(machine) {
	const saved = time(machine.latest_state_at);
	return [h("h2", "The machine"), facts([
		["Control", h("code", visible(machine.qmp))],
		["Guest agent", machine.agent === null ? "none"
			: machine.agent_answers ? "answers" : "does not answer"],
		["Snapshots are", machine.state ? "with its memory" : `at least ${machine.require}`],
		Number.isNaN(saved) ? null : ["Memory saved", `${ago(saved, Date.now())}, ${bytes(machine.latest_state_bytes)}`],
		machine.problem ? ["Problem", visible(machine.problem)] : null,
		machine.left_at_rest ? ["At rest", "it was left stopped; see its log"] : null,
	])];
}
