// @ts-check
// One request with a body. XMLHttpRequest tells of bytes that leave, which fetch does not.

import { Refused, noAnswer, refusal } from "./api.js";

// Without a byte for so long the connection is taken for dead.
const stalled = 60_000;
// How long an answer may take behind the last byte: the server holds a completion for 50 seconds.
const answerWithin = 150_000;

/** Sends one request, once. Answers other than a success, and none, are thrown as Refused.
 * @param {Transfer} transfer @returns {Promise<XMLHttpRequest>} */
export function send({ method, url, headers = {}, body, moved, signal }) {
	return new Promise((done, fail) => {
		const request = new XMLHttpRequest();
		let timer = 0;
		/** @param {number} after */
		const watch = (after) => {
			clearTimeout(timer);
			timer = setTimeout(() => {
				fail(new Refused(0, "The connection has stood still for a minute."));
				request.abort();
			}, after);
		};
		const stop = () => request.abort();
		request.open(method, url);
		for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
		request.upload.onprogress = (event) => {
			watch(stalled);
			moved?.(Math.min(event.loaded, body?.size ?? 0));
		};
		request.upload.onload = () => watch(answerWithin);
		request.onload = () => {
			if (request.status >= 200 && request.status < 300) {
				done(request);
			} else {
				fail(refusal(request.status, request.getResponseHeader("Retry-After"), request.responseText));
			}
		};
		request.onerror = () => fail(new Refused(0, noAnswer));
		request.onabort = () => fail(signal.reason);
		request.onloadend = () => {
			clearTimeout(timer);
			signal.removeEventListener("abort", stop);
		};
		if (signal.aborted) {
			fail(signal.reason);
			return;
		}
		signal.addEventListener("abort", stop);
		watch(body ? stalled : answerWithin);
		request.send(body ?? null);
	});
}
