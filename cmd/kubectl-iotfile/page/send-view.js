// @ts-check
// Where files are dropped, and the queue of those that are sent.

import { changeOf, fill, h, heading, pathOf, show, write } from "./dom.js";
import { LongList } from "./longlist.js";
import { fromDrop, fromInput } from "./pick.js";
import { field, latest, remember, where } from "./place.js";
import { sendRow, total } from "./send-row.js";
import { sender } from "./sender.js";
import { bytes, count, counted } from "./words.js";

const shownNames = 5;

export class SendView extends HTMLElement {
	/** @type {Picked[]} */
	#picked = [];
	#where = where();
	#folder = field("Folder", { placeholder: "none, or such as logs/2026" });
	#summary = h("p.picked", { role: "status" });
	#names = h("ul", { role: "list" });
	#go = h("button", { type: "submit", class: "primary large" }, "Send");
	#zone = h("div.zone");
	#queue = h("section.queue", { "aria-labelledby": "queue-title", hidden: true });
	#ul = h("ul.long", { role: "list" });
	#list = new LongList(this.#ul, sendRow);
	#total = total();
	#tools = h("div.tools");
	#timer = 0;

	connectedCallback() {
		if (!this.firstChild) this.#build();
		sender.addEventListener("change", this.#changed);
		this.#list.connect();
		this.#timer = setInterval(() => this.#list.refresh(), 1000);
		this.#draw(true);
	}

	disconnectedCallback() {
		sender.removeEventListener("change", this.#changed);
		this.#list.disconnect();
		clearInterval(this.#timer);
	}

	#build() {
		this.#where.set(latest());
		/** @param {string} label @param {Record<string, unknown>} attributes */
		const chooser = (label, attributes) => {
			const input = h("input", { type: "file", multiple: true, class: "chooser", ...attributes });
			input.addEventListener("change", () => {
				this.stage(fromInput(input.files));
				input.value = "";
			});
			return h("label.button", input, h("span", label));
		};
		fill(this.#zone,
			h("p.zone-title", "Drop files or folders here"),
			h("div.choosers", chooser("Choose files", {}), chooser("Choose a folder", { webkitdirectory: true })),
			this.#summary, this.#names);
		const form = h("form.card.send-form", { novalidate: true, onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
			this.#zone,
			h("div.fields", this.#where.namespace.element, this.#where.entity.element, this.#folder.element),
			h("div.actions", this.#go));
		fill(this.#queue, h("div.queue-head", h("h2", { id: "queue-title" }, "Queue"), this.#tools), this.#total.element, this.#ul);
		fill(this, heading("Send"), form, this.#queue);
		this.stage([]);
	}

	/** @param {DataTransfer} data */
	async drop(data) {
		this.stage(await fromDrop(data));
		this.#go.focus();
	}

	/** @param {Picked[]} picked */
	stage(picked) {
		this.#picked = picked;
		const size = picked.reduce((sum, p) => sum + p.file.size, 0);
		const more = picked.length - shownNames;
		write(this.#summary, picked.length === 0 ? "" : `${counted(picked.length, "file")}, ${bytes(size)}`);
		fill(this.#names, ...picked.slice(0, shownNames).map((p) => h("li", pathOf(p.path))), more > 0 && h("li", `and ${count(more)} more`));
		this.#zone.classList.toggle("filled", picked.length > 0);
	}

	/** @param {Event} event */
	#submit(event) {
		event.preventDefault();
		const { namespace, entity } = this.#where.get();
		const folder = this.#folder.input.value.trim().replace(/^\/+|\/+$/g, "");
		const wrong = /(^|\/)\.{0,2}(\/|$)/.test(folder) && folder !== "";
		this.#folder.complain(wrong ? "A folder has no empty segment, . or .." : "");
		if (!this.#where.check() || wrong) return;
		if (this.#picked.length === 0) {
			write(this.#summary, "Choose files first.");
			return;
		}
		remember(namespace, entity);
		const doubled = sender.add({ namespace, entity, folder: folder && folder + "/" }, this.#picked);
		this.stage([]);
		if (doubled > 0) write(this.#summary, `${counted(doubled, "file is", "files are")} in the queue already.`);
	}

	/** @param {Event} event */
	#changed = (event) => {
		const { keys, shape } = changeOf(event);
		this.#draw(shape, keys);
	};

	/** @param {boolean} shape @param {Set<string>} [keys] */
	#draw(shape, keys) {
		show(this.#queue, sender.items.size > 0);
		if (shape) {
			this.#list.set(this.#order());
			this.#drawTools();
		}
		this.#list.refresh(keys);
		this.#total.draw();
	}

	/** Those that need somebody come first, those that are finished last. */
	#order() {
		/** @type {Record<string, number>} */
		const rank = { choose: 0, conflict: 0, failed: 0, kept: 2, sent: 2 };
		const items = [...sender.items.values()];
		return [0, 1, 2].flatMap((r) => items.filter((item) => (rank[item.state] ?? 1) === r)).map((item) => item.id);
	}

	#drawTools() {
		const items = [...sender.items.values()];
		/** @param {(item: Item) => boolean} which */
		const those = (which) => items.filter(which);
		const going = those((item) => item.going);
		const paused = those((item) => item.state === "paused");
		const conflicts = those((item) => item.state === "conflict");
		const waiting = those((item) => item.state === "choose");
		/** @param {string} text @param {Item[]} which
		 * @param {(item: Item) => unknown} act @param {number} least */
		const all = (text, which, act, least) =>
			which.length >= least && h("button", { class: "small", onclick: () => which.forEach(act) }, text);
		fill(this.#tools,
			waiting.length > 1 && h("span.quiet", "Drop or choose files again: those that match go on."),
			all("Replace all", conflicts, (item) => sender.replace(item), 2),
			all("Keep all", conflicts, (item) => sender.keep(item), 2),
			all("Pause all", going, (item) => sender.pause(item), 2),
			all("Resume all", paused, (item) => sender.resume(item), 2),
			items.some((item) => item.finished) && h("button", { class: "small", onclick: () => sender.clear() }, "Clear finished"));
	}
}

customElements.define("iot-send", SendView);
