// @ts-check
// What a person can do to an upload: complete, abort, extend.

import { change } from "./api.js";
import { confirmed } from "./dialog.js";
import { h, pathOf } from "./dom.js";
import { bytes, count, goDuration } from "./words.js";

const hour = 3600;

/** @type {[number, string][]} */
const spans = [[24 * hour, "1 day"], [72 * hour, "3 days"], [168 * hour, "7 days"], [720 * hour, "30 days"]];

/** @param {MultipartUpload} upload */
const fileOf = (upload) => h("p", pathOf(upload.spec.path ?? ""));

/** @param {MultipartUpload} upload @param {string} gaps numbers of parts that are missing */
export function complete(upload, gaps) {
	const { bytes: arrived = 0, parts = 0 } = upload.status?.progress ?? {};
	const { size } = upload.spec;
	const short = size !== undefined && arrived < size;
	return confirmed({
		title: "Complete this upload?",
		text: [
			fileOf(upload),
			h("p", `The file is made of what has arrived: ${count(parts)} parts, ${bytes(arrived)} when last counted.`),
			(gaps || short) && h("p.warning", gaps ? `Missing: ${gaps}. ` : `${bytes(size ?? 0)} were declared. `, "The completion will fail, and the upload can only be aborted then."),
		],
		yes: "Complete",
		harmful: Boolean(gaps) || short,
		act: () => change(upload, { desiredState: "Completed" }),
	});
}

/** @param {MultipartUpload} upload */
export function abort(upload) {
	const { bytes: arrived = 0 } = upload.status?.progress ?? {};
	return confirmed({
		title: "Abort this upload?",
		text: [fileOf(upload), h("p", `The ${bytes(arrived)} that have arrived are deleted. A file at this path stays.`)],
		yes: "Abort",
		harmful: true,
		act: () => change(upload, { desiredState: "Aborted" }),
	});
}

/** @param {MultipartUpload} upload */
export function extend(upload) {
	const start = Date.parse(upload.status?.startTime ?? upload.metadata.creationTimestamp);
	const select = h("select", { id: "extend-by" }, ...spans.map(([s, text]) => h("option", { value: s, selected: s === 72 * hour }, text)));
	return confirmed({
		title: "Extend this upload?",
		text: [fileOf(upload), h("div.field", h("label", { for: "extend-by" }, "Time from now"), select),
			h("p.quiet", "Where its store allows less, that counts.")],
		yes: "Extend",
		act: () => change(upload, { ttl: goDuration((Date.now() - start) / 1000 + Number(select.value)) }),
	});
}
