// The snapshots of a volume as columns: 35,000 of them cost little.

import { lineage } from "./lineage.js";
import { time } from "./words.js";

/** The columns of a `timeline` document, oldest first, with the reverts that the events tell of. */
export function fromTimeline({ volume, columns, here, reverts: begun = [] }, events = []) {
	const { id } = columns;
	const found = {
		volume, id, count: id.length,
		at: Float64Array.from(columns.taken_at_ms),
		changed: columns.changed_bytes, kind: columns.kind, state: columns.state,
		name: columns.name, set: columns.set_id, holds: columns.holds,
		// What keeps each, and until when, costs more to find out: it is asked for what is shown.
		keptBy: new Array(id.length).fill(null),
		expires: new Array(id.length).fill(undefined),
		indexOf: new Map(id.map((each, index) => [each, index])),
		reverts: reverts(events),
		// What the last revert left; null without it.
		undo: begun.findLast((each) => each.state !== "cancelled")?.safety_snapshot_id ?? null,
	};
	found.lineage = lineage(id, found.at, found.reverts, here);
	// Those that are drawn for themselves, however many there are around them.
	found.outstanding = id.map((_, index) => index).filter((index) => standsOut(found, index));
	return found;
}

/** What a `list` document says more of snapshots than the timeline does. */
export function learn(columns, rows) {
	for (const row of rows) {
		const index = columns.indexOf.get(row.id);
		if (index === undefined) continue;
		columns.keptBy[index] = row.kept_by;
		columns.expires[index] = row.expires_at;
	}
}

function reverts(events) {
	return events.filter((event) => event.kind === "reverted" && event.snapshot_id !== null)
		.map((event) => ({ at: time(event.time), snapshot_id: event.snapshot_id }));
}

/** The position of the snapshot nearest to a moment; -1 where there is none. */
export function nearest(columns, moment) {
	const { at, count } = columns;
	let low = 0;
	let high = count;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (at[middle] < moment) low = middle + 1;
		else high = middle;
	}
	if (low === 0) return count > 0 ? 0 : -1;
	if (low === count) return count - 1;
	return moment - at[low - 1] <= at[low] - moment ? low - 1 : low;
}

/**
 * What falls into each column of `width` pixels: the first and last snapshot, how many, and the most
 * that one of them changed. Snapshots that stand out on their own are not lost in a crowd.
 */
export function bins(columns, scale, width) {
	const found = [];
	let last = null;
	for (let index = 0; index < columns.count; index += 1) {
		const x = scale.x(columns.at[index]);
		if (x < scale.left - 1) continue;
		if (x > scale.right + 1) break;
		const column = Math.floor((x - scale.left) / width);
		const trunk = columns.lineage.isTrunk[index];
		if (!last || last.column !== column) {
			last = { column, x, first: index, last: index, count: 0, changed: 0, trunk: 0 };
			found.push(last);
		}
		last.last = index;
		last.count += 1;
		last.trunk += trunk;
		const changed = columns.changed[index] ?? 0;
		if (changed > last.changed) last.changed = changed;
	}
	return found;
}

/** Whether a snapshot is drawn for itself, however many there are around it. */
export function standsOut(columns, index) {
	return columns.name[index] !== null || columns.holds[index] > 0
		|| columns.kind[index] === "manual" || columns.kind[index] === "safety";
}

/** Positions of the snapshots that a text and a kind leave, the newest first. */
export function filtered(columns, text, kind) {
	const wanted = text.trim().toLowerCase();
	const found = [];
	for (let index = columns.count - 1; index >= 0; index -= 1) {
		if (kind === "held" ? columns.holds[index] === 0
			: kind && columns.kind[index] !== kind) continue;
		if (wanted && !matches(columns, index, wanted)) continue;
		found.push(index);
	}
	return found;
}

function matches(columns, index, wanted) {
	return String(columns.id[index]) === wanted
		|| (columns.name[index] ?? "").toLowerCase().includes(wanted)
		|| (columns.keptBy[index] ?? []).some((rule) => rule.includes(wanted));
}
