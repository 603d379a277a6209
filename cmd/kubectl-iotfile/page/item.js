// @ts-check
// The way of one file to the server: start, parts, completion. Each job is one attempt; the sender
// decides when there is another one.

import { Refused, fileURL, listParts, stat } from "./api.js";
import { cut, partsOf, pieceOf, usualLimits, usualPart } from "./layout.js";
import { save } from "./queue.js";
import { send } from "./transfer.js";

export class Conflict extends Error {}

// The number under which bytes of what is no numbered part are counted.
const last = 0;
// Larger files are asked for before they are sent in one request, lest a body is sent in vain.
const worthAsking = 256 << 10;
// A completion that finds parts missing has them sent again so often.
const completions = 3;

/** How many bytes have left this page, those that were sent in vain included. */
export const traffic = { bytes: 0 };

export class Item {
	/** @type {File | null} */
	file = null;
	/** Bytes on their way, by part. @type {Map<number, number>} */
	flight = new Map();
	/** Parts that are still to be sent; null before the start. @type {number[] | null} */
	pending = null;
	notBefore = 0;
	failures = 0;
	/** What is there in its place, after a conflict. @type {FileFacts | null} */
	there = null;
	#busy = false;
	#incomplete = 0;
	#stop = new AbortController();

	/** @param {Saved} saved */
	constructor(saved) {
		this.saved = saved;
	}

	get id() {
		return this.saved.id;
	}

	get state() {
		return this.saved.state;
	}

	get moved() {
		let sum = this.saved.arrived;
		for (const n of this.flight.values()) sum += n;
		return Math.min(sum, this.saved.size);
	}

	/** Whether it needs nobody to go on. */
	get going() {
		return (this.state === "queued" || this.state === "sending") && this.file !== null;
	}

	get completing() {
		return this.saved.completing && this.#busy;
	}

	get finished() {
		return this.state === "sent" || this.state === "kept";
	}

	get whole() {
		return this.saved.size <= usualPart;
	}

	/** The next request, null if there is none to be sent now. @param {number} now
	 * @returns {(() => Promise<void>) | null} */
	next(now) {
		if (!this.going || this.#busy || now < this.notBefore) return null;
		const { signal } = this.#stop; // a pause in the middle of a job must reach its next request
		if (this.pending === null) return this.#alone(() => (this.whole ? this.#sendWhole(signal) : this.#begin(signal)));
		const number = this.pending.shift();
		if (number !== undefined) {
			this.flight.set(number, 0);
			return () => this.#sendPart(number, signal);
		}
		return this.flight.size === 0 ? this.#alone(() => this.#complete(signal)) : null;
	}

	stop() {
		this.#stop.abort();
		this.#stop = new AbortController();
	}

	/** Begins from the list of the server, when it goes on. */
	rewind() {
		this.pending = null;
		this.notBefore = 0;
		this.failures = 0;
	}

	/** @param {number | null} ifMatch */
	renew(ifMatch) {
		Object.assign(this.saved, { key: crypto.randomUUID(), ifMatch, started: false, completing: false, arrived: 0 });
		this.there = null;
		this.rewind();
	}

	async abort() {
		if (!this.saved.started) return;
		const headers = { "Idempotency-Key": this.saved.key };
		const signal = AbortSignal.timeout(30_000);
		try {
			await send({ method: "PUT", url: `${this.#url}?upload=abort`, headers, signal });
		} catch (error) {
			if (!(error instanceof Refused) || error.status !== 404) throw error;
		}
	}

	/** @param {() => Promise<void>} job */
	#alone(job) {
		this.#busy = true;
		return async () => {
			this.saved.state = "sending";
			try {
				await job();
			} finally {
				this.#busy = false;
				this.flight.delete(last);
			}
		};
	}

