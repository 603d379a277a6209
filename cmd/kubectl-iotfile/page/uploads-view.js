// @ts-check
// All uploads of a namespace or of all, as they are now.

import { changeOf, fill, h, heading, show, tell, write } from "./dom.js";
import { live } from "./live.js";
import { LongList } from "./longlist.js";
import { info, isNamespace, keep, namespaces } from "./place.js";
import { stateOf } from "./reasons.js";
import { uploadRow } from "./upload-row.js";
import { counted } from "./words.js";

/** @type {[string, string, (upload: MultipartUpload) => boolean][]} */
const states = [
	["all", "All", () => true],
	["open", "Open", (u) => stateOf(u).open],
	["stalled", "Stalled", (u) => stateOf(u).phase === "Stalled"],
	["completed", "Completed", (u) => stateOf(u).phase === "Completed"],
	["ended", "Aborted or expired", (u) => !stateOf(u).open && stateOf(u).phase !== "Completed"],
];

/** @param {MultipartUpload} a @param {MultipartUpload} b */
function newer({ metadata: a }, { metadata: b }) {
	return a.creationTimestamp < b.creationTimestamp ? 1 : a.creationTimestamp > b.creationTimestamp ? -1 : 0;
}

class UploadsView extends HTMLElement {
	#filter = h("input", { type: "search", id: "uploads-filter", placeholder: "Path, entity or owner", autocomplete: "off", spellcheck: "false" });
	#state = h("select", { id: "uploads-state" }, ...states.map(([value, text]) => h("option", { value }, text)));
	#space = h("div.field");
	#count = h("p.count", { role: "status" });
	#notice = h("div.notice", { hidden: true });
	#empty = h("div.empty", { hidden: true });
	#ul = h("ul.long.uploads", { role: "list" });
	#list = new LongList(this.#ul, uploadRow);
	#timer = 0;

	connectedCallback() {
		if (!this.firstChild) this.#build();
		live.addEventListener("change", this.#changed);
		this.#list.connect();
		this.#timer = setInterval(() => this.#list.refresh(), 1000);
		this.#draw();
	}

	disconnectedCallback() {
		live.removeEventListener("change", this.#changed);
		this.#list.disconnect();
		clearInterval(this.#timer);
	}

	#build() {
		for (const input of [this.#filter, this.#state]) {
			input.addEventListener("input", () => this.#draw());
		}
		/** @param {string} text @param {HTMLElement} input */
		const labelled = (text, input) => h("div.field", h("label", { for: input.id }, text), input);
		this.#drawSpace();
		const tools = h("div.toolbar", { role: "search", "aria-label": "Uploads" },
			this.#space, labelled("Filter", this.#filter), labelled("State", this.#state));
		const head = h("div.list-head", { "aria-hidden": "true" },
			...["File", "Owner", "Progress", "Rate", "Parts", "Expires"].map((text) => h("span", text)));
		fill(this, h("div.view-head", heading("Uploads"), this.#count), tools, this.#notice, head, this.#ul, this.#empty);
	}

	/** The namespaces to choose from, or a field where the caller may not list them. */
	#drawSpace() {
		const id = "uploads-namespace";
		const { names } = namespaces;
		/** @type {HTMLSelectElement | HTMLInputElement} */
		let input;
		if (names) {
			const known = live.namespace && !names.includes(live.namespace) ? [live.namespace, ...names] : names;
			input = h("select", { id }, h("option", { value: "" }, "All namespaces"), ...known.map((name) => h("option", { value: name }, name)));
		} else {
			input = h("input", { id, type: "text", placeholder: "All namespaces", autocomplete: "off", spellcheck: "false" });
		}
		input.value = live.namespace;
		input.addEventListener("change", () => this.#watch(input.value.trim()));
		fill(this.#space, h("label", { for: id }, "Namespace"), input);
	}

	/** @param {string} namespace */
	#watch(namespace) {
		if (namespace && !isNamespace(namespace)) return;
		keep("namespace", namespace);
		live.watch(namespace);
		this.#drawSpace();
		this.#draw();
	}

	/** @param {Event} event */
	#changed = (event) => {
		const { kind, keys, shape } = changeOf(event);
		if (kind !== "uploads") return;
		if (shape) this.#draw();
		this.#list.refresh(keys);
	};

	#draw() {
		const text = this.#filter.value.trim().toLowerCase();
		const is = states.find(([value]) => value === this.#state.value)?.[2] ?? (() => true);
		/** @type {[string, MultipartUpload][]} */
		const found = [];
		let open = 0;
		let stalled = 0;
		for (const [key, upload] of live.uploads) {
			const state = stateOf(upload);
			if (state.open) open++;
			if (state.phase === "Stalled") stalled++;
			if (is(upload) && matches(upload, text)) found.push([key, upload]);
		}
		found.sort(([k, a], [l, b]) => newer(a, b) || (k < l ? -1 : 1));
		this.#list.set(found.map(([key]) => key));
		this.#drawCount(found.length, open, stalled);
		this.#drawNotice();
		this.#drawEmpty(found.length);
	}

	/** @param {number} found @param {number} open @param {number} stalled */
	#drawCount(found, open, stalled) {
		const all = live.uploads.size;
		const { synced, error } = live.state.uploads;
		const shown = found === all ? counted(all, "upload") : `${counted(found, "upload")} of ${counted(all, "", "").trim()}`;
		write(this.#count, !synced ? (error ? "" : "Loading…") : `${shown} · ${open} open${stalled ? ` · ${stalled} stalled` : ""}`);
	}

	#drawNotice() {
		const { error } = live.state.uploads;
		show(this.#notice, error !== null);
		if (!error) return;
		const all = live.namespace === "";
		const own = info.namespace;
		const denied = error.status === 403;
		tell(this.#notice, denied ? `You may not list uploads ${all ? "of all namespaces" : "here"}` : "The uploads cannot be listed", error.message,
			denied && (all ? "Choose a namespace in which you may." : "Ask the platform team for the right to list and watch multipartuploads.iotfile.dev here."),
			denied && all && own && h("button.primary", { onclick: () => this.#watch(own) }, `Show those of ${own}`));
	}

	/** @param {number} found */
	#drawEmpty(found) {
		const { synced, error } = live.state.uploads;
		const none = live.uploads.size === 0;
		show(this.#empty, synced && !error && found === 0);
		fill(this.#empty,
			h("h2", none ? "No uploads" : "No upload matches"),
			h("p", none ? "Drop a file anywhere on this page to send the first one." : "Change the filter or the state."),
			none && h("a.button.primary", { href: "#/send" }, "Send a file"));
	}
}

/** @param {MultipartUpload} upload @param {string} text */
function matches({ metadata, spec }, text) {
	if (!text) return true;
	const { path = "", entityID = "", createdBy = "" } = spec;
	return [path, entityID, createdBy, metadata.name].some((value) => value.toLowerCase().includes(text));
}

customElements.define("iot-uploads", UploadsView);
