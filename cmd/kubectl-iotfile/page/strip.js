// @ts-check
// The parts of an upload as a strip: which of 1..N have arrived, and where the gaps are.

import { fill, h, mark } from "./dom.js";
import { partsOf, ranges } from "./layout.js";
import { count } from "./words.js";

/** How many parts there will be; null where nothing says so. @param {number | undefined} size
 * @param {UploadPart[]} parts */
function expected(size, parts) {
	const largest = Math.max(0, ...parts.map((p) => p.size ?? 0));
	if (!size || largest === 0) return null;
	const sizes = new Set(parts.map((p) => p.size));
	// One size, but for a smaller last one: else each sender cuts as it likes.
	return sizes.size <= 2 ? partsOf(size, largest) : null;
}

/** @param {number | undefined} size @param {UploadPart[]} parts */
function presence(size, parts) {
	const highest = Math.max(0, ...parts.map((p) => p.partNo ?? 0));
	const cut = expected(size, parts);
	const total = cut !== null && highest <= cut ? cut : null;
	const there = new Array(Math.max(highest, total ?? 0)).fill(false);
	for (const p of parts) there[(p.partNo ?? 0) - 1] = true;
	return { there, total };
}

/** @param {boolean[]} there */
function missingOf(there) {
	return there.flatMap((is, i) => (is ? [] : [i + 1]));
}

/** The numbers below the highest part that have not arrived: the completion would fail.
 * @param {UploadPart[]} parts */
export function gapsOf(parts) {
	return ranges(missingOf(presence(undefined, parts).there));
}

export function strip() {
	const picture = h("div.strip", { role: "img" });
	const text = h("p.strip-text");
	const element = h("div", picture, text);

	/** @param {number | undefined} size @param {UploadPart[]} parts */
	const draw = (size, parts) => {
		const { there, total } = presence(size, parts);
		const missing = missingOf(there);
		const words = there.length === 0 ? "No part has arrived yet."
			: `${count(parts.length)}${total ? ` of ${count(total)}` : ""} ${parts.length === 1 && !total ? "part has" : "parts have"} arrived` +
				(missing.length > 0 ? `; missing: ${ranges(missing)}.` : total ? "." : ", without a gap.");
		fill(text, words);
		mark(picture, "aria-label", words);
		fill(picture, ...there.map((is, i) => h("i", { class: is ? "there" : "", title: `Part ${i + 1}${is ? "" : " is missing"}` })));
		picture.classList.toggle("dense", there.length > 300);
	};
	return { element, draw };
}
