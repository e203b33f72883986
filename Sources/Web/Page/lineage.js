// Which snapshots the volume's content descends from: after a revert, what was left is a branch.

/**
 * The parents of snapshots, which stand in the order of time, by the reverts of their volume.
 * Answers the parent of each as an index, -1 for none; that of the live volume; and, for each,
 * whether the live volume descends from it. `here` is what the live volume is known to descend from.
 */
export function lineage(ids, times, reverts, here = null) {
	const indexOf = new Map(ids.map((id, index) => [id, index]));
	const sorted = reverts.filter((revert) => indexOf.has(revert.snapshot_id))
		.sort((a, b) => a.at - b.at);
	const parents = new Int32Array(ids.length);
	let next = 0;
	let parent = -1;
	for (let index = 0; index < ids.length; index += 1) {
		while (next < sorted.length && sorted[next].at <= times[index]) {
			parent = indexOf.get(sorted[next].snapshot_id);
			next += 1;
		}
		parents[index] = parent;
		parent = index;
	}
	while (next < sorted.length) {
		parent = indexOf.get(sorted[next].snapshot_id);
		next += 1;
	}
	if (indexOf.has(here)) parent = indexOf.get(here);
	const isTrunk = new Uint8Array(ids.length);
	for (let index = parent; index >= 0; index = parents[index]) isTrunk[index] = 1;
	return { parents, live: parent, isTrunk };
}
