// @ts-check
// Files out of what was dropped or chosen, folders included.

/** @param {FileList | null} list */
export function fromInput(list) {
	return [...(list ?? [])].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
}

/** @param {DataTransfer} data @returns {Promise<Picked[]>} */
export async function fromDrop(data) {
	// The entries are gone after the first pause, so all are taken before it.
	const items = [...data.items].filter((item) => item.kind === "file");
	const entries = items.map((item) => ({ entry: item.webkitGetAsEntry?.() ?? null, file: item.getAsFile() }));
	/** @type {Picked[]} */
	const out = [];
	for (const { entry, file } of entries) {
		if (entry?.isDirectory) {
			await walk(/** @type {FileSystemDirectoryEntry} */ (entry), out);
		} else if (file) {
			out.push({ file, path: file.name });
		}
	}
	return out;
}

/** @param {FileSystemDirectoryEntry} folder @param {Picked[]} out */
async function walk(folder, out) {
	const reader = folder.createReader();
	for (;;) {
		/** @type {FileSystemEntry[]} a browser gives a hundred at a time */
		const some = await new Promise((done, fail) => reader.readEntries(done, fail));
		if (some.length === 0) return;
		for (const entry of some) {
			if (entry.isDirectory) {
				await walk(/** @type {FileSystemDirectoryEntry} */ (entry), out);
			} else {
				/** @type {File} */
				const file = await new Promise((done, fail) => /** @type {FileSystemFileEntry} */ (entry).file(done, fail));
				out.push({ file, path: entry.fullPath.replace(/^\/+/, "") });
			}
		}
	}
}
