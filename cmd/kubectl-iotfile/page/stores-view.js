// @ts-check
// The object storage behind it all: is it there, and what does it protect from.

import { changeOf, fill, h, heading, named, show, tell, visible, write } from "./dom.js";
import { live } from "./live.js";
import { conditionOf, meaningOf, stateOf } from "./reasons.js";
import { linkTo } from "./upload-row.js";
import { ago, bytes, count, counted, moment, span } from "./words.js";

class StoresView extends HTMLElement {
	#notice = h("div.notice", { hidden: true });
	#cards = h("ul.stores", { role: "list" });
	#count = h("p.count", { role: "status" });
	#empty = h("div.empty", { hidden: true }, h("h2", "No store"), h("p", "The platform team offers object storage by a FileStore."));
	#timer = 0;
	#later = 0;
	/** @type {Map<string, {mark: string, element: Element}>} */
	#known = new Map();

	connectedCallback() {
		if (!this.firstChild) {
			fill(this, h("div.view-head", heading("Stores"), this.#count), this.#notice, this.#cards, this.#empty);
		}
		live.addEventListener("change", this.#changed);
		this.#timer = setInterval(() => this.#draw(), 20_000);
		this.#draw();
	}

	disconnectedCallback() {
		live.removeEventListener("change", this.#changed);
		clearInterval(this.#timer);
		clearTimeout(this.#later);
	}

	/** @param {Event} event */
	#changed = (event) => {
		const { kind } = changeOf(event);
		if (kind === "stores") {
			this.#draw();
		} else if (!this.#later) {
			// Sums over all uploads need not follow each change.
			this.#later = setTimeout(() => {
				this.#later = 0;
				this.#draw();
			}, 2000);
		}
	};

	#draw() {
		const { synced, error } = live.state.stores;
		show(this.#notice, error !== null);
		if (error) {
			const denied = error.status === 403;
			tell(this.#notice, denied ? "You may not list stores" : "The stores cannot be listed", error.message,
				denied && "All else works. Ask the platform team for the right to list and watch filestores.iotfile.dev.");
		}
		const sums = sumsByStore();
		const stores = [...live.stores.values()].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
		write(this.#count, synced && !error ? counted(stores.length, "store") : error ? "" : "Loading…");
		const cards = stores.map((store) => this.#card(store, sums.get(store.metadata.name)));
		if (cards.length !== this.#cards.children.length || cards.some((c, i) => c !== this.#cards.children[i])) fill(this.#cards, ...cards);
		show(this.#empty, synced && !error && stores.length === 0);
	}

	/** The card of a store, the one that is there where it would be the same: it may have the focus.
	 * @param {FileStore} store @param {Sums | undefined} sums */
	#card(store, sums) {
		const { name, resourceVersion } = store.metadata;
		const mark = [resourceVersion, sums?.bytes, sums?.open, Math.floor(Date.now() / 60_000)].join();
		const known = this.#known.get(name);
		if (known?.mark === mark) return known.element;
		const element = card(store, sums);
		this.#known.set(name, { mark, element });
		return element;
	}
}

function sumsByStore() {
	/** @type {Map<string, Sums>} */
	const sums = new Map();
	for (const upload of live.uploads.values()) {
		const name = upload.status?.storeName;
		if (!name || !stateOf(upload).open) continue;
		const sum = sums.get(name) ?? { bytes: 0, oldest: null, open: 0 };
		sum.open++;
		sum.bytes += upload.status?.progress?.bytes ?? 0;
		if (!sum.oldest || startOf(upload) < startOf(sum.oldest)) sum.oldest = upload;
		sums.set(name, sum);
	}
	return sums;
}

/** @param {MultipartUpload} upload */
const startOf = (upload) => upload.status?.startTime ?? upload.metadata.creationTimestamp;

/** @param {FileStore} store @param {Sums | undefined} sums */
function card(store, sums) {
	const { metadata, spec, status } = store;
	const ready = conditionOf(status?.conditions, "Ready");
	const isReady = ready?.status === "True";
	const isDefault = metadata.annotations?.["iotfile.dev/is-default-store"] === "true";
	return h("li.card.store", { "aria-label": visible(metadata.name), "data-tone": isReady ? "good" : ready ? "bad" : "off" },
		h("div.store-head", h("h2", named(metadata.name)), isDefault && h("span.chip", "Default"),
			h("span.status", isReady ? "Ready" : ready ? "Not ready" : "Not yet looked at")),
		h("p.quiet.store-place", h("bdi", visible(`${spec.endpoint}/${spec.bucket}/${spec.prefix ?? ""}`))),
		ready && !isReady && verdict("bad", ready),
		protection(store),
		...["ConsentOverdue", "Overlapping", "UploadsLost", "InUse"].map((type) => {
			const condition = conditionOf(status?.conditions, type);
			return condition?.status === "True" && verdict("warn", condition);
		}),
		h("dl.tiles", ...tiles(store, sums)),
		abilities(store));
}

/** @param {string} tone @param {Condition} condition @param {Child} [title] */
function verdict(tone, condition, title) {
	const { says, todo } = meaningOf(condition.reason);
	return h("div.verdict", { "data-tone": tone }, title,
		h("p", h("strong", says || condition.reason)),
		todo && h("p", todo),
		condition.message && h("p.quiet", visible(condition.message)));
}

/** @param {FileStore} store */
function protection({ status }) {
	const condition = conditionOf(status?.conditions, "Protected");
	if (!condition) return h("div.verdict", { "data-tone": "off" }, h("p", "It is not known yet what it protects from."));
	if (condition.status !== "True") return verdict("warn", condition, h("p.status", "Not protected"));
	return h("div.verdict", { "data-tone": "good" }, h("p.status", "Protected"), h("p", meaningOf("Protected").says));
}

/** @param {FileStore} store @param {Sums | undefined} sums */
function tiles({ status }, sums) {
	// Uploads of one namespace are not all.
	const some = live.namespace || live.state.uploads.error ? " seen" : "";
	const oldest = sums?.oldest;
	const open = status?.openUploads ?? sums?.open;
	/** @type {[string, Child, string?][]} */
	const rows = [
		["Open uploads", open === undefined ? "–" : count(open)],
		["Incomplete" + some, bytes(sums?.bytes ?? 0)],
		["Oldest upload" + some, oldest ? h("a", { href: linkTo(`${oldest.metadata.namespace}/${oldest.metadata.name}`) }, span((Date.now() - Date.parse(startOf(oldest))) / 1000)) : "–"],
		["Orphans", status?.orphans === undefined ? "–" : count(status.orphans), status?.orphans ? (status.orphanPolicy === "Abort" ? "They are deleted an hour after their start." : "They are left there.") : ""],
		["Probed", ago(status?.lastSuccessfulProbeTime), moment(status?.lastSuccessfulProbeTime)],
	];
	return rows.map(([name, value, note]) => h("div", { title: note || null }, h("dt", name), h("dd", value)));
}

/** @param {FileStore} store */
function abilities({ spec, status }) {
	const can = status?.capabilities;
	if (!can) return null;
	const { payloadMode = "", uploadListing = "", keys } = can;
	const puts = can.conditionalPut && (can.conditionalCreate ?? true);
	const checked = payloadMode !== "" && payloadMode !== "Unsigned";
	/** @type {[boolean | undefined, string, string?][]} */
	const lines = [
		[checked, `Each part is checked on its way to object storage (${payloadMode}).`, "Only TCP and TLS protect the bytes on their way to object storage."],
		[can.conditionalComplete, "Of racing uploads of one file exactly one wins.", "Writers that bypass the operator can overwrite an upload."],
		[puts, "Of racing files in one request exactly one wins.", "Racing files in one request can overwrite each other."],
		[uploadListing === "Prefix", "All forgotten uploads are found.", `Forgotten uploads are ${uploadListing === "ExactKey" ? "found only of known files" : "not found"}.`],
		[can.listingMetadata, "A search is fast.", "A search asks once more for each file."],
	];
	if (keys?.maxBytes) lines.push([false, "", `A whole key has at most ${keys.maxBytes} bytes.`]);
	if (keys?.maxSegmentBytes) lines.push([false, "", `A name between two slashes has at most ${keys.maxSegmentBytes} bytes.`]);
	if (keys?.backslashIsSlash) lines.push([false, "", "Paths with a backslash are refused."]);
	const { minPartSize = "5Mi", maxPartSize = "5Gi", maxPartNumber = 1000, maxOpenUploadsPerNamespace: most } = spec.limits ?? {};
	return h("section", h("h3", "What it can do"),
		h("ul.abilities", ...lines.map(([good, yes, no]) => h("li", { class: good ? "yes" : "no" }, good ? yes : no))),
		h("p.quiet", `Parts of ${minPartSize} to ${maxPartSize}, ${count(maxPartNumber)} at most. Uploads expire after ${(spec.uploadTTL ?? "48h").replace(/(?<=[hm])0[ms]/g, "")}.`,
			most && ` A namespace may have ${count(most)} open.`));
}

customElements.define("iot-stores", StoresView);
