// Elements made of values: names and texts only ever become text, never markup.

import { path } from "./api.js";
import { commandLine, parts, visible } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element: its name and classes, "p.quiet", its properties if it has any, and its children. Text
 * is shown as text.
 */
export function h(selector, ...rest) {
	const [tag, ...classes] = selector.split(".");
	const element = document.createElement(tag);
	element.classList.add(...classes);
	if (rest[0]?.constructor === Object) set(element, rest.shift());
	append(element, rest);
	return element;
}

function set(element, properties) {
	for (const [name, value] of Object.entries(properties)) {
		if (value === null || value === undefined || value === false) continue;
		if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else if (name === "value") element.value = value;
		else element.setAttribute(name, value === true ? "" : value);
	}
}

function append(element, children) {
	for (const child of children.flat(Infinity)) {
		if (child === null || child === undefined || child === false) continue;
		element.append(child instanceof Node ? child : document.createTextNode(String(child)));
	}
}

/** Puts new children into an element where its key has changed, and the focus where it was. */
export function swap(region, key, build) {
	const text = JSON.stringify(key);
	if (region.dataset.key === text) return;
	region.dataset.key = text;
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
	error: "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8zM8 4.8v3.9M8 10.9v.1",
	info: "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8zM8 7.3v3.9M8 4.9v.1",
	copy: "M5.5 5.5h7v8h-7zM3.5 10.5v-8h7",
	folder: "M1.8 12.8v-9.5h4.4l1.6 1.9h6.4v7.6z",
	file: "M3.8 1.8h5.4l3 3v9.4H3.8zM9.2 1.8v3h3",
	download: "M8 2.2v7.6M4.8 7l3.2 3.2L11.2 7M2.8 13.5h10.4",
	undo: "M5.6 3L2.6 6l3 3M2.8 6h6.4a3.8 3.8 0 010 7.6H6",
	clock: "M8 1.8a6.2 6.2 0 100 12.4A6.2 6.2 0 008 1.8zM8 4.5V8l2.4 1.6",
	camera: "M1.8 5h3l1.2-1.8h4L11.2 5h3v8H1.8zM8 6.5a2.3 2.3 0 100 4.6 2.3 2.3 0 000-4.6z",
	pin: "M8 9.8V14M4.8 9.8h6.4L9.9 7V2.8H6.1V7z",
	trash: "M2.8 4.2h10.4M6.2 4V2.4h3.6V4M4.2 4.2l.6 9.4h6.4l.6-9.4",
	close: "M4 4l8 8M12 4l-8 8",
	moon: "M13 9.6A5.6 5.6 0 016.4 3a5.6 5.6 0 106.6 6.6z",
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

export function button(label, { image, tone = "", ...rest } = {}) {
	return h("button", { type: "button", class: `button ${tone}`, "data-focus": label, ...rest },
		image ? icon(image) : null, h("span", label));
}

/** A line to be pasted in a terminal, with a button that copies it. */
export function command(line) {
	const copy = h("button", {
		type: "button", class: "copy", "aria-label": `Copy the command ${line}`, title: "Copy",
		onclick: () => copyText(visible(line), copy),
	}, icon("copy"));
	return h("span.command", h("code", visible(line)), copy);
}

/** A command with what it is for, in words. */
export function terminal(label, line, more = "") {
	return h("p", { class: `terminal ${more}` }, h("span", label), command(line));
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

/** The program's advice: what it has in backquotes are commands. Never of others' words. */
export function message(text) {
	return parts(text).map((part) => part.command
		? (part.command.startsWith("snapmgr ") ? command(part.command)
			: h("code", visible(part.command)))
		: visible(part.text));
}

export function commands(list) {
	return (list ?? []).map((item) => command(commandLine(item)));
}

/** What went wrong, with what to do next. */
export function failure(error) {
	const hint = error.hint ? h("p.hint", message(error.hint)) : null;
	const lines = error.hint?.includes("`") ? null : commands(error.commands);
	return h("div.notice.error", { role: "alert" }, icon("error"),
		h("div", h("p", visible(error.message)), hint, lines));
}

/** A word with the colour of its state; the word says it, the colour repeats it. */
export function chip(word, tone = "") {
	return h("span", { class: `chip ${tone}` }, visible(word));
}

/** Pairs of what something is called and what it is. */
export function facts(pairs) {
	return h("dl.facts", pairs.filter((pair) => pair).map(([name, ...value]) =>
		h("div", h("dt", name), h("dd", value))));
}

const ACTIONS = "actions-cell";

/** A table that is told apart by its caption; each cell says its column on narrow screens. */
export function table(caption, columns, rows, { empty = "None" } = {}) {
	if (rows.length === 0) return h("p.empty", empty);
	return h("div.scroll", { tabindex: "0", role: "region", "aria-label": caption },
		h("table.table",
			h("caption.unseen", caption),
			h("thead", h("tr", columns.map(([name, kind]) =>
				h("th", { scope: "col", class: kind ?? "" },
					kind === ACTIONS ? h("span.unseen", "Actions") : name)))),
			h("tbody", rows.map((row) => h("tr", { class: row.tone ?? "" },
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
