// The corner of the page: who is signed in, how times are shown, the keys.

import { change, get } from "./api.js";
import { known, options, setOption } from "./context.js";
import { button, failure, h, icon, swap } from "./dom.js";

const KEYS = [
	["g then p, e, c, m, j", "Protection, events, clones, mirrors, jobs"],
	["t", "To the time axis"], ["← →", "The snapshot before, the one after"],
	["↑ ↓", "The volume above, below; in the list, the next row"], ["Home End", "The oldest, the newest"],
	["Page ↑ Page ↓", "Ten snapshots on"], ["+ − 0", "Closer, farther, all of the axis"],
	["s", "Take a snapshot"], ["r", "Revert to the chosen snapshot"], ["b", "Browse its files"],
	["/", "Filter the snapshots"], ["u", "UTC or local time"], ["?", "These keys"],
];

export function showKeys() {
	if (document.querySelector("dialog[open]")) return;
	const box = h("dialog.dialog", { "aria-labelledby": "keys-title" },
		h("form", { method: "dialog" },
			h("header", h("h2", { id: "keys-title" }, "Keys"),
				h("button.bare", { "aria-label": "Close" }, icon("close"))),
			h("dl.keys", KEYS.map(([keys, text]) => h("div",
				h("dt", keys.split(" ").map((key) => (/^(then|p,|e,|c,|m,|j)$/.test(key) && keys.startsWith("g")
					? ` ${key} ` : h("kbd", key)))), h("dd", text))))));
	box.addEventListener("close", () => box.remove());
	document.body.append(box);
	box.showModal();
}

/** The corner; `redraw` is called when times are to be shown in another way. */
export function corner(region, redraw) {
	const zone = (isUTC, label) => h("button", {
		type: "button", "aria-pressed": String(options.isUTC === isUTC), "data-focus": `zone-${label}`,
		onclick: () => {
			setOption("isUTC", isUTC);
			corner(region, redraw);
			redraw();
		},
	}, label);
	const { session } = known;
	swap(region, [options, session], () => [
		h("span", { id: "live", class: "live", role: "status" }),
		h("div.segments", { role: "group", "aria-label": "Times" }, zone(false, "Local"), zone(true, "UTC")),
		h("button", {
			type: "button", class: "bare", "data-focus": "theme", title: "Light or dark",
			"aria-label": `Colours: ${options.theme}`, onclick: () => {
				const next = { auto: "dark", dark: "light", light: "auto" }[options.theme];
				setOption("theme", next);
				document.documentElement.dataset.theme = next;
				corner(region, redraw);
				redraw();
			},
		}, icon("moon")),
		h("button", {
			type: "button", class: "bare", "aria-label": "Keys", title: "Keys (?)", "data-focus": "keys",
			"aria-keyshortcuts": "?", onclick: showKeys,
		}, "?"),
		session?.how === "cookie" ? button(`Sign out ${session.name}`, {
			tone: "small", "data-focus": "out", onclick: async () => {
				await change("DELETE", "/session").catch(() => {});
				location.reload();
			},
		}) : null,
	]);
}

/** Asks for a token until one is right. */
export function signIn(onDone) {
	if (document.querySelector(".sign-in")) return;
	const token = h("input", {
		type: "password", id: "token", autocomplete: "current-password", required: true, spellcheck: "false",
	});
	const problem = h("div");
	const form = h("form.sign-in.card",
		h("h1", "snapmgr"),
		h("p.quiet", location.host),
		h("p.field", h("label", { for: "token" }, "Token"), token), problem,
		h("button.button.primary", "Sign in"),
		h("p.terminal", h("span", "On that machine"),
			h("code", "snapmgr token create NAME --role read")));
	form.addEventListener("submit", async (event) => {
		event.preventDefault();
		let isKnown;
		try {
			isKnown = await change("POST", "/session", { token: token.value.trim() });
			known.session = await get("/session");
			form.remove();
			document.body.classList.remove("locked");
			onDone();
		} catch (error) {
			token.value = "";
			swap(problem, error.message + Date.now(), () => failure(isKnown && error.status === 401
				? { message: "without TLS, browsers keep no session: use https" } : error));
			token.focus();
		}
	});
	document.body.classList.add("locked");
	document.getElementById("main").replaceChildren(form);
	token.focus();
}
