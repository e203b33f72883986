// The chosen snapshot, and what can be done with it.

import { get, getIfThere, path } from "./api.js";
import { may, shown } from "./context.js";
import { button, chip, facts, failure, h, icon, swap, terminal } from "./dom.js";
import { askDelete, askHold, askRevert, release } from "./revert.js";
import { strip } from "./strip.js";
import { ago, bytes, counted, reason, time, visible } from "./words.js";

const CONSISTENCY = {
	crash: "as after a power cut", fs: "filesystems at rest", app: "programs at rest",
	vm: "with the VM’s memory",
};

/** The card; `show` gives it another snapshot. */
export class SnapshotCard {
	constructor() {
		this.head = h("div.card-title");
		this.body = h("div.card-body");
		this.changes = h("div.changes");
		this.element = h("div.snapshot-card", this.head, this.body, this.changes);
	}

	/** Shows a snapshot: at once what the timeline knows, then the rest. */
	show(columns, index) {
		const id = columns?.id[index];
		const isSame = id === this.id && columns === this.columns;
		this.columns = columns;
		this.index = index;
		if (isSame) return;
		const isOther = id !== this.id;
		this.id = id;
		if (index < 0 || id === undefined) {
			swap(this.head, "none", () => h("h2", "No snapshot yet"));
			swap(this.body, "none", () => []);
			swap(this.changes, "none", () => []);
			return;
		}
		if (isOther) {
			this.document = null;
			this.diff = null;
			this.files = null;
		}
		this.drawHead();
		this.drawBody();
		this.drawChanges();
		this.load();
	}

	/** Draws everything anew, as the options are now. */
	redraw() {
		if (this.id === undefined) return;
		this.drawHead();
		this.drawBody();
		this.drawChanges();
	}

	tick() {
		if (this.id !== undefined) this.drawHead();
	}

	revert() {
		if (this.id !== undefined && may("revert")) askRevert(this.columns.volume, this.id);
	}

	browse() {
		if (this.id !== undefined) location.hash = path("files", this.id);
	}

	async load() {
		const { id } = this;
		this.controller?.abort();
		this.controller = new AbortController();
		const { signal } = this.controller;
		try {
			const { snapshot } = await get(path("snapshots", id), {}, { signal });
			if (id !== this.id) return;
			this.document = snapshot;
			this.drawBody();
			const diff = await get("/diff", { from: String(id) }, { signal });
			if (id !== this.id) return;
			this.diff = diff;
		} catch (error) {
			if (error.name === "AbortError" || id !== this.id) return;
			this.diff = { error };
		}
		this.drawChanges();
	}

	drawHead() {
		const { columns, index, id } = this;
		const name = columns.name[index];
		const now = Date.now();
		const key = [id, name, ago(columns.at[index], now)];
		swap(this.head, key, () => [
			h("p.over", `Snapshot ${id} of ${columns.volume}`),
			h("h2", name === null ? ago(columns.at[index], now) : visible(name)),
			h("p.quiet", [shown(columns.at[index]),
				name === null ? null : ago(columns.at[index], now)].filter((part) => part).join(" · ")),
		]);
	}

	drawBody() {
		const { columns, index, id, document } = this;
		const { volume } = columns;
		const key = [id, document, columns.holds[index]];
		swap(this.body, key, () => [
			document?.note ? h("p.note", visible(document.note)) : null,
			h("div.actions",
				may("revert") ? button("Revert…", {
					image: "undo", tone: "primary", "aria-keyshortcuts": "r",
					onclick: () => this.revert(),
				}) : null,
				h("a.button", { href: `#${path("files", id)}`, "data-focus": "files" },
					icon("folder"), h("span", "Files")),
				may("snapshot") ? (columns.holds[index] > 0
					? button("Release", { image: "pin", onclick: () => release(id) })
					: button("Hold…", { image: "pin", onclick: () => askHold(volume, id) }))
					: null,
				may("operate") ? button("Delete…", {
					image: "trash", tone: "quiet-danger",
					onclick: () => askDelete(volume, id, columns.name[index]),
				}) : null),
			document ? this.facts(document) : h("p.quiet", "…"),
		]);
	}

