// What changes a volume or its snapshots, each behind a dialog that shows the dry run.

import { change, finished, path } from "./api.js";
import { known } from "./context.js";
import { open } from "./dialog.js";
import { facts, h, icon, message, say, terminal } from "./dom.js";
import { ago, bytes, counted, time, visible } from "./words.js";

const asked = async (address, body, key) => finished(await change("POST", address, body, { key }));

/** Back to a snapshot; an undo is a revert to the safety snapshot. */
export function askRevert(volume, snapshot, { isUndo = false } = {}) {
	open({
		title: isUndo ? `Undo the revert of ${volume}` : `Revert ${volume} to snapshot ${snapshot}`,
		label: isUndo ? "Undo" : "Revert", image: "undo", tone: "danger", word: volume,
		plan: async () => revertPlan(volume, snapshot,
			await asked("/reverts", { snapshot: String(snapshot), dry_run: true })),
		act: async (show, key) => {
			show(h("p.quiet", "Reverting…"));
			const { revert } = await asked("/reverts", { snapshot: String(snapshot) }, key);
			say(`${volume} reads as snapshot ${snapshot}`
				+ (revert.safety_snapshot_id === null ? "" : `; snapshot ${revert.safety_snapshot_id} undoes it`));
			known.refresh();
		},
	});
}

function revertPlan(volume, snapshot, { revert, steps, vms }) {
	return [
		h("p", "The volume ", h("b", volume), " will read as snapshot ",
			h("b", String(snapshot)), " at once; the data is merged in the background."),
		facts([
			["To merge", bytes(revert.plan_bytes)],
			["To keep for other snapshots", bytes(revert.preserve_bytes)],
			["What is there now", "kept in a safety snapshot, which undoes this"],
			revert.clients > 0 ? ["Clients", counted(revert.clients, "client")] : null,
		]),
		vms.length ? h("p", "VMs that go back with it: ",
			vms.map((vm) => vm.name).join(", ")) : null,
		steps.length ? h("ol.steps", steps.map((step) => h("li", message(step)))) : null,
		revert.clients > 0 ? h("p.notice.warn", icon("warning"),
			h("span", "Who has the volume open for writing must have it unmounted: else it is refused."))
			: null,
		terminal("In a terminal", `snapmgr revert ${snapshot}`),
	];
}

export function askDelete(volume, snapshot, name) {
	open({
		title: `Delete snapshot ${snapshot} of ${volume}`, label: "Delete", image: "trash",
		tone: "danger", word: name ? visible(name) : String(snapshot),
		plan: async () => {
			const document = await asked("/snapshots/delete", {
				snapshots: [String(snapshot)], dry_run: true,
			});
			return [
				h("p", "Its content is gone then, and nothing brings it back."),
				facts([["Frees", bytes(document.freed_bytes)
					+ (document.estimated ? ", as it is estimated" : "")]]),
				terminal("In a terminal", `snapmgr delete ${snapshot}`),
			];
		},
		act: async (_, key) => {
			await asked("/snapshots/delete", { snapshots: [String(snapshot)] }, key);
			say(`Snapshot ${snapshot} was deleted`);
			known.refresh();
		},
	});
}

function field(label, properties = {}) {
	const id = `field-${label.replace(/\W+/g, "-").toLowerCase()}`;
	const input = h("input", { type: "text", id, autocomplete: "off", ...properties });
	return { row: h("p.field", h("label", { for: id }, label), input), input };
}

export function askHold(volume, snapshot) {
	const reason = field("Why", { placeholder: "audit 2026", required: true, maxlength: "200" });
	open({
		title: `Hold snapshot ${snapshot} of ${volume}`, label: "Hold", image: "pin",
		fields: [h("p", "No policy and nobody deletes it until the hold is released."), reason.row],
		act: async (_, key) => {
			await asked(path("snapshots", snapshot) + "/hold", {
				reason: reason.input.value.trim(),
			}, key);
			say(`Snapshot ${snapshot} is held`);
			known.refresh();
		},
	});
}

/** Ends the holds of whoever asks. */
export async function release(snapshot) {
	try {
		const { released } = await asked(path("snapshots", snapshot) + "/release", {});
		say(released.length ? `Snapshot ${snapshot} is held no more` : "It is held by somebody else");
	} catch (error) {
		say(error.message);
	}
	known.refresh();
}

/** Takes a snapshot of a volume, or of all volumes of a set at one instant. */
export function askSnapshot(target) {
	const name = field("Name", { placeholder: "before-upgrade", maxlength: "128" });
	const note = field("Note", { maxlength: "1000" });
	const tags = field("Tags", { placeholder: "keep release" });
	open({
		title: `Take a snapshot of ${target}`, label: "Take it", image: "camera",
		fields: [name.row, note.row, tags.row],
		act: async (_, key) => {
			const body = { volumes: [target] };
			if (name.input.value.trim()) body.name = name.input.value.trim();
			if (note.input.value.trim()) body.note = note.input.value.trim();
			const words = tags.input.value.split(/[\s,]+/).filter((word) => word);
			if (words.length) body.tags = words;
			const document = await asked("/snapshots", body, key);
			say(`${counted(document.snapshots.length, "snapshot")} taken`);
			known.refresh();
		},
	});
}

export function askPrune(volume) {
	open({
		title: `Prune ${volume}`, label: "Prune", image: "trash", tone: "danger",
		plan: async () => {
			const document = await asked("/prune", {
				volumes: [volume], dry_run: true, explain: true,
			});
			return document.volumes.flatMap((each) => prunePlan(each));
		},
		act: async (_, key) => {
			const document = await asked("/prune", { volumes: [volume] }, key);
			say(`${counted(document.removed, "snapshot")} pruned, ${bytes(document.freed_bytes)} freed`);
			known.refresh();
		},
	});
}

function prunePlan({ removed, kept, freed_bytes: freed, error }) {
	const now = Date.now();
	return [
		h("p", removed.length ? `${counted(removed.length, "snapshot")} would go, ${kept} stay.`
			: `Nothing would go: all ${kept} stay.`),
		facts([["Frees", bytes(freed)]]),
		removed.length ? h("ul.plain", removed.slice(0, 100).map((row) => h("li",
			h("b", String(row.id)), " ", ago(time(row.taken_at), now), " · ",
			h("span.quiet", row.reasons.join(", "))))) : null,
		error ? h("p.notice.error", icon("error"), h("span", visible(error))) : null,
	];
}
