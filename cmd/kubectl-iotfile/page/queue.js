// @ts-check
// What is kept of the files that are sent, in IndexedDB, so that a reload or a crash loses nothing.

const name = "iotfile";
const table = "sending";

/** This page, until it is reloaded. It holds the lock of this name, so that others see it live. */
export const tab = crypto.randomUUID();

/** @type {Promise<IDBDatabase> | null} */
let opened = null;

function database() {
	opened ??= new Promise((done, fail) => {
		const request = indexedDB.open(name, 1);
		request.onupgradeneeded = () => request.result.createObjectStore(table, { keyPath: "id" });
		request.onsuccess = () => done(request.result);
		request.onerror = () => fail(request.error);
	});
	return opened;
}

/** @template T @param {IDBTransactionMode} mode @param {(records: IDBObjectStore) => IDBRequest<T> | void} work
 * @returns {Promise<T | undefined>} */
async function within(mode, work) {
	const transaction = (await database()).transaction(table, mode);
	const request = work(transaction.objectStore(table));
	return new Promise((done, fail) => {
		transaction.oncomplete = () => done(request?.result);
		transaction.onabort = transaction.onerror = () => fail(transaction.error);
	});
}

// Where the browser keeps nothing, all works but for a reload.
const without = () => undefined;

/** @param {Saved[]} items */
export function save(items) {
	return within("readwrite", (records) => items.forEach((item) => records.put(item))).catch(without);
}

/** @param {string[]} ids */
export function forget(ids) {
	return within("readwrite", (records) => ids.forEach((id) => records.delete(id))).catch(without);
}

/** @returns {Promise<Saved[]>} */
async function all() {
	const items = (await within("readonly", (records) => records.getAll())) ?? [];
	return items.sort((a, b) => a.added - b.added);
}

/** @param {string} owner */
const lockOf = (owner) => `iotfile-tab-${owner}`;

/** Calls `taken` with what this tab takes over from others that are gone, now or later.
 * @param {(items: Saved[]) => void} taken */
export async function claim(taken) {
	await new Promise((ready) => {
		navigator.locks.request(lockOf(tab), () => {
			ready(null);
			return new Promise(() => {}); // until the page goes
		});
	});
	for (const owner of new Set((await all()).map((item) => item.owner))) {
		// Whoever gets the lock is the only one to take over.
		navigator.locks.request(lockOf(owner), async () => {
			const left = (await all()).filter((item) => item.owner === owner);
			left.forEach((item) => (item.owner = tab));
			await save(left);
			taken(left);
		});
	}
}