	facts(document) {
		const now = Date.now();
		const expires = time(document.expires_at);
		return facts([
			["Kept by", document.kept_by.length
				? h("ul.plain", document.kept_by.map((rule) =>
					h("li", chip(rule), " ", h("span.quiet", reason(rule)))))
				: "nothing: the next prune takes it"],
			["Until", Number.isNaN(expires) ? "no end"
				: `${shown(expires)} · ${ago(expires, now)}`],
			document.held_by.length ? ["Held by", h("ul.plain", document.held_by.map((hold) =>
				h("li", h("b", visible(hold.owner)), ": ", visible(hold.reason),
					hold.until ? ` until ${shown(hold.until)}` : "")))] : null,
			["Taken", document.schedule ? `by schedule ${document.schedule}` : document.kind],
			["Content", CONSISTENCY[document.consistency]],
			["Changed", document.changed_bytes === null ? "–"
				: `${bytes(document.changed_bytes)} since the one before`],
			["Only here", `${bytes(document.exclusive_bytes)}, free when it goes`],
			document.tags.length ? ["Tags", document.tags.map((tag) => chip(tag))] : null,
			document.set_id === null ? null : ["Set", h("span", visible(document.set_name ?? `set ${document.set_id}`),
				`, with ${counted(document.set_members.length, "snapshot")}`)],
			document.clones.length ? ["Clones", document.clones.map((clone) => chip(clone))] : null,
			document.state === "frozen" || document.state === "active" ? null
				: ["State", chip(document.state, "bad")],
		]);
	}

	drawChanges() {
		const { id, diff, files } = this;
		const key = [id, diff?.changed_bytes, diff?.error?.message, files?.length,
			this.filesFailure?.message, this.isLooking];
		swap(this.changes, key, () => {
			const head = h("h3", "What a revert would change");
			if (!diff) return [head, h("p.quiet", "Comparing with the volume as it is…")];
			if (diff.error) return [head, failure(diff.error)];
			const size = this.document?.size ?? 0;
			return [head, strip(diff, size), this.fileChanges(),
				terminal("In a terminal", `snapmgr revert ${id} --dry-run`)];
		});
	}

	fileChanges() {
		if (this.filesFailure) return failure(this.filesFailure);
		if (this.isLooking) return h("p.quiet", "Reading both filesystems…");
		if (!this.files) {
			return h("p", button("Which files?", {
				image: "file", tone: "small", onclick: () => this.lookAtFiles(),
			}));
		}
		if (this.files.length === 0) return h("p.quiet", "No file would change.");
		const listed = this.files.slice(0, 200);
		return [h("ul.files-changed", { tabindex: "0", "aria-label": "Files that would change" },
			listed.map((file) => h("li", { class: file.change },
				h("span.sign", WOULD[file.change] ?? file.change),
				h("code", visible(file.path)),
				h("span.quiet", file.bytes === null && file.old_bytes === null ? ""
					: bytes(file.old_bytes ?? file.bytes))))),
		this.files.length > listed.length
			? h("p.quiet", `and ${counted(this.files.length - listed.length, "more file")}`) : null];
	}

	async lookAtFiles() {
		const { id } = this;
		this.isLooking = true;
		this.filesFailure = null;
		this.drawChanges();
		try {
			const document = await getIfThere("/diff/files", { from: String(id) }, { diff: { files: [] } });
			if (id === this.id) this.files = document.diff.files;
		} catch (error) {
			if (id === this.id) this.filesFailure = error;
		}
		this.isLooking = false;
		if (id === this.id) this.drawChanges();
	}
}

// The document says what has happened since; a revert would do the opposite.
const WOULD = { added: "goes", deleted: "comes back", changed: "as it was", renamed: "renamed back" };
