// Begins, shows the view that the address names, follows what happens.

import { follow, get, getIfThere, path, session } from "./api.js";
import { configuredSets, known, options, setOption } from "./context.js";
import { corner, showKeys, signIn } from "./corner.js";
import { failure, h, swap } from "./dom.js";
import { filesView } from "./files.js";
import { setView, vmView } from "./group.js";
import { clonesView, eventsView, jobsView, mirrorsView, mountsView } from "./lists.js";
import { findings, overview } from "./overview.js";
import { retentionView } from "./retention.js";
import { volumeView } from "./volume.js";
import { ago, time } from "./words.js";

const VIEWS = {
	"": overview, volume: volumeView, set: setView, vm: vmView, files: filesView,
	retention: retentionView, events: eventsView, clones: clonesView, mounts: mountsView,
	mirrors: mirrorsView, jobs: jobsView,
};
const PLACES = [["", "Protection", "p"], ["events", "Events", "e"], ["clones", "Clones", "c"],
	["mounts", "Mounts", "o"], ["mirrors", "Mirrors", "m"], ["jobs", "Jobs", "j"]];
const EVERY = 5000;
const WHILE_MERGING = 700;

const main = document.getElementById("main");
const rail = document.getElementById("rail");
let view = null;
let place = null;
let timer = 0;

