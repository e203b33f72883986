// How sizes, lengths of time, moments and names are said: as the command line says them.

const KIB = 1024;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/** A size in binary units, "1.5 GiB"; a dash where none is known. */
export function bytes(count) {
	if (count === null || count === undefined) return "–";
	let unit = 0;
	let value = count;
	while (value >= KIB && unit < UNITS.length - 1) {
		value /= KIB;
		unit += 1;
	}
	let text = value < 10 && unit > 0 ? value.toFixed(1) : String(Math.round(value));
	if (text === "1024" && unit < UNITS.length - 1) {
		text = "1";
		unit += 1;
	}
	return `${text.replace(/\.0$/, "")} ${UNITS[unit]}`;
}

/** A whole number with its groups apart: "35 000". */
export function number(count) {
	return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** A number with the noun that goes with it: "1 snapshot", "2 snapshots". */
export function counted(count, noun, plural = `${noun}s`) {
	return `${number(count)} ${count === 1 ? noun : plural}`;
}

const SECONDS = [
	[31_557_600, "y"], [2_629_800, "mo"], [86_400, "d"], [3_600, "h"],
	[60, "min"], [1, "s"],
];

/** A length of time in its largest unit, and the next one where the first is small: "2 h 5 min". */
export function duration(seconds) {
	let rest = Math.max(0, Math.round(seconds));
	if (rest < 1) return "0 s";
	const first = SECONDS.findIndex(([length]) => rest >= length);
	const [length, unit] = SECONDS[first];
	const whole = Math.floor(rest / length);
	rest -= whole * length;
	const next = SECONDS[first + 1];
	if (!next || whole >= 4) return `${whole} ${unit}`;
	const more = Math.floor(rest / next[0]);
	return more > 0 ? `${whole} ${unit} ${more} ${next[1]}` : `${whole} ${unit}`;
}

/** How long ago something was, or how soon it is: "3 min ago", "in 12 min". */
export function ago(moment, now) {
	const seconds = (now - moment) / 1000;
	if (Math.abs(seconds) < 1) return "now";
	return seconds > 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

const two = (part) => String(part).padStart(2, "0");

/** A moment as "2026-11-30 10:23:04": of the browser's zone, or UTC, which then is said. */
export function moment(time, isUTC, { withSeconds = true } = {}) {
	if (time === null || time === undefined || Number.isNaN(time)) return "–";
	const at = new Date(time);
	const parts = isUTC
		? [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours(),
			at.getUTCMinutes(), at.getUTCSeconds()]
		: [at.getFullYear(), at.getMonth() + 1, at.getDate(), at.getHours(), at.getMinutes(),
			at.getSeconds()];
	const [year, month, day, hour, minute, second] = parts;
	const clock = `${two(hour)}:${two(minute)}${withSeconds ? `:${two(second)}` : ""}`;
	return `${year}-${two(month)}-${two(day)} ${clock}${isUTC ? " UTC" : ""}`;
}

/** Milliseconds since 1970 of what a document says: RFC 3339 or such a number; NaN for nothing. */
export function time(value) {
	if (typeof value === "number") return value;
	return value ? Date.parse(value) : NaN;
}

// Control characters, and those that turn the direction of text or cannot be seen.
const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A name or note as it can be shown: what hides or turns text stands there as its code. */
export function visible(text) {
	return String(text).replace(HIDDEN, (character) =>
		`\\u{${character.codePointAt(0).toString(16)}}`);
}

/** One word for a shell: in quotes where it needs them. */
export function shellWord(text) {
	const word = String(text);
	if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
	return `'${word.replaceAll("'", "'\\''")}'`;
}

/** A command of snapmgr that an error or a finding names, as a line to be pasted. */
export function commandLine(command) {
	const stand = new Set(command.placeholders ?? []);
	const given = (command.arguments ?? []).map((argument, index) =>
		stand.has(index) ? argument.toUpperCase() : shellWord(argument));
	return ["snapmgr", command.command, ...given].join(" ");
}

/** A message in parts, those in backquotes as commands: `[{text}, {command}]`. */
export function parts(message) {
	return String(message).split("`").map((text, index) =>
		index % 2 === 1 ? { command: text } : { text }).filter((part) =>
		part.command !== "" && part.text !== "");
}

const REASON = /^([a-z-]+)\((.*)\)$/;
const BUCKETS = {
	minutely: "minute", hourly: "hour", daily: "day", weekly: "week", monthly: "month",
	quarterly: "quarter", yearly: "year",
};
const PLAIN = {
	manual: "taken by hand: stays until deleted", newest: "the newest of its volume",
	held: "somebody holds it", hold: "somebody holds it", clone: "a clone is made of it",
};

/** What a rule's name means, "hourly(48)" as "stands for its hour, of 48". */
export function reason(text) {
	const match = REASON.exec(text);
	if (!match) return PLAIN[text] ?? text;
	const [, rule, size] = match;
	if (rule === "last") return `one of the newest ${size}`;
	if (rule === "within") return `younger than ${size}`;
	return BUCKETS[rule] ? `stands for its ${BUCKETS[rule]}, of ${size}` : text;
}
