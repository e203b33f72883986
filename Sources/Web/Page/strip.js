// Changed ranges as a strip over the volume.

import { h } from "./dom.js";
import { palette } from "./timeline.js";
import { bytes, counted } from "./words.js";

/** The share of each of `count` equal parts of a volume that ranges cover, 0 to 1. */
export function coverage(ranges, size, count) {
	const parts = new Float64Array(count);
	if (size <= 0) return parts;
	const length = size / count;
	for (const { offset, length: long } of ranges) {
		const end = offset + long;
		let at = offset;
		for (let part = Math.floor(offset / length); part < count && at < end; part += 1) {
			const next = Math.min(end, (part + 1) * length);
			parts[part] += (next - at) / length;
			at = next;
		}
	}
	return parts;
}

/** A strip of what a `diff` document says, with its words. */
export function strip(diff, size) {
	const canvas = h("canvas");
	const words = `${diff.exact ? "" : "about "}${bytes(diff.changed_bytes)} differ in `
		+ counted(diff.ranges.length, "range");
	const element = h("figure.strip",
		h("div.strip-box", { role: "img", "aria-label": `${words}, over ${bytes(size)}` }, canvas),
		h("figcaption", h("span", "0"), h("b", words), h("span", bytes(size))));
	const observer = new ResizeObserver(() => paint(canvas, diff, size, observer));
	observer.observe(canvas.parentNode);
	return element;
}

function paint(canvas, diff, size, observer) {
	const box = canvas.parentNode;
	if (!box.isConnected) {
		observer.disconnect();
		return;
	}
	const ratio = devicePixelRatio || 1;
	const width = box.clientWidth;
	const height = box.clientHeight;
	canvas.width = Math.round(width * ratio);
	canvas.height = Math.round(height * ratio);
	const pen = canvas.getContext("2d");
	pen.scale(ratio, ratio);
	const ink = palette(box);
	pen.fillStyle = ink.accent;
	coverage(diff.ranges, size, Math.max(1, Math.floor(width / 2))).forEach((share, part) => {
		if (share === 0) return;
		pen.globalAlpha = 0.3 + 0.7 * Math.min(1, share);
		pen.fillRect(part * 2, 0, 2, height);
	});
}
