// @ts-check
// Numbers and times for people.

const units = ["B", "KiB", "MiB", "GiB", "TiB"];
const numbers = new Intl.NumberFormat("en");
const times = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** @param {number} n */
export function count(n) {
	return numbers.format(n);
}

/** @param {number} n @param {string} one @param {string} [many] */
export function counted(n, one, many = one + "s") {
	return `${count(n)} ${n === 1 ? one : many}`;
}

/** @param {number} n */
export function bytes(n) {
	let unit = 0;
	let value = n;
	while (value >= 1023.5 && unit < units.length - 1) {
		value /= 1024;
		unit++;
	}
	const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
	return `${value.toFixed(digits)} ${units[unit]}`;
}

/** @param {number} seconds */
export function span(seconds) {
	const s = Math.max(0, Math.round(seconds));
	const [size, rest, big, small] = s < 3600 ? [60, 1, "min", "s"] : s < 86400 ? [3600, 60, "h", "min"] : [86400, 3600, "d", "h"];
	const [whole, part] = [Math.floor(s / size), Math.floor((s % size) / rest)];
	return [whole && `${whole} ${big}`, (part || !whole) && `${part} ${small}`].filter(Boolean).join(" ");
}

/** A span that does not change with every second. @param {number} seconds */
export function about(seconds) {
	const s = Math.max(0, seconds);
	const [size, unit] = s < 3600 ? [60, "min"] : s < 172800 ? [3600, "h"] : [86400, "d"];
	return s < 60 ? "<1 min" : `${Math.floor(s / size)} ${unit}`;
}

/** @param {string | number | undefined} at */
export function moment(at) {
	return at === undefined || at === "" ? "–" : times.format(new Date(at));
}

/** @param {string | undefined} at */
export function ago(at) {
	return at ? `${about((Date.now() - Date.parse(at)) / 1000)} ago` : "never";
}

/** @param {number} seconds */
export function goDuration(seconds) {
	const s = Math.round(seconds);
	return `${Math.floor(s / 3600)}h${Math.floor((s % 3600) / 60)}m${s % 60}s`;
}

/** The account's own name, without what all service accounts have in front. @param {string} subject */
export function person(subject) {
	return subject.replace(/^system:serviceaccount:/, "").replace(/^([^:/]+):([^:]+)$/, "$1/$2");
}
