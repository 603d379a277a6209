// @ts-check
// One upload in the list.

import { bar, fill, h, mark, named, pathOf, show, visible, write } from "./dom.js";
import { live } from "./live.js";
import { stateOf, troubleOf } from "./reasons.js";
import { about, ago, bytes, count, person, span } from "./words.js";

/** @param {string} key */
export function linkTo(key) {
	return `#/uploads/${key.split("/").map(encodeURIComponent).join("/")}`;
}

/** How much of an upload is there, in bytes and as a share of what was declared.
 * @param {MultipartUpload} upload */
export function amountOf({ spec, status }) {
	const arrived = status?.progress?.bytes ?? 0;
	const done = status?.phase === "Completed";
	const size = spec.size ?? (done ? status?.size : undefined);
	const share = done ? 1 : size ? arrived / size : null;
	const text = done ? bytes(status?.size ?? arrived) : size ? `${bytes(arrived)} of ${bytes(size)}` : bytes(arrived);
	const percent = share === null ? "" : `${Math.floor(share * 100)}%`;
	return { arrived: done ? (size ?? arrived) : arrived, size, share, text, percent };
}

/** How fast an upload is and how long it takes, "" where nothing arrives. @param {string} key
 * @param {MultipartUpload} upload */
export function paceOf(key, upload) {
	const rate = upload.status?.phase === "Uploading" ? live.rate(key) : 0;
	const { size, arrived } = amountOf(upload);
	if (rate < 1) return { rate: "", left: "" };
	return { rate: `${bytes(rate)}/s`, left: size && size > arrived ? `${span((size - arrived) / rate)} left` : "" };
}

/** @param {MultipartUpload} upload */
export function expiryOf(upload) {
	const { open } = stateOf(upload);
	const { expirationTime, completionTime } = upload.status ?? {};
	if (!open) return { text: completionTime ? ago(completionTime) : "", soon: false };
	if (!expirationTime) return { text: "", soon: false };
	const left = (Date.parse(expirationTime) - Date.now()) / 1000;
	if (left <= 0) return { text: "now", soon: true };
	return { text: left < 86400 ? span(left) : about(left), soon: left < 3600 };
}

/** @param {string} key @returns {Row} */
export function uploadRow(key) {
	const link = h("a.row-link", { href: linkTo(key) });
	const state = h("span.status");
	const where = h("span.row-where");
	const owner = h("span.row-owner");
	const progress = bar("Progress");
	const text = h("span.numbers");
	const percent = h("span.numbers.percent");
	const speed = h("span");
	const rest = h("span");
	const pace = h("span.numbers.row-pace", speed, rest);
	const parts = h("span.numbers.row-parts");
	const expiry = h("span.numbers.row-expiry");
	const trouble = h("span.row-trouble");
	const element = h("li.upload-row",
		h("div.row-file", h("div.row-line", link), h("div.row-line", state, where)),
		owner,
		h("div.row-progress", h("div.row-line", text, percent), progress.element, trouble),
		pace, parts, expiry);
	/** @type {MultipartUpload | undefined} */
	let drawn;

	const draw = () => {
		const upload = live.uploads.get(key);
		if (!upload) return;
		if (upload !== drawn) {
			drawnOf(upload);
			drawn = upload;
		}
		const { rate, left } = paceOf(key, upload);
		write(speed, rate);
		write(rest, left);
		const { text: when, soon } = expiryOf(upload);
		write(expiry, when);
		expiry.classList.toggle("soon", soon);
	};
	/** @param {MultipartUpload} upload */
	const drawnOf = (upload) => {
		const { spec, metadata, status } = upload;
		const { word, tone } = stateOf(upload);
		const amount = amountOf(upload);
		if (drawn?.metadata.uid !== metadata.uid) {
			const path = spec.path ?? "";
			mark(element, "aria-label", visible(path));
			fill(link, pathOf(path));
			fill(where, h("code", { title: spec.entityID }, (spec.entityID ?? "").slice(0, 8)), " · ", named(metadata.namespace ?? ""));
			fill(owner, spec.createdBy ? h("bdi", { title: visible(spec.createdBy) }, visible(person(spec.createdBy))) : "–");
		}
		write(state, word);
		mark(element, "data-tone", tone);
		write(text, amount.text);
		write(percent, amount.percent);
		progress.set(amount.share, [amount.text, amount.percent].filter(Boolean).join(", "));
		const why = troubleOf(upload);
		const shown = why ? why.says || why.message : "";
		write(trouble, shown);
		trouble.title = shown;
		show(progress.element, !why);
		element.classList.toggle("troubled", why !== null);
		const n = status?.progress?.parts;
		write(parts, n ? `${count(n)} ${n === 1 ? "part" : "parts"}` : "");
	};
	return { element, draw };
}
