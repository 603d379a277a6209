// @ts-check
// The queue of files to send: four requests at once over all of them, and pauses while the server is away.

import { Refused, backoff, messageOf, stat } from "./api.js";
import { announce, onFrame } from "./dom.js";
import { Conflict, Item, traffic } from "./item.js";
import { usualPart } from "./layout.js";
import { claim, forget, save, tab } from "./queue.js";

// A browser has six connections to one server; the stream of events and the views need the others.
const atOnce = 4;
const savedEvery = 1000;

class Sender extends EventTarget {
	/** @type {Map<string, Item>} */
	items = new Map();
	/** Those that are not finished, in their order. @type {Set<Item>} */
	open = new Set();
	rate = 0;
	#active = 0;
	#failures = 0;
	#until = 0;
	#timer = 0;
	#added = Date.now();
	/** @type {Set<string>} */
	#changed = new Set();
	#shape = false;
	/** @type {Set<Item>} */
	#unsaved = new Set();
	#sample = { at: 0, moved: 0 };

	#tell = onFrame(() => {
		const detail = { keys: this.#changed, shape: this.#shape };
		this.#changed = new Set();
		this.#shape = false;
		this.dispatchEvent(new CustomEvent("change", { detail }));
	});

	start() {
		claim((items) => this.#adopt(items)).catch(() => {}); // nothing is kept here
		addEventListener("beforeunload", (event) => {
			if (this.busy) event.preventDefault();
		});
		setInterval(() => this.#measure(), 500);
		setInterval(() => this.#flush(), savedEvery);
	}

	get busy() {
		return [...this.open].some((item) => item.going);
	}

	/** Takes files into the queue. Those that an unfinished item waits for go on.
	 * @param {{namespace: string, entity: string, folder: string}} target @param {Picked[]} picked */
	add(target, picked) {
		const known = new Map([...this.open].map((item) => [addressOf(item.saved), item]));
		const fresh = [];
		let doubled = 0;
		for (const { file, path } of picked) {
			const saved = this.#record(target, file, target.folder + path);
			const there = known.get(addressOf(saved));
			if (there && there.state !== "choose") {
				doubled++;
			} else if (there && !differences(there.saved, file)) {
				this.#attach(there, file);
			} else {
				const item = new Item(saved);
				item.file = file;
				known.set(addressOf(saved), item);
				this.#insert(item);
				fresh.push(saved);
			}
		}
		save(fresh);
		this.pump();
		return doubled;
	}

	/** @param {Item} item @param {File} file */
	choose(item, file) {
		const wrong = differences(item.saved, file);
		if (!wrong) {
			this.#attach(item, file);
			this.pump();
		}
		return wrong;
	}

	/** @param {Item} item */
	pause(item) {
		this.#become(item, "paused");
		item.stop();
	}

	/** @param {Item} item */
	resume(item) {
		item.rewind();
		this.#become(item, item.file ? "queued" : "choose");
		this.#until = 0;
		this.pump();
	}

	/** @param {Item} item */
	async replace(item) {
		this.#become(item, "paused", "Looking at the file that is there…");
		try {
			await item.abort();
			item.renew((await stat(item.saved))?.etag ?? null);
			this.#become(item, "queued");
			this.pump();
		} catch (error) {
			this.#become(item, "failed", messageOf(error));
		}
	}

	/** @param {Item} item */
	async keep(item) {
		this.#become(item, "kept");
		this.#end(item);
		await item.abort().catch(() => {}); // it expires by itself
	}

	/** @param {Item} item */
	async cancel(item) {
		if (item.finished) throw new Error("It was sent meanwhile.");
		this.#become(item, "paused", "Deleting what has arrived…");
		item.stop();
		try {
			await item.abort();
		} catch (error) {
			this.resume(item); // it is being completed, or the server is away
			throw error;
		}
		this.#remove(item);
	}

	clear() {
		for (const item of [...this.items.values()]) {
			if (item.finished) this.items.delete(item.id);
		}
		this.#shape = true;
		this.#tell();
	}

	pump() {
		const now = Date.now();
		clearTimeout(this.#timer);
		// While the server is away one request is enough to see when it is back.
		const room = this.#failures > 0 ? 1 : atOnce;
		let soonest = Infinity;
		if (now < this.#until) {
			soonest = this.#until;
		} else {
			for (const item of this.open) {
				for (let job = null; this.#active < room && (job = item.next(now)); ) this.#run(item, job);
				if (this.#active >= room) break;
				if (item.going && item.notBefore > now) soonest = Math.min(soonest, item.notBefore);
			}
		}
		if (soonest < Infinity) this.#timer = setTimeout(() => this.pump(), soonest - now + 5);
	}

	/** @param {Item} item @param {() => Promise<void>} job */
	async #run(item, job) {
		this.#active++;
		this.#touch(item);
		try {
			await job();
			item.failures = this.#failures = 0;
			if (item.state === "sending") item.saved.message = "";
			if (item.state === "sent") this.#end(item);
		} catch (error) {
			await this.#failed(item, error);
		}
		this.#active--;
		this.#unsaved.add(item);
		this.#touch(item);
		this.pump();
	}

	/** @param {Item} item @param {unknown} error */
	async #failed(item, error) {
		if (error instanceof DOMException || !item.going) return;
		if (error instanceof Conflict) {
			this.#become(item, "conflict", error.message);
			item.there = await stat(item.saved).catch(() => null);
			return;
		}
		const passing = error instanceof Refused && (error.passing || (error.status === 401 && item.failures < 2));
		if (!passing) {
			this.#become(item, "failed", messageOf(error));
			announce(`${item.saved.path} was not sent: ${messageOf(error)}`);
			return;
		}
		if (error.status === 0 && !(await readable(item.file))) {
			item.file = null;
			this.#become(item, "choose", "The file has changed, or can no longer be read.");
			return;
		}
		item.failures++;
		item.notBefore = Date.now() + (error.wait + backoff(item.failures)) * 1000;
		item.saved.message = error.message;
		if (error.status !== 429) {
			this.#failures++;
			this.#until = Date.now() + Math.min(error.wait + backoff(this.#failures), 10) * 1000;
		}
	}

	/** @param {Item} item @param {string} state @param {string} [message] */
	#become(item, state, message = "") {
		item.saved.state = state;
		item.saved.message = message;
		this.#unsaved.add(item);
		this.#shape = true;
		this.#touch(item);
	}

	/** @param {Item} item */
	#end(item) {
		this.open.delete(item);
		this.#unsaved.delete(item);
		this.#shape = true;
		forget([item.id]);
		if (this.open.size === 0 && item.state === "sent") announce("All files are sent.");
		this.#touch(item);
	}

	/** @param {Item} item */
	#remove(item) {
		this.items.delete(item.id);
		this.#end(item);
	}

	/** @param {Item} item */
	#insert(item) {
		this.items.set(item.id, item);
		this.open.add(item);
		this.#shape = true;
		this.#touch(item);
	}

	/** @param {Item} item @param {File} file */
	#attach(item, file) {
		item.file = file;
		item.rewind();
		this.#become(item, "queued");
	}

	/** @param {Saved[]} items */
	#adopt(items) {
		for (const saved of items) this.#insert(new Item({ ...saved, state: "choose", message: "" }));
	}

	/** @param {Item} item */
	#touch(item) {
		this.#changed.add(item.id);
		this.#tell();
	}

	#measure() {
		if (this.#active === 0 && this.rate === 0) return;
		const now = performance.now();
		const moved = traffic.bytes;
		for (const item of this.open) {
			if (item.flight.size > 0) this.#changed.add(item.id);
		}
		const seconds = (now - this.#sample.at) / 1000;
		const current = Math.max(0, moved - this.#sample.moved) / seconds;
		// An average that forgets within a few seconds.
		const weight = 1 - Math.exp(-seconds / 4);
		this.rate = seconds > 5 ? 0 : this.rate + weight * (current - this.rate);
		if (this.#active === 0 && this.rate < 1024) this.rate = 0;
		this.#sample = { at: now, moved };
		this.#tell();
	}

	#flush() {
		const items = [...this.#unsaved].filter((item) => this.open.has(item) && item.saved.size > 0);
		this.#unsaved.clear();
		if (items.length > 0) save(items.map((item) => item.saved));
	}

	/** @param {{namespace: string, entity: string}} target @param {File} file @param {string} path
	 * @returns {Saved} */
	#record({ namespace, entity }, file, path) {
		const id = crypto.randomUUID();
		return {
			id, owner: tab, key: crypto.randomUUID(), namespace, entity, path, name: file.name, size: file.size, modified: file.lastModified,
			type: /^[\x20-\x7e]+$/.test(file.type) ? file.type : "application/octet-stream", partSize: usualPart, ifMatch: null,
			started: false, completing: false, arrived: 0, added: this.#added++, state: "queued", message: "",
		};
	}
}

/** @param {Saved} saved */
function addressOf({ namespace, entity, path }) {
	return `${namespace}/${entity}/${path}`;
}

/** What tells a file apart from the one that was chosen before, "" for nothing. @param {Saved} saved
 * @param {File} file */
function differences(saved, file) {
	if (file.name !== saved.name) return "It has another name.";
	if (file.size !== saved.size) return "It has another size.";
	return file.lastModified === saved.modified ? "" : "It was changed at another time.";
}

/** @param {File | null} file */
async function readable(file) {
	try {
		await file?.slice(0, 1).arrayBuffer();
		return true;
	} catch {
		return false;
	}
}

export const sender = new Sender();
