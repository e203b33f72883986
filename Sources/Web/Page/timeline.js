// Draws snapshots on a time axis, NOW at its right, on a canvas: what is a pixel apart is one mark.

import { h } from "./dom.js";
import { makeScale, moved, ticks, zoomed } from "./scale.js";
import { bins, nearest } from "./snapshots.js";
import { ago, bytes, counted, moment, visible } from "./words.js";

const HEAD = 30;
const LANE = 30;
const BARS = 50;
const FOOT = 24;
const SIDE = 18;
const NOW_ROOM = 58;

/**
 * A timeline of one volume, or of several on one axis. `select(track, index)` is called when a
 * snapshot is chosen; `options` is what applies to the whole page: whether times are UTC.
 */
export class Timeline {
	constructor({ tracks, label, select, options, height }) {
		this.tracks = tracks;
		this.select = select;
		this.options = options;
		this.mode = options.axis ?? "log";
		this.view = [0, 1];
		this.track = 0;
		this.index = -1;
		this.hover = null;
		this.height = height ?? (tracks.length === 1
			? HEAD + LANE * 2 + BARS + FOOT : HEAD + tracks.length * (LANE + 34) + FOOT);
		this.canvas = h("canvas");
		this.tip = h("div.tip", { "aria-hidden": "true" });
		this.tip.hidden = true;
		this.element = h("div.timeline", {
			tabindex: "0", role: "slider", "aria-label": label,
			"aria-orientation": "horizontal", "aria-valuemin": "1",
			"aria-keyshortcuts": "ArrowLeft ArrowRight Home End PageUp PageDown + - 0",
			"data-focus": "timeline",
		}, this.canvas, this.tip);
		this.element.style.setProperty("height", `${this.height}px`);
		this.listen();
		this.observer = new ResizeObserver(() => this.draw());
		this.observer.observe(this.element);
		this.describe();
	}

	close() {
		this.observer.disconnect();
		cancelAnimationFrame(this.frame);
		clearTimeout(this.settle);
	}

	/** Other snapshots, the same place. */
	replace(tracks) {
		const chosen = this.tracks[this.track]?.id[this.index];
		this.tracks = tracks;
		const found = tracks[this.track]?.indexOf.get(chosen);
		this.index = found === undefined ? -1 : found;
		this.describe();
		this.draw();
	}

	setMode(mode) {
		this.mode = mode;
		this.view = [0, 1];
		this.draw();
	}

	/** Shows which snapshot is chosen, without telling it to anybody. */
	choose(track, index) {
		clearTimeout(this.settle);
		this.track = track;
		this.index = index;
		this.reveal();
		this.describe();
		this.draw();
	}

	listen() {
		const { element } = this;
		element.addEventListener("keydown", (event) => this.pressed(event));
		element.addEventListener("pointermove", (event) => this.pointed(event));
		element.addEventListener("pointerleave", () => this.point(null));
		element.addEventListener("pointerdown", (event) => {
			this.drag = { x: event.clientX, view: this.view, moved: false };
			element.setPointerCapture(event.pointerId);
		});
		element.addEventListener("pointerup", (event) => this.released(event));
		element.addEventListener("pointercancel", () => { this.drag = null; });
		element.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
	}

