// @ts-check
// The files of an entity, as far as the API lists them, and the folders that follow from their paths.

import { searchFiles } from "./api.js";

const page = 500; // the most that one answer has
const most = 10_500; // the last page begins at 10,000

export class Listing {
	/** @type {ListedFile[]} */
	files = [];
	total = 0;
	done = false;
	#stop = new AbortController();

	/** @param {string} namespace @param {string} entity
	 * @param {string} folder below which files are listed, with a slash at its end, or ""
	 * @param {string} text what names hold, "" for all */
	constructor(namespace, entity, folder, text) {
		this.namespace = namespace;
		this.entity = entity;
		this.folder = folder;
		this.text = text;
	}

	get whole() {
		return this.done && this.files.length >= this.total;
	}

	stop() {
		this.#stop.abort();
	}

	/** @param {() => void} some called after each page */
	async read(some) {
		const { signal } = this.#stop;
		const filter = [this.folder && `path eq '${literal(this.folder)}*'`, this.text && `name eq '*${literal(this.text)}*'`].filter(Boolean).join(" and ");
		for (let offset = 0; offset < most; offset += page) {
			/** @type {Words} */
			const query = { limit: String(page), offset: String(offset) };
			if (filter) query.filter = filter;
			const { files, total } = await searchFiles(this.namespace, this.entity, query, signal);
			if (signal.aborted) return;
			this.files.push(...files);
			this.total = total;
			this.done = files.length < page || this.files.length >= total || offset + page >= most;
			some();
			if (this.done) return;
		}
	}

	/** @param {string} folder */
	inside(folder) {
		/** @type {Map<string, Folder>} */
		const folders = new Map();
		/** @type {ListedFile[]} */
		const files = [];
		for (const file of this.files) {
			if (!file.path.startsWith(folder)) continue;
			const rest = file.path.slice(folder.length);
			if (rest === "") {
				files.push(file);
				continue;
			}
			const name = rest.slice(0, rest.indexOf("/"));
			const known = folders.get(name) ?? { name, files: 0, size: 0, updated: "" };
			known.files++;
			known.size += file.size;
			if (file.updated > known.updated) known.updated = file.updated;
			folders.set(name, known);
		}
		return { folders: [...folders.values()], files };
	}

	/** @param {string} folder @param {string} text */
	found(folder, text) {
		const lower = text.toLowerCase();
		return this.files.filter((f) => f.path.startsWith(folder) && (f.path + f.name).slice(folder.length).toLowerCase().includes(lower));
	}
}

/** A text within a quoted value of a filter. A star cannot be taken literally there, and more is found by it.
 * @param {string} text */
function literal(text) {
	return text.replaceAll("'", "''");
}
