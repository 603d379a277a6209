// @ts-check
// One line of a folder.

import { escapePath, fileURL } from "./api.js";
import { h, pathOf, visible } from "./dom.js";
import { askDelete } from "./file-dialog.js";
import { bytes, counted, moment } from "./words.js";

/** @param {string} namespace @param {string} entity @param {string} path */
export function linkOf(namespace, entity, path) {
	return `#/files/${encodeURIComponent(namespace)}/${entity}/${escapePath(path)}`;
}

const nothing = () => {};

/** @param {string} href @param {Folder} folder @returns {Row} */
export function folderRow(href, folder) {
	const element = h("li.file-row.folder", { "aria-label": `${visible(folder.name)}/` },
		h("a.row-link", { href }, h("span.folder-icon", { "aria-hidden": "true" }), h("bdi.path", h("span.base", visible(folder.name)))),
		h("span.numbers", bytes(folder.size)),
		h("span.numbers.when", moment(folder.updated)),
		h("span.quiet.row-actions", counted(folder.files, "file")));
	return { element, draw: nothing };
}

/** @param {Place} place @param {ListedFile} file
 * @param {string} folder what is left out of the path @param {() => void} changed
 * @returns {Row} */
export function fileRow(place, file, folder, changed) {
	const { namespace, entity, path } = place;
	const remove = async () => {
		if (await askDelete(place, file.etag)) changed();
	};
	const named = visible(file.name);
	const element = h("li.file-row", { "aria-label": visible(path) },
		h("a.row-link", { href: linkOf(namespace, entity, path) }, pathOf(path.slice(folder.length))),
		h("span.numbers", bytes(file.size)),
		h("span.numbers.when", moment(file.updated)),
		h("span.row-actions",
			h("a.button.small", { href: fileURL(place), download: file.name, "aria-label": `Download ${named}` }, "Download"),
			h("button", { class: "small danger", onclick: remove, "aria-label": `Delete ${named}` }, "Delete")));
	return { element, draw: nothing };
}
