// @ts-check
// One upload: its parts, its conditions, and what can be done.

import { Refused, listParts, messageOf } from "./api.js";
import { bar, changeOf, fill, h, heading, mark, named, pathOf, show, tell, visible, write } from "./dom.js";
import { live } from "./live.js";
import { conditionOf, meaningOf, stateOf, troubleOf } from "./reasons.js";
import { gapsOf, strip } from "./strip.js";
import { abort, complete, extend } from "./upload-actions.js";
import { amountOf, expiryOf, paceOf } from "./upload-row.js";
import { about, bytes, count, moment } from "./words.js";

// Progress can change more often than a list is worth.
const listEvery = 1500;

class UploadView extends HTMLElement {
	#key = "";
	/** @type {UploadPart[]} */
	#parts = [];
	/** What the list of parts was of. */
	#listed = "";
	/** The upload whose parts are being asked for. */
	#listing = "";
	#timer = 0;
	#strip = strip();
	#bar = bar("Progress");
	#title = heading();
	#state = h("span.status");
	#notice = h("div.notice", { role: "note" });
	#columns = h("div.columns");
	#body = h("div.detail");
	#numbers = h("p.detail-numbers");
	#partsNote = h("p.quiet", { hidden: true });
	#actions = {
		complete: h("button", { class: "primary", onclick: () => this.#with((u) => complete(u, gapsOf(this.#parts))) }, "Complete"),
		extend: h("button", { onclick: () => this.#with(extend) }, "Extend"),
		abort: h("button", { class: "danger", onclick: () => this.#with(abort) }, "Abort"),
	};

	connectedCallback() {
		live.addEventListener("change", this.#changed);
		this.#timer = setInterval(() => this.#tick(), 1000);
	}

	disconnectedCallback() {
		live.removeEventListener("change", this.#changed);
		clearInterval(this.#timer);
	}

	/** @param {string[]} segments namespace and name */
	show([namespace, name]) {
		const key = `${namespace}/${name}`;
		if (key !== this.#key) {
			this.#key = key;
			this.#parts = [];
			this.#listed = "";
			this.#listing = "";
			this.#strip.draw(undefined, []);
		}
		if (!this.firstChild) {
			fill(this, h("a.back", { href: "#/uploads" }, "← Uploads"), this.#body);
			fill(this.#body,
				h("div.detail-head", h("div", this.#title, h("p.status-line", this.#state, this.#numbers)), h("div.actions", ...Object.values(this.#actions))),
				this.#notice, h("section.card", { "aria-label": "Parts" }, this.#bar.element, this.#strip.element, this.#partsNote), this.#columns);
		}
		this.#draw();
	}

	/** @param {(upload: MultipartUpload) => Promise<unknown>} act */
	#with(act) {
		const upload = live.uploads.get(this.#key);
		if (upload) act(upload);
	}

	/** @param {Event} event */
	#changed = (event) => {
		const { kind, keys, shape } = changeOf(event);
		if (kind === "uploads" && (keys.has(this.#key) || (shape && !live.uploads.has(this.#key)))) this.#draw();
	};

	#draw() {
		const upload = live.uploads.get(this.#key);
		this.#body.classList.toggle("gone", !upload);
		if (!upload) return this.#drawMissing();
		const state = stateOf(upload);
		const trouble = troubleOf(upload);
		const can = upload.spec.desiredState ?? "Uploading";
		show(this.#actions.complete, state.open && can === "Uploading" && state.phase === "Uploading");
		show(this.#actions.extend, state.open && can === "Uploading");
		show(this.#actions.abort, state.open && (can === "Uploading" || (can === "Completed" && state.phase === "Stalled")));
		mark(this.#body, "data-tone", state.tone);
		fill(this.#title, pathOf(upload.spec.path ?? ""));
		write(this.#state, state.word);
		show(this.#notice, trouble !== null);
		if (trouble) tell(this.#notice, trouble.says || trouble.reason, trouble.todo, h("p.quiet", visible(trouble.message)));
		this.#drawParts(upload);
		fill(this.#columns, facts(upload), conditions(upload));
		this.#tick();
		this.#list(upload);
	}

	/** @param {MultipartUpload} upload */
	#drawParts(upload) {
		const { open } = stateOf(upload);
		const { share, text } = amountOf(upload);
		this.#bar.set(share, text);
		show(this.#bar.element, share !== null);
		show(this.#strip.element, open);
	}

	#drawMissing() {
		const { synced, error } = live.state.uploads;
		fill(this.#title, synced || error ? "This upload is not there" : "Upload");
		tell(this.#notice, error ? error.message : synced ? "It has ended, and its record is deleted. A completed file is in Files." : "Loading…");
	}

	#tick() {
		const upload = live.uploads.get(this.#key);
		if (!upload) return;
		const { text, percent } = amountOf(upload);
		const { rate, left } = paceOf(this.#key, upload);
		const { text: when } = expiryOf(upload);
		const expiry = when && (stateOf(upload).open ? `expires in ${when}` : when);
		write(this.#numbers, [text, percent, rate, left, expiry].filter(Boolean).join(" · "));
	}

	/** @param {MultipartUpload} upload */
	async #list(upload) {
		const { open, phase } = stateOf(upload);
		const { progress } = upload.status ?? {};
		const of = `${this.#key} ${upload.metadata.uid} ${phase} ${progress?.bytes} ${progress?.parts} ${progress?.lastPartTime}`;
		if (!open || this.#listing || of === this.#listed || !this.isConnected) return;
		const key = (this.#listing = this.#key);
		this.#listed = of;
		let note = "";
		try {
			const parts = await listParts({ namespace: upload.metadata.namespace ?? "", entity: upload.spec.entityID ?? "", path: upload.spec.path ?? "" });
			if (key === this.#key) this.#parts = parts;
		} catch (error) {
			note = noteOf(error);
		}
		if (key === this.#key) this.#drawList(upload, note);
		await new Promise((done) => setTimeout(done, listEvery));
		const now = live.uploads.get(key);
		if (key !== this.#listing) return; // another one is shown by now
		this.#listing = "";
		if (now) this.#list(now);
	}

	/** @param {MultipartUpload} upload @param {string} note */
	#drawList(upload, note) {
		write(this.#partsNote, note);
		show(this.#partsNote, note !== "");
		show(this.#strip.element, note === "");
		this.#strip.draw(upload.spec.size, this.#parts);
	}
}

/** @param {unknown} error */
function noteOf(error) {
	const status = error instanceof Refused ? error.status : 0;
	if (status === 404) return "No part can be listed: the upload is not open now.";
	return status === 409 ? "The parts are becoming the file now." : messageOf(error);
}

/** @param {MultipartUpload} upload */
function facts({ metadata, spec, status }) {
	/** @param {string | undefined} text */
	const own = (text) => text && named(text);
	const { startTime, completionTime, expirationTime, progress, checksum } = status ?? {};
	/** @type {[string, Child][]} */
	const rows = [
		["Namespace", own(metadata.namespace)],
		["Entity", h("code", spec.entityID)],
		["Owner", own(spec.createdBy)],
		["Record", own(metadata.name)],
		["Store", own(status?.storeName)],
		["Declared size", spec.size && `${bytes(spec.size)} (${count(spec.size)} bytes)`],
		["Media type", own(spec.contentType)],
		["Description", own(spec.description)],
		["Replaces", spec.ifMatch !== undefined && `version ${spec.ifMatch}`],
		["Started", startTime && moment(startTime)],
		["Last part", progress?.lastPartTime && moment(progress.lastPartTime)],
		["Expires", expirationTime && !completionTime && moment(expirationTime)],
		["Ended", completionTime && moment(completionTime)],
		["Version", status?.phase === "Completed" && String(status.fileVersion ?? 0)],
		["Checksum", checksum && h("code", checksum)],
	];
	return h("section.card", h("h2", "About"),
		h("dl", ...rows.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", name), h("dd", value)])));
}

/** @param {MultipartUpload} upload */
function conditions(upload) {
	const all = upload.status?.conditions ?? [];
	const order = ["Stalled", "Ready", "Completed", "Initiated", "TTLLimited"];
	const sorted = order.map((type) => conditionOf(all, type)).filter((c) => c !== undefined);
	return h("section.card", h("h2", "Conditions"),
		sorted.length === 0 && h("p.quiet", "None yet: the operator has not come to it."),
		h("ul.conditions", { role: "list" }, ...sorted.map((c) => {
			const bad = c.type === "Stalled" && c.status === "True";
			const { says, todo } = meaningOf(c.reason);
			return h("li", { "data-tone": bad ? "bad" : c.status === "True" ? "good" : "off" },
				h("p", h("strong", `${c.type}: ${c.status}`), ` · ${c.reason}`, h("span.quiet", ` · for ${about((Date.now() - Date.parse(c.lastTransitionTime)) / 1000)}`)),
				h("p", [says, bad ? todo : ""].filter(Boolean).join(" ")),
				c.message && c.message !== says && h("p.quiet", visible(c.message)));
		})));
}

customElements.define("iot-upload", UploadView);
