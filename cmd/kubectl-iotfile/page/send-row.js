// @ts-check
// One file in the queue.

import { confirmed } from "./dialog.js";
import { announce, bar, h, mark, pathOf, show, visible, write } from "./dom.js";
import { sender } from "./sender.js";
import { bytes, moment, span } from "./words.js";

/** @type {Words} */
const words = {
	queued: "Waiting",
	paused: "Paused",
	choose: "Choose the file again",
	conflict: "The file exists",
	failed: "Not sent",
	sent: "Sent",
	kept: "Kept the file that was there",
};

/** @type {Words} */
const tones = { sent: "good", failed: "bad", conflict: "warn", choose: "warn", sending: "busy" };

/** @param {Item} item */
function remarkOf(item) {
	const wait = Math.ceil((item.notBefore - Date.now()) / 1000);
	switch (item.state) {
		case "sending":
			return item.failures > 0 ? `${item.saved.message} · trying again${wait > 0 ? ` in ${span(wait)}` : "…"}` : "";
		case "choose":
			return item.saved.message || "The page was closed meanwhile. What has arrived is not sent again.";
		case "conflict":
			return item.there ? `There: ${bytes(item.there.size)}, stored ${moment(item.there.modified)}.` : item.saved.message;
		default:
			return item.saved.message;
	}
}

/** @param {Item} item */
function statusOf(item) {
	if (item.state !== "sending") return words[item.state];
	return item.failures > 0 ? "Waiting for the server" : item.completing ? "Completing" : "Sending";
}

/** @param {Item} item */
function chooseAgain(item) {
	const input = h("input", { type: "file" });
	input.addEventListener("change", () => {
		const file = input.files?.[0];
		const wrong = file && sender.choose(item, file);
		if (wrong) {
			item.saved.message = `That is not the file. ${wrong}`;
			announce(item.saved.message);
			sender.dispatchEvent(new CustomEvent("change", { detail: { keys: new Set([item.id]), shape: false } }));
		}
	});
	input.click();
}

/** @param {Item} item */
function cancel(item) {
	if (item.saved.arrived === 0 && item.flight.size === 0) {
		sender.cancel(item).catch(() => {});
		return;
	}
	confirmed({
		title: "Stop sending this file?",
		text: [h("p", pathOf(item.saved.path)), h("p", `The ${bytes(item.moved)} that have arrived are deleted.`)],
		yes: "Stop and delete",
		no: "Keep sending",
		harmful: true,
		act: () => sender.cancel(item),
	});
}

/** The buttons, the states in which they are there, and what they do. @type {[string, string, (item: Item) => unknown][]} */
const acts = [
	["Pause", "queued sending", (item) => sender.pause(item)],
	["Resume", "paused", (item) => sender.resume(item)],
	["Try again", "failed", (item) => sender.resume(item)],
	["Choose file again", "choose", chooseAgain],
	["Replace", "conflict", (item) => sender.replace(item)],
	["Keep", "conflict", (item) => sender.keep(item)],
	["Cancel", "queued sending paused choose conflict failed", cancel],
];

/** @param {string} key @returns {Row} */
export function sendRow(key) {
	const item = /** @type {Item} */ (sender.items.get(key));
	const { path, size, namespace } = item.saved;
	const progress = bar(`Progress of ${path}`);
	const status = h("span.status");
	const numbers = h("span.numbers");
	const remark = h("p.remark");
	const buttons = acts.map(([text, , act]) => h("button.small", { onclick: () => act(item) }, text));
	const element = h("li.send-row", { "aria-label": visible(path) },
		h("div.row-name", pathOf(path), h("span.quiet", namespace)),
		h("div.row-state", status, numbers),
		progress.element, remark,
		h("div.row-actions", ...buttons));

	const draw = () => {
		const { state } = item;
		mark(element, "data-tone", item.going && item.failures > 0 ? "warn" : tones[state] ?? "off");
		write(status, statusOf(item));
		write(numbers, state === "sent" ? bytes(size) : `${bytes(item.moved)} of ${bytes(size)}`);
		const text = remarkOf(item);
		write(remark, text);
		remark.title = text;
		progress.set(size ? item.moved / size : 0, `${bytes(item.moved)} of ${bytes(size)}, ${statusOf(item)}`);
		const focused = buttons.some((b) => b === document.activeElement);
		buttons.forEach((button, i) => show(button, acts[i][1].split(" ").includes(state)));
		// A button that goes when it is pressed hands the focus on.
		if (focused && !buttons.some((b) => b === document.activeElement)) buttons.find((b) => !b.hidden)?.focus();
	};
	return { element, draw };
}

export function total() {
	const progress = bar("Progress of all files");
	const title = h("strong");
	const numbers = h("span.numbers");
	const element = h("div.total", h("div.total-line", title, numbers), progress.element);
	const draw = () => {
		let all = 0, moved = 0, done = 0, files = 0, going = 0;
		for (const item of sender.items.values()) {
			if (item.state === "kept") continue;
			files++;
			all += item.saved.size;
			moved += item.moved;
			if (item.state === "sent") done++;
			if (item.going) going++;
		}
		write(title, done === files ? `${files === 1 ? "The file is" : `All ${files} files are`} sent` : `${done} of ${files} sent`);
		const rate = going > 0 && sender.rate > 1024 ? ` · ${bytes(sender.rate)}/s · ${span((all - moved) / sender.rate)} left` : "";
		write(numbers, `${bytes(moved)} of ${bytes(all)}${rate}`);
		progress.set(all ? moved / all : 0, `${bytes(moved)} of ${bytes(all)}`);
	};
	return { element, draw };
}
