// What all views share: how times are shown, and what is known.

import { h } from "./dom.js";
import { ago, moment, time } from "./words.js";

const STORED = "snapmgr-options";

function stored() {
	try {
		return JSON.parse(localStorage.getItem(STORED)) ?? {};
	} catch {
		return {};
	}
}

/** How the page is shown: kept by the browser, and nothing else is. */
export const options = { isUTC: false, axis: "log", theme: "auto", ...stored() };

export function setOption(name, value) {
	options[name] = value;
	try {
		localStorage.setItem(STORED, JSON.stringify(options));
	} catch {
		// A browser that keeps nothing shows the page all the same.
	}
}

/** A moment of a document, or in milliseconds, as the options say that times are shown. */
export const shown = (value, more) => moment(time(value), options.isUTC, more);

/** How long ago a moment is; which it is, for whoever points at it. */
export function when(value, otherwise = "–") {
	const at = time(value);
	return Number.isNaN(at) ? otherwise : h("span", { title: shown(at) }, ago(at, Date.now()));
}

/** What is known of the machine: documents of the last look. */
export const known = { status: null, sets: [], vms: [], settings: [], session: null };

/** Whether whoever is signed in may do what a role allows. */
export function may(role) {
	const order = ["read", "snapshot", "operate", "revert"];
	const own = known.session?.role;
	return !own || order.indexOf(own) >= order.indexOf(role);
}

/** The settings of a table, as key and value; values are as the file has them. */
export function settings(table) {
	const rows = known.settings.filter((row) => row.table === table);
	return Object.fromEntries(rows.map((row) => [row.key, row.value]));
}

/** The words of a setting that is a list or a text: `["a", "b"]` or `"a"`. */
export function words(value) {
	return [...String(value ?? "").matchAll(/"((?:[^"\\]|\\.)*)"/g)].map((match) => match[1]);
}

const PERIODS = { s: 1, m: 60, min: 60, h: 3600, d: 86_400, w: 604_800 };

/** How long a schedule's period is, in milliseconds; null where only the daemon can tell. */
function periodOf({ every }) {
	const match = /^"(\d+)\s*(s|m|min|h|d|w)"$/.exec(every ?? "");
	const period = match ? Number(match[1]) * PERIODS[match[2]] * 1000 : null;
	// Those up to an hour are aligned to the clock whatever the zone is.
	return period > 3_600_000 ? null : period;
}

/** When a schedule is due next, in milliseconds since 1970; null where only the daemon can tell. */
export function nextDue(schedule, now) {
	const period = periodOf(schedule);
	return period && (Math.floor(now / period) + 1) * period;
}

/** What a volume's or set's schedules are: `[{name, due, period, text}]`. */
export function schedules(table, now) {
	return words(settings(table).schedules).map((name) => {
		const schedule = settings(`schedules.${name}`);
		const text = schedule.every ? `every ${words(schedule.every)[0]}`
			: words(schedule.calendar)[0] ?? "";
		return { name, due: nextDue(schedule, now), period: periodOf(schedule), text };
	});
}

/** All schedules that take snapshots of a volume: its own, and those of the sets it is in. */
export function schedulesOf(volume, now) {
	const tables = new Set(known.settings.map((row) => row.table));
	const sets = [...tables].filter((table) => table.startsWith("sets.")
		&& words(settings(table).volumes).includes(volume));
	return [`volumes.${volume}`, ...sets].flatMap((table) => schedules(table, now));
}

/** The names of the sets that the settings have. */
export function configuredSets() {
	const tables = new Set(known.settings.map((row) => row.table));
	return [...tables].filter((table) => table.startsWith("sets.")).map((table) => ({
		name: table.slice("sets.".length), volumes: words(settings(table).volumes),
	}));
}
