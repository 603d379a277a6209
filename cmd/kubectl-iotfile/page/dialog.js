// @ts-check
// Questions in the way of what cannot be taken back.

import { messageOf } from "./api.js";
import { fill, h } from "./dom.js";

/** Opens a dialog. Escape and a click beside it close it. @param {string} title
 * @param {Child[]} content @param {string} [className] */
export function open(title, content, className = "") {
	const id = `dialog-${document.querySelectorAll("dialog").length}`; // one can be above another
	const dialog = h("dialog", { class: className, "aria-labelledby": id, closedby: "any" }, h("h2", { id }, title), ...content);
	const from = document.activeElement;
	dialog.addEventListener("close", () => {
		dialog.remove();
		if (from instanceof HTMLElement && from.isConnected) from.focus();
	});
	document.body.append(dialog);
	dialog.showModal();
	return dialog;
}

/** Asks before something is done, does it, and stays open with the message where that fails.
 * @param {Question} question */
export function confirmed({ title, text, yes, no = "Cancel", harmful = false, act }) {
	return new Promise((done) => {
		const problem = h("p.problem", { role: "alert" });
		const accept = h("button", { type: "submit", class: harmful ? "danger" : "primary" }, yes);
		const form = h("form", { method: "dialog" }, h("div.dialog-text", ...text), problem,
			h("div.actions", h("button", { onclick: () => dialog.close() }, no), accept));
		const dialog = open(title, [form]);
		let ok = false;
		form.addEventListener("submit", async (event) => {
			event.preventDefault();
			accept.disabled = true;
			fill(problem);
			try {
				await act();
				ok = true;
				dialog.close();
			} catch (error) {
				fill(problem, messageOf(error));
				accept.disabled = false;
			}
		});
		dialog.addEventListener("close", () => done(ok));
		// What is harmful is not one Enter away.
		if (harmful) form.querySelector("button")?.focus();
	});
}