	pressed(event) {
		if (event.altKey || event.ctrlKey || event.metaKey) return;
		const count = this.tracks[this.track]?.count ?? 0;
		const steps = {
			ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -count, End: count,
		};
		const around = this.index >= 0 && this.scale
			? this.scale.share(this.scale.x(this.tracks[this.track].at[this.index])) : 1;
		if (event.key in steps) this.step(steps[event.key]);
		else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
			this.changeTrack(event.key === "ArrowUp" ? -1 : 1);
		} else if (event.key === "+" || event.key === "=") this.zoom(0.6, around);
		else if (event.key === "-") this.zoom(1 / 0.6, around);
		else if (event.key === "0") this.zoom(1000, 1);
		else return;
		event.preventDefault();
	}

	step(by) {
		const { count } = this.tracks[this.track];
		if (count === 0) return;
		const from = this.index < 0 ? count : this.index;
		this.pick(this.track, Math.min(count - 1, Math.max(0, from + by)));
	}

	changeTrack(by) {
		const track = this.track + by;
		if (track < 0 || track >= this.tracks.length) return;
		const at = this.tracks[this.track].at[this.index] ?? Date.now();
		this.pick(track, nearest(this.tracks[track], at));
	}

	pick(track, index) {
		if (index < 0) return;
		this.choose(track, index);
		// Whoever holds an arrow key down passes many snapshots: the last one is shown.
		this.settle = setTimeout(() => this.select(track, index), 60);
	}

	pointed(event) {
		if (this.drag && Math.abs(event.clientX - this.drag.x) > 4) {
			this.drag.moved = true;
			const width = this.scale.right - this.scale.left;
			const by = (this.drag.x - event.clientX) / width * (this.drag.view[1] - this.drag.view[0]);
			this.view = moved(this.drag.view, by);
			this.point(null);
			this.draw();
			return;
		}
		const box = this.element.getBoundingClientRect();
		this.point({ x: event.clientX - box.left, y: event.clientY - box.top });
	}

	released(event) {
		const { drag } = this;
		this.drag = null;
		if (!drag || drag.moved) return;
		const box = this.element.getBoundingClientRect();
		const hit = this.hit(event.clientX - box.left, event.clientY - box.top);
		if (hit) this.pick(hit.track, hit.index);
	}

	wheeled(event) {
		if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaX) < Math.abs(event.deltaY)) return;
		event.preventDefault();
		const box = this.element.getBoundingClientRect();
		if (event.ctrlKey) {
			this.zoom(Math.exp(event.deltaY / 240), this.scale.share(event.clientX - box.left));
			return;
		}
		const by = (event.deltaX || event.deltaY) / (this.scale.right - this.scale.left);
		this.view = moved(this.view, by * (this.view[1] - this.view[0]));
		this.draw();
	}

	zoom(factor, around) {
		this.view = zoomed(this.view, factor, Math.min(this.view[1], Math.max(this.view[0], around)));
		this.draw();
	}

	point(place) {
		const hit = place && this.hit(place.x, place.y);
		this.hover = hit && { ...hit, share: this.scale.share(place.x) };
		this.tip.hidden = !hit;
		if (hit) this.showTip(hit);
		this.draw();
	}

	hit(x, y) {
		if (!this.scale) return null;
		let track = 0;
		if (this.tracks.length > 1) {
			track = Math.floor((y - HEAD) / (LANE + 34));
			track = Math.min(this.tracks.length - 1, Math.max(0, track));
		}
		const columns = this.tracks[track];
		const index = nearest(columns, this.scale.time(x));
		if (index < 0 || Math.abs(this.scale.x(columns.at[index]) - x) > 40) return null;
		return { track, index };
	}

	showTip({ track, index }) {
		const columns = this.tracks[track];
		const name = columns.name[index];
		const now = this.scale.now;
		this.tip.replaceChildren(
			h("b", name ? visible(name) : `Snapshot ${columns.id[index]}`),
			h("span", ago(columns.at[index], now)),
			h("span.quiet", moment(columns.at[index], this.options.isUTC)),
			h("span", columns.changed[index] === null
				? "first of its volume" : `${bytes(columns.changed[index])} changed`));
		const x = this.scale.x(columns.at[index]);
		const width = this.element.clientWidth;
		const left = Math.min(width - 190, Math.max(4, x - 90));
		this.tip.style.setProperty("transform", `translate(${left}px, 0)`);
	}

	describe() {
		const columns = this.tracks[this.track];
		const { element } = this;
		element.setAttribute("aria-valuemax", String(Math.max(1, columns?.count ?? 1)));
		element.setAttribute("aria-valuenow", String(Math.max(1, this.index + 1)));
		element.setAttribute("aria-valuetext", this.words());
	}

	words() {
		const columns = this.tracks[this.track];
		if (!columns || columns.count === 0) return "No snapshots";
		if (this.index < 0) return `${counted(columns.count, "snapshot")}, none chosen`;
		const { index } = this;
		const name = columns.name[index] ? `, ${visible(columns.name[index])}` : "";
		const where = this.tracks.length > 1 ? `${columns.volume}, ` : "";
		const changed = columns.changed[index] === null
			? "" : `, ${bytes(columns.changed[index])} changed`;
		const left = columns.lineage.isTrunk[index] ? "" : ", on a branch that a revert left";
		return `${where}snapshot ${columns.id[index]}${name}, ${ago(columns.at[index], Date.now())}`
			+ `, ${columns.kind[index]}${changed}${left}`;
	}

	reveal() {
		const columns = this.tracks[this.track];
		if (!this.scale || this.index < 0) return;
		const share = this.scale.share(this.scale.x(columns.at[this.index]));
		const [from, to] = this.view;
		if (share < from || share > to) this.view = moved(this.view, share - (from + to) / 2);
	}

	draw() {
		if (this.frame) return;
		this.frame = requestAnimationFrame(() => {
			this.frame = 0;
			const start = performance.now();
			this.paint();
			performance.measure("timeline", { start });
		});
	}

	paint() {
		const { canvas, element } = this;
		const width = element.clientWidth;
		if (width === 0) return;
		const ratio = devicePixelRatio || 1;
		if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(this.height * ratio)) {
			canvas.width = Math.round(width * ratio);
			canvas.height = Math.round(this.height * ratio);
		}
		this.ink = palette(element);
		const pen = canvas.getContext("2d");
		pen.setTransform(ratio, 0, 0, ratio, 0, 0);
		pen.clearRect(0, 0, width, this.height);
		// Within a second nothing moves: what was counted is right.
		const now = Math.floor(Date.now() / 1000) * 1000 + 999;
		const oldest = Math.min(now - 3_600_000,
			...this.tracks.filter((track) => track.count > 0).map((track) => track.at[0]));
		const side = this.tracks.length > 1 ? Math.min(112, width * 0.2) : SIDE;
		this.scale = makeScale({
			now, oldest, left: side, right: width - NOW_ROOM, mode: this.mode, view: this.view,
		});
		const key = [now, width, this.mode, this.view, this.tracks];
		if (!this.key || key.some((part, index) => part !== this.key[index])) this.binned = [];
		this.key = key;
		this.paintAxis(pen, width);
		if (this.tracks.length === 1) this.paintTrack(pen, 0, HEAD + LANE * 1.5, BARS, true);
		else this.tracks.forEach((_, track) => {
			this.paintTrack(pen, track, HEAD + track * (LANE + 34) + 18, 26, false);
		});
		if (this.tracks.length > 1) this.paintSets(pen);
	}

	paintAxis(pen, width) {
		const { ink, scale } = this;
		const bottom = this.height - FOOT;
		pen.font = ink.small;
		pen.textAlign = "center";
		pen.textBaseline = "middle";
		const calendar = (at, withTime) => {
			const text = moment(at, this.options.isUTC, { withSeconds: false });
			return withTime ? text.slice(11, 16) : text.slice(5, 10);
		};
		for (const { x, label } of ticks(scale, 58, calendar)) {
			pen.fillStyle = ink.line;
			pen.fillRect(Math.round(x), HEAD - 4, 1, bottom - HEAD + 8);
			pen.fillStyle = ink.quiet;
			pen.fillText(label, x, this.height - 10);
		}
		if (this.view[1] < 0.999) return;
		pen.fillStyle = ink.ink;
		pen.font = ink.bold;
		pen.fillText("now", Math.min(width - 26, scale.x(scale.now) + 30), this.height - 10);
	}

	paintTrack(pen, track, y, barHeight, isWhole) {
		const { ink, scale } = this;
		const columns = this.tracks[track];
		if (!isWhole) {
			pen.font = ink.bold;
			pen.textAlign = "left";
			pen.fillStyle = ink.ink;
			pen.fillText(clip(pen, visible(columns.volume), scale.left - 14), 2, y);
		}
		pen.save();
		pen.beginPath();
		pen.rect(scale.left - 10, 0, scale.right - scale.left + NOW_ROOM + 10, this.height);
		pen.clip();
		const found = this.binned[track] ??= bins(columns, scale, columns.count > 400 ? 3 : 2);
		this.paintBars(pen, found, y + (isWhole ? LANE * 0.75 : 12), barHeight, isWhole,
			!isBack(columns) || scale.x(columns.at[columns.lineage.live]) > 300);
		this.paintLines(pen, columns, y);
		this.paintMarks(pen, track, found, y);
		if (isWhole) this.paintNames(pen, columns, y);
		this.paintNow(pen, columns, y, isWhole);
		this.paintChosen(pen, track, y);
		pen.restore();
	}

	paintBars(pen, found, top, height, isWhole, isLeft) {
		const { ink } = this;
		const most = found.reduce((most, bin) => Math.max(most, bin.changed), 1);
		const base = top + height;
		pen.fillStyle = ink.line;
		pen.fillRect(this.scale.left - 6, base, this.scale.right - this.scale.left + 12, 1);
		for (const bin of found) {
			if (bin.changed === 0) continue;
			const tall = Math.max(1.5, Math.sqrt(bin.changed / most) * (height - 4));
			const wide = bin.count > 1 ? 2 : 3;
			pen.fillStyle = bin.trunk ? ink.bar : ink.faint;
			pen.fillRect(Math.round(bin.x) - 1, base - tall, wide, tall);
		}
		if (!isWhole || most <= 1) return;
		const words = `up to ${bytes(most)} changed`;
		pen.font = ink.small;
		pen.textAlign = "left";
		const wide = pen.measureText(words).width;
		const left = isLeft ? this.scale.left - 6 : this.scale.right + NOW_ROOM - wide - 8;
		pen.fillStyle = ink.paper;
		pen.fillRect(left - 3, base - height - 3, wide + 6, 15);
		pen.fillStyle = ink.quiet;
		pen.fillText(words, left, base - height + 5);
	}

	lane(columns, index, y) {
		return columns.lineage.isTrunk[index] ? y : y - LANE * 0.8;
	}

	paintLines(pen, columns, y) {
		const { ink, scale } = this;
		const { parents, isTrunk } = columns.lineage;
		if (columns.count === 0) return;
		pen.lineWidth = 1.5;
		pen.strokeStyle = ink.trunk;
		pen.beginPath();
		let begin = scale.right + 34;
		const first = isTrunk.indexOf(1);
		if (first >= 0) begin = scale.x(columns.at[first]);
		pen.moveTo(Math.max(scale.left - 10, begin), y);
		// Up to where the volume stands, all content is the live one's; behind it is the way to now.
		pen.lineTo(scale.x(scale.now) + 24, y);
		pen.stroke();
		if (columns.reverts.length === 0) return;
		pen.strokeStyle = ink.faint;
		for (let index = 0; index < columns.count; index += 1) {
			const parent = parents[index];
			const x = scale.x(columns.at[index]);
			if (parent < 0 || (isTrunk[index] && isTrunk[parent]) || x < scale.left - 10) continue;
			const from = scale.x(columns.at[parent]);
			const start = this.lane(columns, parent, y);
			const end = this.lane(columns, index, y);
			pen.beginPath();
			pen.moveTo(from, start);
			if (start === end) pen.lineTo(x, end);
			else {
				const bend = Math.min(24, Math.max(4, (x - from) / 2));
				pen.bezierCurveTo(from + bend, start, from, end, from + bend, end);
				pen.lineTo(x, end);
			}
			pen.stroke();
		}
		if (isBack(columns)) this.paintReturn(pen, columns, y);
	}

	// The way of the last revert: from what was left back to where the volume is.
	paintReturn(pen, columns, y) {
		const { ink, scale } = this;
		const target = scale.x(columns.at[columns.lineage.live]);
		pen.strokeStyle = ink.accent;
		pen.lineWidth = 2;
		pen.beginPath();
		pen.moveTo(target, y);
		pen.lineTo(scale.x(scale.now) + 24, y);
		pen.stroke();
	}

	paintMarks(pen, track, found, y) {
		const { ink } = this;
		const columns = this.tracks[track];
		for (const bin of found) {
			const crowd = bin.count > 1;
			const tall = crowd ? Math.min(11, 4 + Math.log2(bin.count) * 1.7) : 0;
			pen.fillStyle = bin.trunk ? ink.mark : ink.faint;
			if (crowd && bin.trunk) pen.fillRect(Math.round(bin.x) - 1, y - tall / 2, 2, tall);
			else if (crowd) pen.fillRect(Math.round(bin.x) - 1, y - LANE * 0.8 - tall / 2, 2, tall);
			else dot(pen, bin.x, this.lane(columns, bin.first, y), 2.75);
		}
		const last = [Infinity, Infinity];
		for (const index of columns.outstanding.toReversed()) {
			const x = this.scale.x(columns.at[index]);
			const lane = columns.lineage.isTrunk[index];
			if (last[lane] - x < 8) continue;
			last[lane] = x;
			this.paintMark(pen, columns, index, y);
		}
	}

	paintMark(pen, columns, index, y) {
		const { ink, scale } = this;
		const x = scale.x(columns.at[index]);
		if (x < scale.left - 8 || x > scale.right + 4) return;
		const lane = this.lane(columns, index, y);
		const isSafety = columns.kind[index] === "safety";
		pen.fillStyle = isSafety ? ink.paper : columns.lineage.isTrunk[index] ? ink.accent : ink.quiet;
		pen.strokeStyle = isSafety ? ink.amber : ink.paper;
		pen.lineWidth = 1.75;
		pen.beginPath();
		if (isSafety) pen.rect(x - 3.5, lane - 3.5, 7, 7);
		else pen.arc(x, lane, 5, 0, 7);
		pen.fill();
		pen.stroke();
		if (columns.holds[index] === 0) return;
		pen.strokeStyle = ink.accent;
		pen.lineWidth = 1.5;
		pen.beginPath();
		pen.arc(x, lane, 8, 0, 7);
		pen.stroke();
	}

	paintNames(pen, columns, y) {
		const { ink, scale } = this;
		pen.font = ink.small;
		pen.textAlign = "center";
		let free = scale.right + 40;
		for (const index of columns.outstanding.toReversed()) {
			const name = columns.name[index];
			if (name === null) continue;
			const x = scale.x(columns.at[index]);
			if (x < scale.left || x > scale.right) continue;
			const text = clip(pen, visible(name), 130);
			const half = pen.measureText(text).width / 2;
			const middle = Math.max(scale.left - 8 + half, x);
			if (middle + half + 10 > free) continue;
			free = middle - half;
			pen.fillStyle = ink.line;
			pen.fillRect(Math.round(x), 18, 1, this.lane(columns, index, y) - 24);
			pen.fillStyle = ink.ink;
			pen.fillText(text, middle, 10);
		}
	}

	paintNow(pen, columns, y, isWhole) {
		const { ink, scale } = this;
		const x = scale.x(scale.now) + 30;
		pen.fillStyle = ink.paper;
		pen.strokeStyle = ink.green;
		pen.lineWidth = 2;
		pen.beginPath();
		pen.arc(x, y, 6, 0, 7);
		pen.fill();
		pen.stroke();
		pen.fillStyle = ink.green;
		dot(pen, x, y, 2.5);
		const { live } = columns.lineage;
		if (!isWhole || !isBack(columns)) return;
		const place = scale.x(columns.at[live]);
		const text = "you are here";
		pen.font = ink.bold;
		const wide = pen.measureText(text).width + 16;
		const left = Math.min(scale.right - wide + 40, Math.max(scale.left - 6, place - wide / 2));
		pen.fillStyle = ink.accent;
		pen.beginPath();
		pen.roundRect(left, y + 11, wide, 18, 9);
		pen.fill();
		pen.beginPath();
		pen.moveTo(place - 4, y + 12);
		pen.lineTo(place, y + 6);
		pen.lineTo(place + 4, y + 12);
		pen.fill();
		pen.fillStyle = ink.onAccent;
		pen.textAlign = "center";
		pen.fillText(text, left + wide / 2, y + 20.5);
	}

	paintChosen(pen, track, y) {
		const { ink, scale } = this;
		const columns = this.tracks[track];
		const ring = (index, colour) => {
			const x = scale.x(columns.at[index]);
			const lane = this.lane(columns, index, y);
			pen.fillStyle = colour;
			pen.fillRect(Math.round(x) - 0.5, HEAD - 6, 1, this.height - HEAD - FOOT + 10);
			dot(pen, x, lane, 5.5);
			pen.fillStyle = ink.paper;
			dot(pen, x, lane, 2.25);
		};
		if (this.hover?.track === track && this.hover.index < columns.count) {
			ring(this.hover.index, ink.quiet);
		}
		if (this.track === track && this.index >= 0) ring(this.index, ink.accent);
	}

	// The members of the chosen snapshot's set stand under each other: one instant.
	paintSets(pen) {
		const { ink, scale } = this;
		const set = this.tracks[this.track]?.set[this.index];
		if (!set) return;
		pen.fillStyle = ink.accent;
		this.tracks.forEach((columns, track) => {
			const index = columns.set.indexOf(set);
			if (index >= 0) dot(pen, scale.x(columns.at[index]), HEAD + track * (LANE + 34) + 18, 5);
		});
	}
}

