// @ts-check
// What the cluster has, kept by one stream of changes. Nothing is polled.

import { Refused, ask, backoff } from "./api.js";
import { onFrame } from "./dom.js";

// The server says every 15 seconds that it is there.
const silence = 40_000;
// Each stream takes one of the six connections that a browser has for all tabs.
const hiddenFor = 60_000;

class Live extends EventTarget {
	/** @type {Map<string, MultipartUpload>} */
	uploads = new Map();
	/** @type {Map<string, FileStore>} */
	stores = new Map();
	/** @type {Record<ObjectKind, {synced: boolean, error: {status: number, message: string} | null}>} */
	state = { uploads: { synced: false, error: null }, stores: { synced: false, error: null } };
	/** The namespace that is watched, "" for all. */
	namespace = "";
	/** Why there is no connection, "" while there is one. */
	lost = "";

	/** @type {Map<string, Sample>} */
	#samples = new Map();
	/** @type {Record<ObjectKind, Set<string>>} */
	#changed = { uploads: new Set(), stores: new Set() };
	/** @type {Record<ObjectKind, boolean>} */
	#shape = { uploads: false, stores: false };
	/** @type {Record<ObjectKind, Set<string> | null>} keys since the last reset */
	#seen = { uploads: null, stores: null };
	#stop = new AbortController();
	#heard = 0;
	#failures = 0;

	#tell = onFrame(() => {
		for (const kind of /** @type {ObjectKind[]} */ (["uploads", "stores"])) {
			const keys = this.#changed[kind];
			if (keys.size > 0 || this.#shape[kind]) {
				this.#changed[kind] = new Set();
				const shape = this.#shape[kind];
				this.#shape[kind] = false;
				this.dispatchEvent(new CustomEvent("change", { detail: { kind, keys, shape } }));
			}
		}
	});

	start() {
		let timer = 0;
		document.addEventListener("visibilitychange", () => {
			clearTimeout(timer);
			if (document.hidden) {
				timer = setTimeout(() => this.#stop.abort(), hiddenFor);
			} else if (this.#stop.signal.aborted) {
				this.#run();
			}
		});
		setInterval(() => {
			if (!this.#stop.signal.aborted && Date.now() - this.#heard > silence) this.watch(this.namespace);
		}, 5000);
		this.#run();
	}

	/** @param {string} namespace */
	watch(namespace) {
		this.#stop.abort();
		if (namespace !== this.namespace) {
			this.uploads.clear();
			this.#samples.clear();
			this.state.uploads = { synced: false, error: null };
			this.#shape.uploads = true;
			this.#tell();
		}
		this.namespace = namespace;
		this.#run();
	}

	/** Bytes per second of an upload, 0 where nothing has arrived for a while. @param {string} key */
	rate(key) {
		const sample = this.#samples.get(key);
		return sample && Date.now() - sample.at < 45_000 ? sample.rate : 0;
	}

	async #run() {
		const stop = (this.#stop = new AbortController());
		while (!stop.signal.aborted) {
			try {
				await this.#read(stop.signal);
				this.#failures++;
				this.#say("The stream has ended.");
			} catch (error) {
				if (stop.signal.aborted) return;
				this.#failures++;
				this.#say(error instanceof Refused && error.status === 403 ? error.message : "The connection to kubectl iotfile ui is lost.");
			}
			await new Promise((done) => setTimeout(done, Math.min(backoff(this.#failures), 5) * 1000));
		}
	}

	/** @param {string} reason */
	#say(reason) {
		if (this.lost !== reason) {
			this.lost = reason;
			this.dispatchEvent(new Event("connection"));
		}
	}

	/** @param {AbortSignal} signal */
	async #read(signal) {
		this.#heard = Date.now();
		const answer = await ask(this.namespace ? `/events?namespace=${encodeURIComponent(this.namespace)}` : "/events", { signal });
		if (!answer.body) return;
		this.#seen = { uploads: new Set(), stores: new Set() };
		const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
		let rest = "";
		for (;;) {
			const { value, done } = await reader.read();
			if (done || signal.aborted) return;
			this.#heard = Date.now();
			const end = value.lastIndexOf("\n"); // a line can come in many pieces
			const lines = end < 0 ? "" : rest + value.slice(0, end);
			rest = end < 0 ? rest + value : value.slice(end + 1);
			for (const line of lines.split("\n")) {
				if (line) this.#take(JSON.parse(line));
			}
			this.#failures = 0;
			this.#say("");
		}
	}

	/** @param {any} event */
	#take(event) {
		const kind = /** @type {ObjectKind} */ (event.kind);
		switch (event.type) {
			case "put":
				for (const object of event.objects) this.#put(kind, object);
				break;
			case "gone":
				for (const key of event.keys) this.#drop(kind, key);
				break;
			case "reset":
				this.#seen[kind] = new Set();
				return;
			case "synced":
				this.#synced(kind);
				break;
			case "error":
				this.state[kind].error = { status: event.status ?? 0, message: event.message ?? "" };
				this.#shape[kind] = true;
				break;
			default:
				return;
		}
		this.#tell();
	}

	/** @param {ObjectKind} kind */
	#synced(kind) {
		const seen = this.#seen[kind];
		if (seen) {
			for (const key of [...this[kind].keys()]) {
				if (!seen.has(key)) this.#drop(kind, key);
			}
		}
		this.#seen[kind] = null;
		this.state[kind] = { synced: true, error: null };
		this.#shape[kind] = true;
	}

	/** @param {ObjectKind} kind @param {any} object */
	#put(kind, object) {
		const { namespace, name } = object.metadata;
		const key = kind === "uploads" ? `${namespace}/${name}` : name;
		const before = this[kind].get(key);
		this[kind].set(key, object);
		this.#seen[kind]?.add(key);
		this.#changed[kind].add(key);
		if (kind === "uploads") this.#measure(key, object);
		this.#shape[kind] ||= !before || /** @type {any} */ (before).status?.phase !== object.status?.phase;
	}

	/** @param {ObjectKind} kind @param {string} key */
	#drop(kind, key) {
		if (this[kind].delete(key)) {
			this.#samples.delete(key);
			this.#changed[kind].add(key);
			this.#shape[kind] = true;
		}
	}

	/** Works out the rate from two values of the progress. @param {string} key @param {MultipartUpload} upload */
	#measure(key, upload) {
		const bytes = upload.status?.progress?.bytes ?? 0;
		const before = this.#samples.get(key);
		if (before && bytes === before.bytes) return;
		const now = Date.now();
		const rate = before ? (Math.max(0, bytes - before.bytes) / Math.max(now - before.at, 500)) * 1000 : 0;
		this.#samples.set(key, { bytes, at: now, rate: before?.rate ? 0.6 * rate + 0.4 * before.rate : rate });
	}
}

export const live = new Live();
