// All snapshots of a volume as a list, of which the page has those that are seen.

import { get, path } from "./api.js";
import { shown, when } from "./context.js";
import { chip, h, icon } from "./dom.js";
import { filtered, learn } from "./snapshots.js";
import { ago, bytes, counted, time, visible } from "./words.js";

const ROW = 34;
const PAGE = 200;
const AROUND = 8;
const KINDS = [["", "All kinds"], ["manual", "By hand"], ["scheduled", "Scheduled"],
	["safety", "Safety"], ["mirror", "Mirror"], ["held", "Held"]];

/** The list; `select(index)` is called when a snapshot is chosen. */
export class SnapshotTable {
	constructor(columns, { select }) {
		this.columns = columns;
		this.select = select;
		this.chosen = -1;
		this.asked = new Set();
		this.search = h("input", {
			type: "search", placeholder: "Name, number or rule", "aria-label": "Filter the snapshots",
			"aria-keyshortcuts": "/", oninput: () => this.filter(),
		});
		this.kind = h("select", { "aria-label": "Kind", onchange: () => this.filter() },
			KINDS.map(([value, label]) => h("option", { value }, label)));
		this.count = h("span.quiet", { role: "status" });
		this.sheet = h("div.sheet", { role: "rowgroup" });
		this.body = h("div.rows", {
			tabindex: "0", role: "grid", "aria-label": "Snapshots, the newest first",
			"aria-colcount": "6", onscroll: () => this.schedule(), onkeydown: (event) => this.pressed(event),
		}, heading(), this.sheet);
		this.element = h("div.snapshots",
			h("header.card-head", h("h2", "Snapshots"), this.count,
				h("span.filters", this.search, this.kind)), this.body);
		this.observer = new ResizeObserver(() => this.schedule());
		this.observer.observe(this.body);
		this.filter();
	}

	close() {
		this.observer.disconnect();
		cancelAnimationFrame(this.frame);
	}

	/** Other snapshots, filtered as before. */
	replace(columns) {
		this.columns = columns;
		this.asked.clear();
		this.filter({ isSame: true });
	}

	filter({ isSame = false } = {}) {
		this.shown = filtered(this.columns, this.search.value, this.kind.value);
		this.sheet.style.setProperty("height", `${this.shown.length * ROW}px`);
		this.body.setAttribute("aria-rowcount", String(this.shown.length + 1));
		this.count.textContent = this.shown.length === this.columns.count
			? counted(this.columns.count, "snapshot")
			: `${this.shown.length} of ${counted(this.columns.count, "snapshot")}`;
		if (!isSame) this.body.scrollTop = 0;
		this.draw(true);
	}

	choose(index) {
		this.chosen = index;
		const row = this.shown.indexOf(index);
		if (row >= 0) {
			const top = row * ROW;
			const height = this.body.clientHeight - ROW;
			if (top < this.body.scrollTop) this.body.scrollTop = top;
			else if (top + ROW > this.body.scrollTop + height) this.body.scrollTop = top + ROW - height;
		}
		this.draw(true);
	}

	pressed(event) {
		const page = Math.max(1, Math.floor(this.body.clientHeight / ROW) - 2);
		const steps = {
			ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity,
		};
		if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
		event.preventDefault();
		const from = this.shown.indexOf(this.chosen);
		const to = Math.min(this.shown.length - 1, Math.max(0, from + steps[event.key]));
		if (to >= 0 && this.shown.length) this.select(this.shown[to]);
	}

	schedule() {
		if (this.frame) return;
		this.frame = requestAnimationFrame(() => {
			this.frame = 0;
			this.draw();
		});
	}

	draw(isForced = false) {
		const first = Math.max(0, Math.floor(this.body.scrollTop / ROW) - AROUND);
		const end = Math.min(this.shown.length,
			Math.ceil((this.body.scrollTop + this.body.clientHeight) / ROW) + AROUND);
		if (!isForced && first === this.first && end === this.end) return;
		this.first = first;
		this.end = end;
		const now = Date.now();
		const rows = [];
		for (let row = first; row < end; row += 1) rows.push(this.row(row, now));
		this.sheet.replaceChildren(...rows);
		const active = this.shown.indexOf(this.chosen);
		if (active >= first && active < end) {
			this.body.setAttribute("aria-activedescendant", `row-${this.columns.id[this.chosen]}`);
		} else this.body.removeAttribute("aria-activedescendant");
		this.learn(first, end);
	}

	row(row, now) {
		const { columns } = this;
		const index = this.shown[row];
		const name = columns.name[index];
		const keptBy = columns.keptBy[index];
		const element = h("div", {
			class: `row${columns.lineage.isTrunk[index] ? "" : " left"}`, role: "row",
			id: `row-${columns.id[index]}`, "aria-rowindex": String(row + 2),
			"aria-selected": String(index === this.chosen), onclick: () => this.select(index),
		},
		cell("id", columns.id[index]),
		cell("name", name === null ? h("span.quiet", columns.kind[index])
			: h("b", { title: visible(name) }, visible(name)),
		columns.holds[index] > 0 ? icon("pin", "held") : null),
		cell("age", when(columns.at[index])),
		cell("size", bytes(columns.changed[index])),
		cell("kept", keptBy?.length ? [chip(keptBy[0]), keptBy.length > 1
			? h("span.quiet", { title: keptBy.join(", ") }, `+${keptBy.length - 1}`) : null] : null),
		cell("until", until(columns.expires[index], now)));
		element.style.setProperty("transform", `translateY(${row * ROW}px)`);
		return element;
	}

	// What keeps snapshots is asked for in pages, by their place among all, the newest first.
	async learn(first, end) {
		const { columns } = this;
		const pages = new Set();
		for (let row = first; row < end; row += 1) {
			if (columns.keptBy[this.shown[row]]) continue;
			pages.add(Math.floor((columns.count - 1 - this.shown[row]) / PAGE));
		}
		for (const page of pages) {
			if (this.asked.has(page)) continue;
			this.asked.add(page);
			try {
				const { snapshots } = await get(path("volumes", columns.volume) + "/snapshots", {
					sort: "-id", offset: page * PAGE, limit: PAGE,
				});
				learn(columns, snapshots);
			} catch {
				// The list stands without it; it is asked again when it is loaded anew.
			}
			if (columns === this.columns) this.draw(true);
		}
	}
}

const cell = (kind, ...content) => h("span", { role: "gridcell", class: `cell ${kind}` }, content);

function heading() {
	return h("div", { role: "rowgroup", class: "heading" }, h("div", { role: "row", "aria-rowindex": "1", class: "row" },
		[["id", "ID"], ["name", "Name"], ["age", "Taken"], ["size", "Changed"], ["kept", "Kept by"],
			["until", "Until"]].map(([kind, label]) =>
			h("span", { role: "columnheader", class: `cell ${kind}` }, label))));
}

function until(expires, now) {
	if (expires === undefined) return null;
	if (expires === null) return h("span.quiet", "no end");
	return h("span", { title: shown(expires) },
		time(expires) > now ? ago(time(expires), now) : "next prune");
}
