// @ts-check
// Requests to the local server, which adds the token and sends them on.

/** An answer that is no success, or none at all (status 0). */
export class Refused extends Error {
	/** @param {number} status @param {string} message what is wrong and what to do, as the server said it
	 * @param {number} [wait] seconds, of Retry-After */
	constructor(status, message, wait = 0) {
		super(message);
		this.status = status;
		this.wait = wait;
	}

	get passing() {
		return [0, 408, 429, 500, 502, 503, 504].includes(this.status);
	}

}

export const noAnswer = "There is no answer: the program in the terminal may be gone.";

/** @param {number} status @param {string | null} retryAfter @param {string} body */
export function refusal(status, retryAfter, body) {
	let message = "";
	try {
		message = String(JSON.parse(body).message ?? "");
	} catch {
		message = /^\s*</.test(body) ? "" : body.trim().slice(0, 200); // of something in between
	}
	return new Refused(status, message || `The answer was ${status}.`, waitOf(retryAfter));
}

/** Seconds of Retry-After, which is a number or a date. @param {string | null} text */
function waitOf(text) {
	if (!text) return 0;
	const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
	return Math.min(Math.max(seconds || 0, 0), 300);
}

/** Seconds to wait before attempt n + 1: those who fail together do not come back together.
 * @param {number} n counted from 1 */
export function backoff(n) {
	return (0.5 + Math.random() / 2) * Math.min(0.5 * 2 ** Math.min(n - 1, 10), 20);
}

/** @param {string} url @param {RequestInit} [options] */
export async function ask(url, options) {
	let answer;
	try {
		answer = await fetch(url, { cache: "no-store", ...options });
	} catch (error) {
		if (options?.signal?.aborted) throw error;
		throw new Refused(0, noAnswer);
	}
	if (!answer.ok) {
		throw refusal(answer.status, answer.headers.get("Retry-After"), await answer.text().catch(() => ""));
	}
	return answer;
}

/** @param {unknown} error */
export function messageOf(error) {
	return error instanceof Error ? error.message : String(error);
}

/** @param {string} path */
export function escapePath(path) {
	return path.split("/").map(encodeURIComponent).join("/");
}

/** @param {string} namespace */
function root(namespace) {
	return `/namespaces/${encodeURIComponent(namespace)}/api/iotfile/v3`;
}

/** @param {Place} place */
export function fileURL({ namespace, entity, path }) {
	return `${root(namespace)}/files/${entity}/${escapePath(path)}`;
}

/** @param {Place} place @param {AbortSignal} [signal] @returns {Promise<UploadPart[]>} */
export async function listParts({ namespace, entity, path }, signal) {
	return (await ask(`${root(namespace)}/fileslist/${entity}/${escapePath(path)}`, { signal })).json();
}

/** @param {string} namespace @param {string} entity @param {Words} query
 * @param {AbortSignal} [signal] @returns {Promise<{files: ListedFile[], total: number}>} */
export async function searchFiles(namespace, entity, query, signal) {
	const answer = await ask(`${root(namespace)}/files/${entity}?${new URLSearchParams(query)}`, { signal });
	const files = await answer.json();
	return { files, total: Number(answer.headers.get("X-Total-Count") ?? files.length) };
}

/** @param {Place} place @returns {Promise<FileFacts | null>} */
export async function stat(place) {
	try {
		const { headers } = await ask(fileURL(place), { method: "HEAD" });
		const crc = headers.get("x-amz-checksum-crc64nvme");
		const crc32c = headers.get("x-amz-checksum-crc32c");
		return {
			etag: Number((headers.get("ETag") ?? "").replaceAll('"', "")),
			size: Number(headers.get("Content-Length")),
			type: headers.get("Content-Type") ?? "",
			modified: headers.get("Last-Modified") ?? "",
			description: headers.get("description") ?? "",
			checksum: crc ? `crc64nvme:${crc}` : crc32c ? `crc32c:${crc32c}` : "",
		};
	} catch (error) {
		if (error instanceof Refused && error.status === 404) return null;
		throw error;
	}
}

/** @param {MultipartUpload} upload
 * @param {{desiredState: string} | {ttl: string}} change */
export async function change(upload, change) {
	const { namespace = "", name, uid } = upload.metadata;
	const answer = await ask(`/uploads/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`, {
		method: "PATCH",
		headers: { "Content-Type": "application/json" },
		body: JSON.stringify({ ...change, uid }),
	});
	return answer.json();
}
