// A snapshot's folders, one file to be downloaded, and one file through time.

import { fileAddress, get, path } from "./api.js";
import { shown, when } from "./context.js";
import { button, chip, failure, h, icon, link, swap, table, terminal } from "./dom.js";
import { ago, bytes, counted, shellWord, time, visible } from "./words.js";

const isFolder = (entry) => entry.kind === "folder";
const base = (text) => text.split("/").filter((part) => part).at(-1) ?? "/";

/** The view at "#/files/ID/PATH". */
export function filesView([id, ...parts]) {
	const filePath = `/${parts.join("/")}`;
	const head = h("header.view-head");
	const list = h("section.card", { "aria-label": "Files" });
	const history = h("section.card", { "aria-label": "One file through time" });
	history.hidden = true;
	const element = h("div.view", head, list, history);
	const view = {
		title: `Files of snapshot ${id}`, element, files: null,
		async load() {
			swap(list, "wait", () => h("p.quiet.pad", "Reading the filesystem…"));
			try {
				const [{ snapshot }, { files, unread }] = await Promise.all([
					get(path("snapshots", id)), get(path("snapshots", id) + "/files", { path: filePath }),
				]);
				view.snapshot = snapshot;
				view.files = files.toSorted(byName);
				view.unread = unread;
			} catch (error) {
				swap(head, "failed", () => h("h1", view.title));
				swap(list, error.message, () => h("div.pad", failure(error)));
				return;
			}
			view.draw();
		},
		draw() {
			const { snapshot, files } = view;
			if (!files) return;
			swap(head, [snapshot.id], () => headOf(snapshot, parts));
			swap(list, [files], () => [
				table(`Files in ${filePath}`, [["Name"], ["Size", "figure-cell"], ["Modified"], ["Mode"],
					["", "actions-cell"]], [
					...(parts.length ? [upRow(id, parts)] : []),
					...files.map((entry) => row(view, id, entry)),
				], { empty: "The folder is empty." }),
				view.unread.map((each) => h("p.notice.warn", icon("warning"),
					h("span", `${visible(each.path)} could not be read: ${visible(each.reason)}`))),
			]);
		},
		redraw() {
			view.draw();
			if (view.found) drawHistory(history, view, view.found);
		},
		follow: (entryPath) => follow(view, history, entryPath),
	};
	return view;
}

function byName(a, b) {
	if (isFolder(a) !== isFolder(b)) return isFolder(a) ? -1 : 1;
	return a.path < b.path ? -1 : 1;
}

function headOf(snapshot, parts) {
	const crumbs = parts.map((part, index) => h("li", index === parts.length - 1
		? h("span", { "aria-current": "page" }, visible(part))
		: link(part, "files", snapshot.id, ...parts.slice(0, index + 1))));
	return [
		h("p.over", h("a", {
			href: `#${path("volume", snapshot.volume, snapshot.id)}`,
		}, `‹ ${snapshot.volume}`)),
		h("h1", snapshot.name === null ? `Files of snapshot ${snapshot.id}`
			: `Files of ${visible(snapshot.name)}`),
		h("p.subtitle", `${shown(snapshot.taken_at)} · `
			+ ago(time(snapshot.taken_at), Date.now())),
		h("nav", { "aria-label": "Folder" }, h("ol.crumbs",
			h("li", link("/", "files", snapshot.id)), crumbs)),
	];
}

function upRow(id, parts) {
	return { cells: [h("a.entry", { href: `#${path("files", id, ...parts.slice(0, -1))}` },
		icon("folder"), h("span", "..")), "", "", "", ""] };
}

function row(view, id, entry) {
	const name = visible(base(entry.path));
	const inside = entry.path.split("/").filter((part) => part);
	const title = isFolder(entry)
		? h("a.entry", { href: `#${path("files", id, ...inside)}` }, icon("folder"), h("span", name))
		: h("span.entry", icon("file"), h("span", name),
			entry.target ? h("span.quiet", ` → ${visible(entry.target)}`) : null);
	const isFile = !isFolder(entry) && !entry.target;
	return { cells: [
		title, isFolder(entry) ? "" : bytes(entry.bytes),
		shown(entry.modified_at, { withSeconds: false }),
		h("code.quiet", visible(entry.mode)),
		isFile ? h("span.actions",
			button("Through time", {
				image: "clock", tone: "small", "aria-label": `${name} through time`, onclick: () => view.follow(entry.path),
			}),
			h("a.button.small", {
				href: fileAddress(id, entry.path), download: base(entry.path),
				"aria-label": `Download ${name}`,
			}, icon("download"), h("span", "Download"))) : "",
	] };
}

async function follow(view, region, filePath) {
	const { volume } = view.snapshot;
	region.hidden = false;
	swap(region, "wait", () => h("p.quiet.pad",
		`Looking for ${visible(filePath)} in all snapshots of ${volume}…`));
	try {
		const { find } = await get(path("volumes", volume) + "/find", { path: filePath });
		view.found = { find, filePath };
		drawHistory(region, view, view.found);
	} catch (error) {
		swap(region, error.message, () => failure(error));
	}
	region.scrollIntoView({ block: "nearest", behavior: "smooth" });
}

function drawHistory(region, view, { find, filePath }) {
	const now = Date.now();
	const versions = find.files.flatMap((file) => file.versions).filter((version) => version.changed)
		.toReversed();
	swap(region, [find], () => [
		h("header.card-head", h("h2", visible(base(filePath)), " through time"),
			h("span.quiet", `${counted(versions.length, "version")} in `
				+ counted(find.snapshots, "snapshot"))),
		table(`Versions of ${visible(filePath)}`, [["Since snapshot"], ["Taken"], ["Size", "figure-cell"],
			["Modified"], ["", "actions-cell"]], versions.map((version) => ({ cells: [
			link(version.snapshot_id, "volume", find.volume, version.snapshot_id),
			when(version.taken_at),
			version.state === "absent" ? chip("not there", "dim") : bytes(version.bytes),
			shown(version.modified_at),
			version.state === "absent" ? "" : h("a.button.small", {
				href: fileAddress(version.snapshot_id, filePath),
				download: base(filePath), "aria-label": `Download version ${version.snapshot_id}`,
			}, icon("download"), h("span", "Download")),
		] }))),
		terminal("In a terminal", `snapmgr find ${find.volume} ${shellWord(filePath)}`, "pad"),
	]);
}
