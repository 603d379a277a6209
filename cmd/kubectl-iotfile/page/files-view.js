// @ts-check
// The files of an entity, by folders.

import { Refused, messageOf } from "./api.js";
import { announce, fill, h, heading, mark, show, tell, visible, write } from "./dom.js";
import { showFile } from "./file-dialog.js";
import { fileRow, folderRow, linkOf } from "./file-row.js";
import { Listing } from "./listing.js";
import { LongList } from "./longlist.js";
import { isEntity, latest, remember, where } from "./place.js";
import { bytes, count, counted } from "./words.js";

/** @typedef {"name" | "size" | "updated"} Order */
class FilesView extends HTMLElement {
	#where = where();
	#search = h("input", { type: "search", id: "files-search", placeholder: "In this folder and below", autocomplete: "off", spellcheck: "false" });
	#crumbs = h("nav.crumbs", { "aria-label": "Folders" });
	#count = h("p.count", { role: "status" });
	#notice = h("div.notice", { hidden: true });
	#empty = h("div.empty", { hidden: true });
	#head = h("div.list-head.files-head");
	#ul = h("ul.long.files", { role: "list" });
	/** @type {Map<string, Entry>} */
	#entries = new Map();
	#list = new LongList(this.#ul, (key) => /** @type {Entry} */ (this.#entries.get(key)).make());
	#listing = new Listing("", "", "", "");
	/** @type {Order} */
	#order = "name";
	#down = false;
	#folder = "";
	#timer = 0;
	/** @type {HTMLDialogElement | null} */
	#dialog = null;

	connectedCallback() {
		if (!this.firstChild) this.#build();
		this.#list.connect();
	}

	disconnectedCallback() {
		this.#list.disconnect();
		this.#listing.stop();
		this.#dialog?.close();
	}

