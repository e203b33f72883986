// One volume: its snapshots on the time axis, the chosen one beside the list of all.

import { get, path } from "./api.js";
import { SnapshotCard } from "./card.js";
import { known, may, options, schedulesOf, setOption } from "./context.js";
import { button, chip, command, failure, h, swap } from "./dom.js";
import { mergeRow } from "./merges.js";
import { stateTone } from "./overview.js";
import { askPrune, askRevert, askSnapshot } from "./revert.js";
import { SnapshotTable } from "./rows.js";
import { fromTimeline } from "./snapshots.js";
import { isBack, Timeline } from "./timeline.js";
import { ago, bytes, counted, time } from "./words.js";

/** The snapshots of a volume as columns, with the reverts among its events. */
export async function loadColumns(volume) {
	const [timeline, { events }] = await Promise.all([
		get(path("volumes", volume) + "/timeline"),
		get("/events", { volume, limit: 1000 }),
	]);
	return fromTimeline(timeline, events);
}

export function axisSwitch(change) {
	const make = (mode, label) => h("button", {
		type: "button", "aria-pressed": String(options.axis === mode), "data-focus": `axis-${mode}`,
		onclick: (event) => {
			setOption("axis", mode);
			for (const other of event.currentTarget.parentElement.children) {
				other.setAttribute("aria-pressed", String(other === event.currentTarget));
			}
			change(mode);
		},
	}, label);
	return h("div.segments", { role: "group", "aria-label": "Time axis" },
		make("log", "Log"), make("linear", "Linear"));
}

export function legend() {
	const item = (kind, text) => h("li", h("span", { class: `key key-${kind}` }), text);
	return h("ul.legend", { "aria-label": "Marks" }, item("scheduled", "scheduled"),
		item("manual", "by hand, or named"), item("safety", "before a revert"), item("held", "held"),
		item("left", "left by a revert"), item("now", "now"));
}

/** The view at "#/volume/NAME", and "#/volume/NAME/ID" with a snapshot chosen. */
export function volumeView([name, chosen]) {
	const head = h("header.view-head");
	const merging = h("section.merging", { "aria-live": "off" });
	const chart = h("section.card.chart", { "aria-label": "Time axis" });
	const side = h("section.card.side", { "aria-label": "Chosen snapshot" });
	const list = h("section.card.list", { "aria-label": "All snapshots" });
	const problem = h("div");
	const element = h("div.view", head, problem, merging, chart,
		h("div.columns", list, side));
	const view = {
		title: name, element, columns: null, wanted: chosen ? Number(chosen) : null,
		async load() {
			try {
				view.columns = await loadColumns(name);
			} catch (error) {
				swap(problem, error.message, () => failure(error));
				chart.hidden = list.hidden = side.hidden = true;
				return;
			}
			swap(problem, "", () => []);
			chart.hidden = list.hidden = side.hidden = false;
			if (!view.timeline) begin(view, { chart, side, list });
			else {
				view.timeline.replace([view.columns]);
				view.table.replace(view.columns);
			}
			view.choose(view.wanted);
			view.update();
		},
		choose(id, { isTold = false } = {}) {
			const index = view.columns.indexOf.get(id) ?? view.columns.count - 1;
			view.timeline.choose(0, index);
			view.table.choose(index);
			view.card.show(view.columns, index);
			if (!isTold || index < 0) return;
			view.wanted = view.columns.id[index];
			history.replaceState(null, "", `#${path("volume", name, view.wanted)}`);
		},
		update() {
			const status = known.status?.volumes.find((volume) => volume.name === name);
			drawHead(head, name, status, view.columns);
			merging.hidden = !status?.merge;
			swap(merging, status?.merge ?? null, () =>
				status?.merge ? mergeRow(status.merge) : []);
			view.card?.tick();
		},
		concerns: (event) => event.volume === name,
		moved(rest) {
			view.wanted = rest[1] ? Number(rest[1]) : null;
			if (view.columns) view.choose(view.wanted);
		},
		redraw() {
			view.timeline?.draw();
			view.table?.draw(true);
			view.card?.redraw();
			view.update();
		},
		close() {
			view.timeline?.close();
			view.table?.close();
		},
		keys: {
			s: () => may("snapshot") && askSnapshot(name),
			r: () => view.card?.revert(),
			b: () => view.card?.browse(),
			t: () => view.timeline?.element.focus(),
			"/": () => view.table?.search.focus(),
		},
	};
	return view;
}

function begin(view, { chart, side, list }) {
	const { columns } = view;
	const tell = (index) => view.choose(view.columns.id[index], { isTold: true });
	view.timeline = new Timeline({
		tracks: [columns], label: `Snapshots of ${columns.volume} by age`, options,
		select: (_, index) => tell(index),
	});
	view.table = new SnapshotTable(columns, { select: tell });
	view.card = new SnapshotCard();
	chart.append(
		h("header.card-head", h("h2", "Time axis"), legend(),
			axisSwitch((mode) => view.timeline.setMode(mode))),
		view.timeline.element);
	list.append(view.table.element);
	side.append(view.card.element);
}

function drawHead(region, name, status, columns) {
	const now = Date.now();
	const due = schedulesOf(name, now).find((schedule) => schedule.due !== null)?.due;
	const isElsewhere = columns && isBack(columns);
	const key = [status, columns?.count, columns?.undo, isElsewhere, Math.floor(now / 15_000)];
	swap(region, key, () => [
		h("div.title", h("h1", name),
			status ? chip(status.state, stateTone(status.state)) : null,
			isElsewhere ? chip(`reads as snapshot ${columns.id[columns.lineage.live]}`, "accent") : null),
		status ? h("p.subtitle", [
			bytes(status.size), counted(status.snapshots, "snapshot"),
			`${bytes(status.store_bytes)} in its store`,
			status.newest_at ? `last good ${ago(time(status.newest_at), now)}` : "no snapshot yet",
			due ? `next due ${ago(due, now)}` : null,
		].filter((part) => part).join(" · ")) : null,
		h("div.actions",
			may("snapshot") ? button("Take snapshot…", {
				image: "camera", tone: "primary", "aria-keyshortcuts": "s",
				onclick: () => askSnapshot(name),
			}) : null,
			may("revert") && isElsewhere && columns.indexOf.has(columns.undo) ? button("Undo the revert…", {
				image: "undo",
				onclick: () => askRevert(name, columns.undo, { isUndo: true }),
			}) : null,
			h("a.button", { href: `#${path("retention", name)}` }, "Retention"),
			may("operate") ? button("Prune…", {
				image: "trash", onclick: () => askPrune(name),
			}) : null),
		status?.uri ? h("p.uri", h("span", "Served at"), command(status.uri)) : null,
	]);
}

