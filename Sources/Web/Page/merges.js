// The merge of a revert: how far it is, how fast, until when; paused, gone on with, undone.

import { change, path } from "./api.js";
import { known, may } from "./context.js";
import { button, chip, h, say } from "./dom.js";
import { askRevert } from "./revert.js";
import { bytes, duration } from "./words.js";

const TONES = { merging: "busy", paused: "warn", failed: "bad", done: "good", cancelled: "dim" };

/** One merge, with its progress and what can be done about it. */
export function mergeRow(merge) {
	const share = merge.plan_bytes > 0 ? Math.min(1, merge.merged_bytes / merge.plan_bytes) : 1;
	const percent = Math.floor(share * 100);
	const bar = h("div.progress", {
		role: "progressbar", "aria-label": `Merge of ${merge.volume}`,
		"aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": String(percent),
	}, h("span"));
	bar.firstChild.style.setProperty("width", `${share * 100}%`);
	const rate = merge.rate > 0 ? `${bytes(merge.rate)}/s` : "no rate yet";
	const left = merge.eta_s === null ? "" : ` · ${duration(merge.eta_s)} left`;
	return h("div.merge",
		h("div.merge-head",
			h("b", merge.volume), " goes back to snapshot ", String(merge.snapshot_id),
			chip(merge.state, TONES[merge.state])),
		bar,
		h("div.merge-foot",
			h("span", `${percent} % · ${bytes(merge.merged_bytes)} of ${bytes(merge.plan_bytes)}`
				+ (merge.state === "merging" ? ` · ${rate}${left}` : "")
				+ (merge.preserved_bytes ? ` · ${bytes(merge.preserved_bytes)} kept for others` : "")),
			h("span.actions", steer(merge))));
}

function steer(merge) {
	const buttons = [];
	if (may("operate") && merge.state === "merging") buttons.push(act(merge, "pause", "Pause"));
	if (may("operate") && merge.state === "paused") buttons.push(act(merge, "resume", "Go on"));
	if (may("revert") && merge.safety_snapshot_id !== null) {
		buttons.push(button("Undo…", {
			image: "undo", tone: "small",
			onclick: () => askRevert(merge.volume, merge.safety_snapshot_id, { isUndo: true }),
		}));
	}
	return buttons;
}

function act(merge, verb, label) {
	return button(label, {
		tone: "small",
		onclick: async () => {
			try {
				await change("POST", path("merges", verb), { volumes: [merge.volume] });
				say(verb === "pause" ? "Paused" : "It goes on");
			} catch (error) {
				say(error.message);
			}
			known.refresh();
		},
	});
}
