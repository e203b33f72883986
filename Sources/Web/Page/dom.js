// Elements made of values: names and texts only ever become text, never markup.

import { path } from "./api.js";
import { commandLine, parts, visible } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/** An element with its properties and children; text is shown as text. */
export function h(tag, properties = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (value === null || value === undefined || value === false) continue;
		if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else if (name === "value") element.value = value;
		else if (value === true) element.setAttribute(name, "");
		else element.setAttribute(name, String(value));
	}
	append(element, children);
	return element;
}

function append(element, children) {
	for (const child of children.flat(Infinity)) {
		if (child === null || child === undefined || child === false) continue;
		element.append(child instanceof Node ? child : document.createTextNode(String(child)));
	}
}

/** Puts new children into an element where its key has changed, and the focus where it was. */
export function swap(region, key, build) {
	if (region.dataset.key === key) return;
	region.dataset.key = key;
	const focused = region.contains(document.activeElement)
		? document.activeElement.dataset.focus : undefined;
	const children = [];
	append({ append: (node) => children.push(node) }, [build()]);
	region.replaceChildren(...children);
	if (focused) region.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

const ICONS = {
	ok: "M3.5 8.5l3 3 6-7",
	warning: "M8 2.2l6.3 11.3H1.7zM8 6.4v3.4M8 11.7v.1",
	error: "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.800zM8 4.800v3.900M8 10.900v.1",
	info: "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.800zM8 7.300v3.900M8 4.900v.1",
	copy: "M5.5 5.5h7v8h-7zM3.500 10.500v-8h7",
	folder: "M1.800 12.800v-9.500h4.400l1.600 1.900h6.400v7.600z",
	file: "M3.800 1.800h5.400l3 3v9.400H3.800zM9.200 1.800v3h3",
	link: "M6.500 9.500l3-3M7.200 4.800l1.300-1.300a2.500 2.500 0 013.600 3.600l-1.300 1.300M8.800 11.200l-1.300 1.300a2.500 2.500 0 01-3.600-3.600l1.300-1.300",
	download: "M8 2.200v7.600M4.800 7l3.200 3.200L11.200 7M2.800 13.500h10.400",
	undo: "M5.600 3L2.600 6l3 3M2.800 6h6.400a3.800 3.800 0 010 7.600H6",
	clock: "M8 1.800a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.800zM8 4.500V8l2.400 1.600",
	camera: "M1.800 5h3l1.200-1.800h4L11.200 5h3v8H1.800zM8 6.500a2.300 2.300 0 100 4.600 2.300 2.300 0 000-4.600z",
	pin: "M8 9.800V14M4.800 9.800h6.400L9.900 7V2.800H6.100V7z",
	trash: "M2.800 4.200h10.400M6.200 4V2.400h3.600V4M4.200 4.200l.6 9.400h6.400l.6-9.400",
	close: "M4 4l8 8M12 4l-8 8",
	moon: "M13 9.600A5.600 5.600 0 016.400 3a5.600 5.600 0 106.600 6.600z",
	back: "M9.800 3.500L5.300 8l4.500 4.500",
};

/** A drawing of 16 pixels that says nothing to a screen reader. */
export function icon(name, title) {
	const drawing = document.createElementNS(SVG, "svg");
	drawing.setAttribute("viewBox", "0 0 16 16");
	drawing.setAttribute("class", `icon icon-${name}`);
	if (title) {
		drawing.setAttribute("role", "img");
		drawing.setAttribute("aria-label", title);
	} else drawing.setAttribute("aria-hidden", "true");
	const path = document.createElementNS(SVG, "path");
	path.setAttribute("d", ICONS[name]);
	drawing.append(path);
	return drawing;
}

/** A button with a drawing and a word. */
export function button(label, { image, tone = "", ...rest } = {}) {
	return h("button", { type: "button", class: `button ${tone}`, ...rest },
		image ? icon(image) : null, h("span", {}, label));
}

/** A line to be pasted in a terminal, with a button that copies it. */
export function command(line) {
	const copy = h("button", {
		type: "button", class: "copy", "aria-label": `Copy the command ${line}`, title: "Copy",
		onclick: () => copyText(line, copy),
	}, icon("copy"));
	return h("span", { class: "command" }, h("code", {}, visible(line)), copy);
}

/** A command with what it is for, in words. */
export function terminal(label, line, more = "") {
	return h("p", { class: `terminal ${more}` }, h("span", {}, label), command(line));
}

/** A link to the view that names make. */
export function link(text, ...names) {
	return h("a", { href: `#${path(...names)}` }, visible(text));
}

async function copyText(line, from) {
	try {
		await navigator.clipboard.writeText(line);
		say("Copied");
	} catch {
		const range = document.createRange();
		range.selectNodeContents(from.previousElementSibling);
		getSelection().removeAllRanges();
		getSelection().addRange(range);
		say("Selected: copy it with Control-C");
	}
	from.classList.add("done");
	setTimeout(() => from.classList.remove("done"), 1200);
}

/** A message for people: what it has in backquotes are commands to be pasted. */
export function message(text) {
	return parts(text).map((part) => part.command
		? (part.command.startsWith("snapmgr ") ? command(part.command)
			: h("code", {}, visible(part.command)))
		: visible(part.text));
}

/** The commands that an error or a finding names. */
export function commands(list) {
	return (list ?? []).map((item) => command(commandLine(item)));
}

/** What went wrong, with what to do next. */
export function failure(error) {
	const hint = error.hint ? h("p", { class: "hint" }, message(error.hint)) : null;
	const lines = error.hint?.includes("`") ? null : commands(error.commands);
	return h("div", { class: "notice error", role: "alert" }, icon("error"),
		h("div", {}, h("p", {}, message(error.message)), hint, lines));
}

/** A word with the colour of its state; the word says it, the colour repeats it. */
export function chip(word, tone = "") {
	return h("span", { class: `chip ${tone}` }, visible(word));
}

/** Pairs of what something is called and what it is. */
export function facts(pairs) {
	return h("dl", { class: "facts" }, pairs.filter((pair) => pair).map(([name, ...value]) =>
		h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

const ACTIONS = "actions-cell";

/** A table that is told apart by its caption; each cell says its column on narrow screens. */
export function table(caption, columns, rows, { empty = "None" } = {}) {
	if (rows.length === 0) return h("p", { class: "empty" }, empty);
	return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
		h("table", { class: "table" },
			h("caption", { class: "unseen" }, caption),
			h("thead", {}, h("tr", {}, columns.map(([name, kind]) =>
				h("th", { scope: "col", class: kind ?? "" },
					kind === ACTIONS ? h("span", { class: "unseen" }, "Actions") : name)))),
			h("tbody", {}, rows.map((row) => h("tr", { class: row.tone ?? "" },
				row.cells.map((cell, index) => h(index === 0 ? "th" : "td", {
					scope: index === 0 ? "row" : null, class: columns[index][1] ?? "",
					"data-column": columns[index][0],
				}, cell)))))));
}

/** Tells a screen reader what has happened; others see it at the foot for a moment. */
export function say(text) {
	const region = document.getElementById("announcer");
	region.textContent = text;
	region.classList.add("shown");
	clearTimeout(say.timer);
	say.timer = setTimeout(() => region.classList.remove("shown"), 3200);
}
