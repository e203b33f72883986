// Dialogs whose text is a dry run: what would be is said before anything is done.

import { button, failure, h, icon, swap } from "./dom.js";

let last = 0;

/**
 * Opens a dialog. `plan()` answers what is to be shown, from a dry run; `word` is what has to be
 * typed before `act()` may run, none where nothing can be lost. Fields are given by `fields`. The key
 * that `act()` gets stays the same until there is an answer: without one, who presses again has it
 * done once.
 */
export function open({ title, image, tone = "", label, word, fields = [], plan, act }) {
	last += 1;
	const id = `dialog-${last}`;
	const body = h("div.dialog-body", { "aria-live": "polite" });
	const typed = word ? h("input", {
		type: "text", id: `${id}-word`, autocomplete: "off", autocapitalize: "off",
		spellcheck: "false", "aria-describedby": `${id}-ask`,
	}) : null;
	const confirm = button(label, { image, tone: `primary ${tone}` });
	confirm.type = "submit";
	const form = h("form", { method: "dialog" },
		h("header", h("h2", { id: `${id}-title` }, title),
			h("button", { type: "button", class: "bare", "aria-label": "Close", onclick: () => box.close() },
				icon("close"))),
		fields, body,
		typed ? h("p.typed",
			h("label", { for: `${id}-word`, id: `${id}-ask` }, "Type ", h("code", word), " to confirm"),
			typed) : null,
		h("footer", button("Cancel", { onclick: () => box.close() }), confirm));
	const box = h("dialog.dialog", { "aria-labelledby": `${id}-title` }, form);
	const state = { isPlanned: !plan, isBusy: false, key: crypto.randomUUID() };
	const judge = () => {
		confirm.disabled = state.isBusy || !state.isPlanned || (typed && typed.value.trim() !== word);
	};
	const showPlan = async () => {
		state.isPlanned = false;
		judge();
		if (!plan) return;
		swap(body, "wait", () => h("p.quiet", "Looking what would be…"));
		try {
			const content = await plan();
			body.dataset.key = "";
			swap(body, "plan", () => content);
			state.isPlanned = true;
		} catch (error) {
			swap(body, error.message, () => failure(error));
		}
		judge();
	};
	form.addEventListener("submit", async (event) => {
		event.preventDefault();
		if (confirm.disabled) return;
		state.isBusy = true;
		judge();
		try {
			await act((text) => {
				body.dataset.key = "";
				swap(body, "act", () => text);
			}, state.key);
			box.close();
		} catch (error) {
			if (error.status !== 0) state.key = crypto.randomUUID();
			body.dataset.key = "";
			swap(body, "failed", () => failure(error));
		}
		state.isBusy = false;
		judge();
	});
	typed?.addEventListener("input", judge);
	box.addEventListener("close", () => box.remove());
	document.body.append(box);
	box.showModal();
	if (plan) showPlan();
	judge();
	(typed ?? form.querySelector("input, textarea, select") ?? confirm).focus();
	return { box, showPlan };
}
