// The time axis: logarithmic by age, or linear.

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Ages, in milliseconds, at which a logarithmic axis has its marks. */
const AGES = [
	[MINUTE, "1 min"], [5 * MINUTE, "5 min"], [15 * MINUTE, "15 min"], [HOUR, "1 h"],
	[3 * HOUR, "3 h"], [12 * HOUR, "12 h"], [DAY, "1 d"], [3 * DAY, "3 d"], [7 * DAY, "1 w"],
	[14 * DAY, "2 w"], [30.4375 * DAY, "1 mo"], [91.3125 * DAY, "3 mo"], [182.625 * DAY, "6 mo"],
	[365.25 * DAY, "1 y"], [2 * 365.25 * DAY, "2 y"], [5 * 365.25 * DAY, "5 y"],
	[10 * 365.25 * DAY, "10 y"],
];

/** Below this age nothing is told apart on a logarithmic axis. */
const KNEE = 2 * MINUTE;

/**
 * A mapping of moments to places between `left` and `right`, both in pixels.
 * `view` is the part that is shown, as shares of the whole from the oldest, 0, to now, 1.
 */
export function makeScale({ now, oldest, left, right, mode = "log", view = [0, 1] }) {
	const span = Math.max(now - oldest, 10 * MINUTE);
	const full = Math.log1p(span / KNEE);
	const [from, to] = view;
	const width = right - left;
	const share = mode === "log"
		? (time) => 1 - Math.log1p(Math.max(0, now - time) / KNEE) / full
		: (time) => 1 - Math.max(0, now - time) / span;
	const timeOf = mode === "log"
		? (part) => now - Math.expm1((1 - part) * full) * KNEE
		: (part) => now - (1 - part) * span;
	return {
		now, oldest, left, right, mode, view, span,
		x: (time) => left + (share(time) - from) / (to - from) * width,
		time: (x) => timeOf(from + (x - left) / width * (to - from)),
		share: (x) => from + (x - left) / width * (to - from),
	};
}

/** The marks of an axis with at least `gap` pixels between them: `[{x, label}]`, from the right. */
export function ticks(scale, gap, calendar) {
	return scale.mode === "log" ? ageTicks(scale, gap) : calendarTicks(scale, gap, calendar);
}

function ageTicks(scale, gap) {
	const marks = [];
	let last = scale.right + gap * 0.35;
	for (const [age, label] of AGES) {
		if (age > scale.span * 1.02) break;
		const x = scale.x(scale.now - age);
		if (x > scale.right || x < scale.left || last - x < gap) continue;
		marks.push({ x, label });
		last = x;
	}
	return marks;
}

const STEPS = [5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY,
	14 * DAY, 30 * DAY, 91 * DAY, 182 * DAY, 365 * DAY, 2 * 365 * DAY];

function calendarTicks(scale, gap, calendar) {
	const begin = scale.time(scale.left);
	const end = scale.time(scale.right);
	const wanted = (end - begin) / Math.max(1, (scale.right - scale.left) / gap);
	const step = STEPS.find((length) => length >= wanted) ?? STEPS.at(-1);
	const marks = [];
	for (let at = Math.ceil(begin / step) * step; at <= end; at += step) {
		marks.push({ x: scale.x(at), label: calendar(at, step < DAY) });
	}
	return marks.reverse();
}

/** A view `factor` times as wide around a share of the whole, within it. */
export function zoomed([from, to], factor, around) {
	const width = Math.min(1, Math.max(0.004, (to - from) * factor));
	const part = (around - from) / (to - from);
	const begin = Math.min(1 - width, Math.max(0, around - part * width));
	return [begin, begin + width];
}

/** A view moved by a share of the whole, within the whole. */
export function moved([from, to], by) {
	const begin = Math.min(1 - (to - from), Math.max(0, from + by));
	return [begin, begin + (to - from)];
}