const parse = () => location.hash.replace(/^#\/?/, "").split("/").map(decoded);

function decoded(part) {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}

function show() {
	const [kind, ...rest] = parse();
	const where = `${kind}/${rest[0] ?? ""}`;
	// Another snapshot of the volume is the same view.
	if (view && place === where && view.moved) {
		view.moved(rest);
		return;
	}
	view?.close?.();
	place = where;
	view = (VIEWS[kind] ?? overview)(rest);
	document.title = `${view.title} · snapmgr`;
	main.replaceChildren(view.element);
	drawRail();
	view.update?.();
	view.load?.().catch((error) => main.prepend(failure(error)));
}

async function refresh() {
	clearTimeout(timer);
	try {
		known.status = await get("/status");
		document.body.classList.remove("unreachable");
	} catch (error) {
		document.body.classList.toggle("unreachable", error.status === 0);
		if (error.status === 401) return;
	}
	drawRail();
	view?.update?.();
	const isMerging = known.status?.volumes.some((volume) => volume.merge?.state === "merging");
	if (!isMerging && refresh.wasMerging) view?.load?.();
	refresh.wasMerging = isMerging;
	timer = setTimeout(refresh, document.hidden ? EVERY * 4 : isMerging ? WHILE_MERGING : EVERY);
}

/** Looks again, at once: something was changed from here. */
known.refresh = async () => {
	await refresh();
	view?.load?.();
};

async function loadNames() {
	const [config, vms] = await Promise.all([
		getIfThere("/config", {}, { settings: [] }), getIfThere("/vms", {}, { vms: [] }),
	]);
	known.settings = config.settings;
	known.vms = vms.vms;
}

function drawRail() {
	const now = Date.now();
	const [kind, name] = parse();
	const sets = configuredSets();
	const burning = new Map((known.status ? findings(known.status, now) : [])
		.toReversed().map((item) => [item.volume, item.tone]));
	const link = (where, label, { tone = "", extra = "" } = {}) => {
		const isHere = where.join("/") === [kind, name].slice(0, where.length).join("/")
			&& (where[0] !== "" || kind === "");
		return h("li", h("a", {
			href: `#${path(...where)}`, "aria-current": isHere ? "page" : null,
			"data-focus": where.join("/"),
		}, h("span", { class: `dot ${tone}`, "aria-hidden": "true" }), h("span.label", label),
		extra ? h("span.extra", extra) : null));
	};
	const volumes = known.status?.volumes ?? [];
	const key = [kind, name, sets, known.vms.map((vm) => vm.name), [...burning],
		volumes.map((volume) => [volume.name, volume.newest_at, volume.state]), Math.floor(now / 15_000)];
	swap(rail, key, () => [
		h("ul.places", PLACES.map(([where, label]) => link([where], label))),
		group("Volumes", volumes.map((volume) => link(["volume", volume.name], volume.name, {
			tone: volume.merge ? "busy" : burning.get(volume.name) ?? "good",
			extra: volume.newest_at ? ago(time(volume.newest_at), now).replace(" ago", "") : "never",
		}))),
		group("Sets", sets.map((set) => link(["set", set.name], set.name))),
		group("Virtual machines", known.vms.map((vm) => link(["vm", vm.name], vm.name, {
			tone: vm.reachable ? "good" : "warn",
		}))),
	]);
}

function group(label, links) {
	if (links.length === 0) return null;
	const id = `group-${label.replace(/\W/g, "-").toLowerCase()}`;
	return [h("h2", { id }, label), h("ul", { "aria-labelledby": id }, links)];
}

function redraw() {
	rail.dataset.key = "";
	drawRail();
	for (const region of main.querySelectorAll("[data-key]")) delete region.dataset.key;
	view?.redraw?.();
	view?.update?.();
	if (!view?.redraw) view?.load?.();
}

function followEvents() {
	let later = 0;
	let isLive = false;
	let isConcerned = false;
	const tell = () => {
		const region = document.getElementById("live");
		if (!region) return;
		region.textContent = isLive ? "Live" : "Connecting";
		region.classList.toggle("on", isLive);
	};
	const stop = follow((event) => {
		view?.event?.(event);
		// What happens together is looked at once.
		isConcerned ||= view?.concerns?.(event) ?? false;
		clearTimeout(later);
		later = setTimeout(() => {
			refresh();
			if (isConcerned) view?.load?.();
			isConcerned = false;
		}, 250);
	}, (state) => {
		isLive = state;
		tell();
	});
	tell();
	return stop;
}

const drawCorner = () => corner(document.getElementById("corner"), redraw);

let awaitsPlace = 0;
function pressed(event) {
	const isTyping = event.target.closest("input, textarea, select, dialog");
	if (event.ctrlKey || event.metaKey || event.altKey || isTyping) return;
	if (Date.now() - awaitsPlace < 1200) {
		const found = PLACES.find(([, , key]) => key === event.key);
		awaitsPlace = 0;
		if (found) {
			location.hash = `#/${found[0]}`;
			return;
		}
	}
	const keys = {
		g: () => { awaitsPlace = Date.now(); }, "?": showKeys,
		u: () => {
			setOption("isUTC", !options.isUTC);
			drawCorner();
			redraw();
		},
		...view?.keys,
	};
	if (!Object.hasOwn(keys, event.key)) return;
	event.preventDefault();
	keys[event.key]();
}

let stopFollowing = null;
async function start() {
	document.documentElement.dataset.theme = options.theme;
	try {
		known.session = await getIfThere("/session");
		await Promise.all([loadNames(), get("/status").then((status) => { known.status = status; })]);
	} catch (error) {
		drawCorner();
		if (error.status !== 401) main.replaceChildren(failure(error));
		if (error.status === 0) setTimeout(start, EVERY);
		return;
	}
	drawCorner();
	show();
	stopFollowing?.();
	stopFollowing = followEvents();
	await refresh();
}

session.whenMissing = () => {
	clearTimeout(timer);
	stopFollowing?.();
	signIn(start);
};
addEventListener("hashchange", () => {
	show();
	drawRail();
	main.focus({ preventScroll: true });
});
document.getElementById("skip").addEventListener("click", (event) => {
	event.preventDefault();
	main.focus();
});
addEventListener("keydown", pressed);
for (const kind of ["pointerdown", "keydown", "wheel"]) {
	addEventListener(kind, () => { session.touched = Date.now(); }, true);
}
document.addEventListener("visibilitychange", () => { if (!document.hidden && known.status) refresh(); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
start();
