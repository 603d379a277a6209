// @ts-check
// How a file is cut into parts. The Go client has the same rules.

const mib = 1 << 20;

/** One broken connection costs so much; a file of no more is sent in one request. */
export const usualPart = 8 * mib;

/** @type {Limits} */
export const usualLimits = { min: 5 * mib, max: 5 * 1024 * mib, number: 1000 };

/** How many parts there are, the last one included, which is the body of the completion. @param {number} size
 * @param {number} part */
export function partsOf(size, part) {
	return Math.max(1, Math.ceil(size / part));
}

/** @param {number} size @param {number} part @param {number} number counted from 1 */
export function pieceOf(size, part, number) {
	return Math.min(part, size - (number - 1) * part);
}

/** The size of a part. What is there already decides, where it can: it need not be sent again.
 * @param {number} size @param {Limits} limits @param {UploadPart[]} there @param {number} [wish]
 * @returns {{part: number, fits: boolean}} fits says whether all that is there can stay */
export function cut(size, limits, there, wish = usualPart) {
	let part = Math.max(wish, limits.min);
	if (partsOf(size, part) > limits.number) {
		part = Math.ceil(Math.ceil(size / limits.number) / mib) * mib;
	}
	part = Math.min(part, limits.max);
	for (const candidate of [part, there[0]?.size ?? 0]) {
		const allowed = candidate >= limits.min && candidate <= limits.max && partsOf(size, candidate) <= limits.number;
		if (allowed && there.every((p) => fits(size, candidate, p))) return { part: candidate, fits: true };
	}
	if (partsOf(size, part) > limits.number) {
		throw new Error(`The file is too large: the store takes ${limits.number} parts.`);
	}
	return { part, fits: false };
}

/** @param {number} size @param {number} part @param {UploadPart} p */
function fits(size, part, p) {
	return p.partNo <= partsOf(size, part) && p.size === pieceOf(size, part, p.partNo);
}

/** Numbers as people write them: 3, 8–25. @param {number[]} numbers in their order */
export function ranges(numbers) {
	/** @type {[number, number][]} */
	const out = [];
	for (const n of numbers) {
		const last = out.at(-1);
		if (last && last[1] === n - 1) {
			last[1] = n;
		} else {
			out.push([n, n]);
		}
	}
	const texts = out.slice(0, 12).map(([a, b]) => (a === b ? `${a}` : b === a + 1 ? `${a}, ${b}` : `${a}–${b}`));
	return texts.join(", ") + (out.length > 12 ? " and more" : "");
}