	get #url() {
		return fileURL(this.saved);
	}

	/** @returns {Words} */
	get #match() {
		return this.saved.ifMatch === null ? {} : { "If-Match": String(this.saved.ifMatch) };
	}

	get #about() {
		const { type, key, modified } = this.saved;
		return { ...this.#match, "Content-Type": type, "Idempotency-Key": key, timestamp: new Date(modified).toISOString() };
	}

	/** @param {number} from @param {number} to */
	#bytes(from, to) {
		const { file } = this;
		if (!file) throw new Error("The file is not there.");
		return file.slice(from, to, this.saved.type);
	}

	/** @param {AbortSignal} signal */
	async #sendWhole(signal) {
		const { size, ifMatch } = this.saved;
		if (size === 0) throw new Error("The file is empty. The API takes no file without a byte.");
		const body = this.#bytes(0, size);
		if (size > worthAsking && ifMatch === null && this.failures === 0) {
			const there = await stat(this.saved).catch(() => null); // the PUT tells it again
			// One of the same size may be what this item has sent before a reload, which its key tells.
			if (there && there.size !== size) throw new Conflict("The file exists.");
		}
		try {
			await this.#put("", this.#about, body, last, signal);
		} catch (error) {
			throw asConflict(error);
		}
		this.#done();
	}

	/** @param {AbortSignal} signal */
	async #begin(signal) {
		const { saved } = this;
		if (saved.completing) {
			this.pending = [];
			await this.#complete(signal);
			return;
		}
		const headers = { ...this.#about, "X-File-Size": String(saved.size) };
		try {
			const answer = await send({ method: "PUT", url: `${this.#url}?upload=start`, headers, signal });
			/** @param {string} name @param {number} fallback */
			const of = (name, fallback) => Number(answer.getResponseHeader(`X-Part-${name}`)) || fallback;
			const { min, max, number } = usualLimits;
			await this.#plan({ min: of("Size-Min", min), max: of("Size-Max", max), number: of("Number-Max", number) }, signal);
		} catch (error) {
			throw asConflict(error);
		}
	}

	/** @param {Limits} limits
	 * @param {AbortSignal} signal */
	async #plan(limits, signal) {
		const { saved } = this;
		const known = saved.started;
		saved.started = true;
		await save([saved]);
		const there = known ? await listParts(saved, signal) : [];
		const { part, fits } = cut(saved.size, limits, there, saved.partSize || usualPart);
		if (!fits) {
			// Parts of another cut would stay between those of this one.
			await this.abort();
			this.renew(saved.ifMatch);
			return;
		}
		saved.partSize = part;
		const numbers = new Set(there.map((p) => p.partNo));
		saved.arrived = there.reduce((sum, p) => sum + (p.size ?? 0), 0);
		const lastNumber = partsOf(saved.size, part);
		if (numbers.has(lastNumber)) saved.arrived -= pieceOf(saved.size, part, lastNumber);
		this.pending = [];
		for (let n = 1; n < lastNumber; n++) {
			if (!numbers.has(n)) this.pending.push(n);
		}
	}

	/** @param {number} number @param {AbortSignal} signal */
	async #sendPart(number, signal) {
		const { partSize } = this.saved;
		const from = (number - 1) * partSize;
		let arrived = false;
		try {
			await this.#put(`?part=${number}`, this.#match, this.#bytes(from, from + partSize), number, signal);
			arrived = true;
		} finally {
			this.flight.delete(number);
			if (arrived) {
				this.saved.arrived += partSize;
			} else if (this.pending) {
				this.pending.unshift(number);
			}
		}
	}

	/** @param {AbortSignal} signal */
	async #complete(signal) {
		const { saved } = this;
		const from = (partsOf(saved.size, saved.partSize) - 1) * saved.partSize;
		const again = saved.completing;
		saved.completing = true;
		await save([saved]);
		try {
			await this.#put("?upload=complete", this.#match, this.#bytes(from, saved.size), last, signal);
		} catch (error) {
			await this.#afterCompletion(error, again);
			return;
		}
		this.#done();
	}

	/** @param {unknown} error @param {boolean} again whether an earlier attempt may have been carried out */
	async #afterCompletion(error, again) {
		if (!(error instanceof Refused) || error.passing) throw error;
		const { saved } = this;
		if (error.status === 400 && ++this.#incomplete < completions) {
			saved.completing = false;
			this.pending = null; // the list says which are missing
			return;
		}
		saved.completing = false;
		if (error.status !== 409 && error.status !== 404) throw error;
		const there = await stat(saved);
		if (there && again && there.size === saved.size && there.etag === (saved.ifMatch ?? -1) + 1) {
			this.#done();
			return;
		}
		if (again && (there?.etag ?? null) === saved.ifMatch) {
			this.renew(saved.ifMatch); // the upload has expired meanwhile
			return;
		}
		throw there && there.etag !== saved.ifMatch ? new Conflict(error.message) : error;
	}

	/** @param {string} query @param {Words} headers @param {Blob} body @param {number} number
	 * @param {AbortSignal} signal */
	#put(query, headers, body, number, signal) {
		this.flight.set(number, 0);
		const moved = (/** @type {number} */ n) => {
			traffic.bytes += n - (this.flight.get(number) ?? n);
			this.flight.set(number, n);
		};
		return send({ method: "PUT", url: this.#url + query, headers, body, moved, signal });
	}

	#done() {
		this.saved.arrived = this.saved.size;
		this.saved.state = "sent";
		this.saved.message = "";
		this.file = null;
	}
}

/** A 409 of a start, or of a file in one request, is about the file that is there. @param {unknown} error */
function asConflict(error) {
	return error instanceof Refused && error.status === 409 ? new Conflict(error.message) : error;
}