	#build() {
		this.#search.addEventListener("input", () => {
			clearTimeout(this.#timer);
			this.#timer = setTimeout(() => this.#find(), this.#listing.whole ? 0 : 350);
		});
		const form = h("form.toolbar.files-form", { novalidate: true, onsubmit: (/** @type {Event} */ event) => this.#go(event) },
			this.#where.namespace.element, this.#where.entity.element, h("button", { type: "submit" }, "Show"),
			h("div.field", h("label", { for: "files-search" }, "Search"), this.#search));
		/** @type {[Order, string][]} */
		const orders = [["name", "Name"], ["size", "Size"], ["updated", "Stored"]];
		fill(this.#head, ...orders.map(([order, text]) => h("button", { class: `sort sort-${order}`, "data-order": order, onclick: () => this.#sort(order) }, text)));
		fill(this, h("div.view-head", heading("Files"), this.#count), form, this.#crumbs, this.#notice, this.#head, this.#ul, this.#empty);
	}

	/** @param {Event} event */
	#go(event) {
		event.preventDefault();
		if (!this.#where.check()) return;
		const { namespace, entity } = this.#where.get();
		const link = linkOf(namespace, entity, "");
		if (location.hash === link) {
			this.#read("", "");
		} else {
			location.hash = link;
		}
	}

	/** Shows a folder, which ends with a slash, or a file. @param {string[]} segments */
	show([namespace, entity, ...path]) {
		this.#dialog?.close();
		const place = namespace && isEntity(entity ?? "") ? { namespace, entity } : latest();
		this.#where.set(place);
		if (!isEntity(place.entity) || !place.namespace) {
			this.#drawEmpty("Which entity?", "Name a namespace and an entity to see its files.");
			return;
		}
		const full = path.join("/");
		this.#folder = full.slice(0, full.lastIndexOf("/") + 1);
		this.#search.value = "";
		this.#drawCrumbs(place);
		this.#read(this.#folder, "");
		if (full && !full.endsWith("/")) this.#open(full);
	}

	/** @param {string} path */
	async #open(path) {
		const { namespace, entity } = this.#where.get();
		const folder = linkOf(namespace, entity, this.#folder);
		this.#dialog = await showFile({ namespace, entity, path }, (gone) => {
			this.#dialog = null;
			if (gone) announce("The file is deleted.");
			if (location.hash === linkOf(namespace, entity, path)) location.hash = folder;
		});
	}

	#find() {
		const text = this.#search.value.trim();
		if (this.#listing.text === "" && this.#listing.whole) {
			this.#draw();
		} else {
			this.#read(this.#folder, text);
		}
	}

	/** @param {string} folder @param {string} text
	 * @param {boolean} [quietly] keeps what is shown until all is read */
	#read(folder, text, quietly = false) {
		this.#listing.stop();
		const { namespace, entity } = this.#where.get();
		const listing = new Listing(namespace, entity, folder, text);
		if (!quietly) {
			this.#listing = listing;
			this.#draw();
		}
		show(this.#notice, false);
		const some = () => {
			if (quietly && !listing.done) return;
			this.#listing = listing;
			this.#draw();
		};
		listing.read(some).then(() => listing.files.length > 0 && remember(namespace, entity)).catch((error) => this.#fail(error));
	}

	/** @param {unknown} error */
	#fail(error) {
		if (error instanceof DOMException && error.name === "AbortError") return;
		const status = error instanceof Refused ? error.status : 0;
		show(this.#notice, true);
		tell(this.#notice, status === 403 ? "You may not see the files of this entity" : "The files cannot be listed", messageOf(error),
			h("button", { onclick: () => this.#read(this.#folder, this.#search.value.trim()) }, "Try again"));
		this.#listing.done = true;
		this.#draw();
	}

	/** @param {Order} order */
	#sort(order) {
		this.#down = this.#order === order ? !this.#down : order !== "name";
		this.#order = order;
		this.#draw();
	}

	#draw() {
		const { namespace, entity } = this.#where.get();
		const text = this.#search.value.trim();
		const folder = this.#folder;
		const { folders, files } = text ? { folders: [], files: this.#listing.found(folder, text) } : this.#listing.inside(folder);
		const sign = this.#down ? -1 : 1;
		/** @param {Entry} a @param {Entry} b */
		const compare = (a, b) => sign * (this.#order === "size" ? a.size - b.size : a[this.#order] < b[this.#order] ? -1 : a[this.#order] > b[this.#order] ? 1 : 0);
		const entries = [
			...folders.map((f) => ({ ...f, key: `${folder}${f.name}/ ${f.files} ${f.size}`, make: () => folderRow(linkOf(namespace, entity, `${folder}${f.name}/`), f) })).sort(compare),
			...files.map((f) => ({ name: f.name, size: f.size, updated: f.updated, key: `${f.path}${f.name} ${f.etag} ${f.updated}`,
				make: () => fileRow({ namespace, entity, path: f.path + f.name }, f, text ? folder : f.path, () => this.#read(this.#folder, this.#listing.text, true)) })).sort(compare),
		];
		this.#entries = new Map(entries.map((entry) => [entry.key, entry]));
		this.#list.set([...this.#entries.keys()]);
		this.#drawState(folders.length, files, text);
	}

	/** @param {number} folders @param {ListedFile[]} files @param {string} text */
	#drawState(folders, files, text) {
		const { done, whole, total } = this.#listing;
		const failed = !this.#notice.hidden;
		const size = files.reduce((sum, f) => sum + f.size, 0);
		const parts = [folders > 0 && counted(folders, "folder"), counted(files.length, "file"), files.length > 0 && bytes(size)].filter(Boolean).join(" · ");
		write(this.#count, failed ? "" : !done ? `Loading… ${count(this.#listing.files.length)}` : whole ? parts : `${parts} (the first ${count(this.#listing.files.length)} of ${count(total)} are listed: open a folder, or search)`);
		for (const button of this.#head.querySelectorAll("button")) {
			const current = button.dataset.order === this.#order;
			mark(button, "data-sorted", current ? (this.#down ? "down" : "up") : null);
			mark(button, "aria-label", `Sort by ${button.textContent?.toLowerCase()}${current ? (this.#down ? ", now descending" : ", now ascending") : ""}`);
		}
		const none = done && !failed && folders + files.length === 0;
		show(this.#head, !none);
		show(this.#empty, none);
		if (none && text) this.#drawEmpty("No file matches", "Change the search, or go up a folder.");
		if (none && !text) this.#drawEmpty("No files here", "Drop a file anywhere on this page to send the first one.");
	}

	/** @param {string} title @param {string} text */
	#drawEmpty(title, text) {
		show(this.#empty, true);
		show(this.#head, false);
		tell(this.#empty, title, text);
	}

	/** @param {{namespace: string, entity: string}} place */
	#drawCrumbs({ namespace, entity }) {
		const names = this.#folder.split("/").slice(0, -1);
		const links = [["", entity.slice(0, 8) + "…"], ...names.map((name, i) => [names.slice(0, i + 1).join("/") + "/", name])];
		fill(this.#crumbs, h("ol", { role: "list" }, ...links.map(([folder, name], i) => h("li",
			i === links.length - 1 ? h("bdi", { "aria-current": "true" }, visible(name)) : h("a", { href: linkOf(namespace, entity, folder) }, h("bdi", visible(name)))))));
	}
}

customElements.define("iot-files", FilesView);