/** Whether a volume is not where its newest snapshot is: a revert has brought it elsewhere. */
export function isBack({ lineage, count }) {
	return lineage.live >= 0 && lineage.live !== count - 1;
}

function dot(pen, x, y, radius) {
	pen.beginPath();
	pen.arc(x, y, radius, 0, 7);
	pen.fill();
}

function clip(pen, text, width) {
	if (pen.measureText(text).width <= width) return text;
	let end = text.length;
	while (end > 1 && pen.measureText(`${text.slice(0, end)}…`).width > width) end -= 1;
	return `${text.slice(0, end)}…`;
}

const COLOURS = ["ink", "quiet", "line", "paper", "accent", "on-accent", "green", "amber", "red", "faint",
	"mark", "bar", "trunk"];
let kept = {};

/** The colours and fonts of the page, for what is drawn on a canvas. */
export function palette(element) {
	const { colorScheme, fontFamily } = getComputedStyle(element);
	const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
	const key = `${colorScheme} ${isDark} ${fontFamily}`;
	if (kept.key === key) return kept;
	kept = { key, small: `11px ${fontFamily}`, bold: `600 11px ${fontFamily}` };
	// What a variable comes to is known where it is used.
	const probe = h("i");
	element.append(probe);
	for (const name of COLOURS) {
		probe.style.setProperty("color", `var(--${name})`);
		kept[name.replace("on-a", "onA")] = getComputedStyle(probe).color;
	}
	probe.remove();
	return kept;
}
