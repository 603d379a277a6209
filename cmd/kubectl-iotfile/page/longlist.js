// @ts-check
// A list of any length with only the rows in the document that are near the window.

import { mark, onFrame } from "./dom.js";

const beyond = 8; // rows above and below the window, so that Tab finds a next one

export class LongList {
	/** @type {string[]} */
	#keys = [];
	/** @type {Map<string, Row>} */
	#rows = new Map();
	#height = 0;
	#place = onFrame(() => this.#draw());
	#resized = new ResizeObserver(() => {
		this.#height = 0;
		this.#place();
	});

	/** @param {HTMLElement} host a `ul` with the class "long" @param {(key: string) => Row} make */
	constructor(host, make) {
		this.host = host;
		this.make = make;
	}

	/** Follows the window; call it when the host is in the document. */
	connect() {
		addEventListener("scroll", this.#place, { passive: true });
		addEventListener("resize", this.#place);
		this.#resized.observe(this.host);
		this.#place();
	}

	disconnect() {
		removeEventListener("scroll", this.#place);
		removeEventListener("resize", this.#place);
		this.#resized.disconnect();
	}

	/** @param {string[]} keys */
	set(keys) {
		this.#keys = keys;
		if (this.host.isConnected) this.#draw();
	}

	/** @param {Iterable<string>} [keys] those that changed; all where it is left out */
	refresh(keys) {
		if (!keys) {
			for (const row of this.#rows.values()) row.draw();
			return;
		}
		for (const key of keys) this.#rows.get(key)?.draw();
	}

	#measure() {
		const { element } = this.#row(this.#keys[0], 0, this.#keys.length);
		if (!element.isConnected) this.host.prepend(element);
		const gap = parseFloat(getComputedStyle(this.host).getPropertyValue("--gap-px")) || 0;
		this.#height = (element.getBoundingClientRect().height || 56) + gap;
	}

	#draw() {
		const total = this.#keys.length;
		if (!this.host.isConnected) return;
		if (total > 0 && this.#height === 0) this.#measure();
		this.host.style.height = `${total * this.#height}px`;
		const top = -this.host.getBoundingClientRect().top;
		const first = Math.max(0, Math.min(Math.floor(top / this.#height) - beyond, total));
		const last = Math.max(first, Math.min(Math.ceil((top + innerHeight) / this.#height) + beyond, total)) || 0;
		const wanted = new Set(this.#keys.slice(first, last));
		this.#drop(wanted);
		let next = this.host.firstElementChild;
		for (let i = first; i < last; i++) {
			const row = this.#row(this.#keys[i], i, total);
			if (row.element === next) {
				next = next.nextElementSibling;
			} else {
				move(this.host, row.element, next);
			}
		}
	}

	/** @param {string} key @param {number} index @param {number} total */
	#row(key, index, total) {
		let row = this.#rows.get(key);
		if (!row) {
			row = this.make(key);
			row.draw();
			this.#rows.set(key, row);
		}
		const { element } = row;
		element.style.transform = `translateY(${index * this.#height}px)`;
		mark(element, "aria-posinset", String(index + 1));
		mark(element, "aria-setsize", String(total));
		return row;
	}

	/** Takes away the rows that are far, but for one that has the focus. @param {Set<string>} wanted */
	#drop(wanted) {
		const known = this.#rows.size > wanted.size ? new Set(this.#keys) : null;
		for (const [key, row] of this.#rows) {
			const focused = row.element.contains(document.activeElement) && known?.has(key);
			if (!wanted.has(key) && !focused) {
				row.element.remove();
				this.#rows.delete(key);
			}
		}
	}
}

/** Puts a row before another one. A row that moves keeps the focus where the browser can do that.
 * @param {any} host @param {HTMLElement} element @param {Element | null} next */
function move(host, element, next) {
	if (element.isConnected && host.moveBefore) {
		host.moveBefore(element, next);
	} else {
		host.insertBefore(element, next);
	}
}
