// @ts-check
// One file: a look at it, its checksum, and what can be done.

import { Refused, ask, fileURL, messageOf, stat } from "./api.js";
import { confirmed, open } from "./dialog.js";
import { fill, h, named, pathOf, visible } from "./dom.js";
import { bytes, count, moment } from "./words.js";

const shownText = 64 << 10;
const images = /^image\/(png|jpeg|gif|webp|avif)$/;
const textTypes = /^(text\/|application\/(json|xml|yaml|x-yaml|javascript|toml|x-ndjson|sql))/;
const textNames = /\.(txt|log|csv|tsv|json|ndjson|xml|ya?ml|md|ini|conf|cfg|toml|sh|sql|properties)$/i;

/** @param {Place} place @param {(changed: boolean) => void} closed told whether the file is gone */
export async function showFile(place, closed) {
	const { path } = place;
	const look = h("div.preview", h("p.quiet", "Loading…"));
	const about = h("dl");
	const problem = h("p.problem", { role: "alert" });
	const url = fileURL(place);
	const remove = h("button", { class: "danger" }, "Delete");
	const actions = h("div.actions",
		h("button", { onclick: () => dialog.close() }, "Close"), remove,
		h("a.button.primary", { href: url, download: path.slice(path.lastIndexOf("/") + 1) }, "Download"));
	const dialog = open("File", [h("p.file-path", pathOf(path)), look, about, problem, actions], "file-dialog");
	let gone = false;
	dialog.addEventListener("close", () => closed(gone));
	remove.addEventListener("click", async () => {
		gone = await askDelete(place);
		if (gone) dialog.close();
	});
	try {
		const file = await stat(place);
		if (!file) throw new Error("There is no such file.");
		fill(about, ...facts(file));
		fill(look, ...(await preview(`${url}?preview=1`, path, file)));
	} catch (error) {
		fill(look);
		fill(problem, messageOf(error), error instanceof Refused && error.status === 403 && " Ask the platform team for the right to get files.iotfile.dev in this namespace.");
	}
	return dialog;
}

/** @param {FileFacts} file */
function facts(file) {
	const copy = h("button", { class: "small", onclick: async () => {
		await navigator.clipboard.writeText(file.checksum);
		copy.textContent = "Copied";
	} }, "Copy checksum");
	/** @type {[string, Child][]} */
	const rows = [
		["Size", `${bytes(file.size)} (${count(file.size)} bytes)`],
		["Media type", file.type && named(file.type)],
		["Stored", file.modified && moment(file.modified)],
		["Version", Number.isNaN(file.etag) ? "" : String(file.etag)],
		["Description", file.description && named(file.description)],
		["Checksum", file.checksum && h("span.checksum", h("code", file.checksum), copy)],
	];
	return rows.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", name), h("dd", value)]);
}

/** A look at a file of a kind that cannot do anything here: text as text, images as images. @param {string} url
 * @param {string} path @param {{size: number, type: string}} file @returns {Promise<Node[]>} */
async function preview(url, path, file) {
	const type = file.type.split(";")[0].trim().toLowerCase();
	if (images.test(type)) {
		return [h("img", { src: url, alt: `Preview of ${visible(path)}` })];
	}
	if (file.size === 0 || !(textTypes.test(type) || textNames.test(path))) {
		return [h("p.quiet", "No preview of this type.")];
	}
	const answer = await ask(url, { headers: { Range: `bytes=0-${shownText - 1}` } });
	const data = new Uint8Array(await answer.arrayBuffer());
	const text = new TextDecoder().decode(data);
	if (text.includes("\0")) return [h("p.quiet", "It is said to be text, and holds other bytes.")];
	/** @type {Node[]} */
	const out = [h("pre", { tabindex: 0, "aria-label": "Preview" }, visible(text, "\n\t\r\f"))];
	if (file.size > data.length) out.push(h("p.quiet", `The first ${bytes(data.length)} of ${bytes(file.size)}.`));
	return out;
}

/** @param {Place} place @param {number} [etag] */
export async function askDelete(place, etag) {
	return /** @type {Promise<boolean>} */ (confirmed({
		title: "Delete this file?",
		text: [h("p", pathOf(place.path)), h("p", "It is gone for good.")],
		yes: "Delete",
		harmful: true,
		act: async () => {
			const version = etag ?? (await stat(place))?.etag;
			try {
				await ask(fileURL(place), { method: "DELETE", headers: version === undefined ? {} : { "If-Match": String(version) } });
			} catch (error) {
				if (!(error instanceof Refused) || error.status !== 404) throw error;
			}
		},
	}));
}
