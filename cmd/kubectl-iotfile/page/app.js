// @ts-check
// The frame around the views: which one is shown, the theme, the connection.

import { fill, h, mark, show, visible } from "./dom.js";
import "./files-view.js";
import { live } from "./live.js";
import { info, keep, kept, settle } from "./place.js";
import { SendView } from "./send-view.js";
import { sender } from "./sender.js";
import "./stores-view.js";
import "./upload-view.js";
import "./uploads-view.js";
import { person } from "./words.js";

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @typedef {HTMLElement & {show?: (rest: string[]) => void}} View */

/** Views are made once, and keep what was typed. @type {Map<string, View>} */
const views = new Map();
/** @type {Map<string, number>} */
const scrolled = new Map();
let shown = "";

/** @param {string} tag */
function viewOf(tag) {
	let view = views.get(tag);
	if (!view) {
		view = document.createElement(tag);
		views.set(tag, view);
	}
	return view;
}

/** @returns {[string, ...string[]]} */
function segments() {
	const [first, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
	return [first || "uploads", ...rest];
}

function route() {
	if (location.hash === "#main") return; // the link over the navigation
	const [name, ...rest] = segments();
	const known = ["uploads", "files", "send", "stores"].includes(name) ? name : "uploads";
	const tag = known === "uploads" && rest.length === 2 ? "iot-upload" : `iot-${known}`;
	const main = byId("main");
	for (const link of document.querySelectorAll("header nav a")) {
		mark(link, "aria-current", link.getAttribute("href") === `#/${known}` ? "page" : null);
	}
	const view = viewOf(tag);
	if (shown !== tag) {
		scrolled.set(shown, scrollY);
		main.replaceChildren(view);
		view.show?.(rest);
		scrollTo(0, scrolled.get(tag) ?? 0);
		// Who goes by a link of the keyboard goes on reading there; the first view takes nothing.
		if (shown) view.querySelector("h1")?.focus({ preventScroll: true });
		shown = tag;
	} else {
		view.show?.(rest);
	}
}

function themes() {
	const button = byId("theme");
	/** @type {Record<string, [string, string]>} */
	const next = { "": ["light", "auto"], light: ["dark", "light"], dark: ["", "dark"] };
	const draw = () => {
		const theme = document.documentElement.dataset.theme ?? "";
		fill(button, h("span", { class: `theme-icon ${next[theme][1]}` }));
		button.title = `Theme: ${next[theme][1]}`;
		button.ariaLabel = button.title;
	};
	button.addEventListener("click", () => {
		const theme = next[document.documentElement.dataset.theme ?? ""][0];
		keep("theme", theme);
		if (theme) {
			document.documentElement.dataset.theme = theme;
		} else {
			delete document.documentElement.dataset.theme;
		}
		draw();
	});
	draw();
}

function connection() {
	const banner = byId("banner");
	let timer = 0;
	live.addEventListener("connection", () => {
		clearTimeout(timer);
		if (live.lost) {
			// A moment without it is nobody's concern.
			timer = setTimeout(() => {
				fill(banner, h("span.spinner", { "aria-hidden": "true" }), `${live.lost} Trying again…`);
				show(banner, true);
			}, 1500);
		} else show(banner, false);
	});
}

function drops() {
	let depth = 0;
	/** @param {DragEvent} event */
	const files = (event) => event.dataTransfer?.types.includes("Files") ?? false;
	/** @param {boolean} over */
	const set = (over) => document.body.classList.toggle("dropping", over);
	addEventListener("dragenter", (event) => files(event) && set(++depth > 0));
	addEventListener("dragleave", (event) => files(event) && set((depth = Math.max(0, depth - 1)) > 0));
	addEventListener("dragover", (event) => files(event) && event.preventDefault());
	addEventListener("drop", (event) => {
		if (!files(event) || !event.dataTransfer) return;
		event.preventDefault();
		set((depth = 0) > 0);
		const view = viewOf("iot-send");
		const { dataTransfer } = event;
		location.hash = "#/send";
		route();
		if (view instanceof SendView) view.drop(dataTransfer);
	});
}

function counts() {
	const link = document.querySelector('header nav a[href="#/send"]');
	sender.addEventListener("change", () => {
		const open = sender.open.size;
		if (link) mark(link, "data-count", open > 0 ? String(open) : null);
	});
}

function who() {
	const place = [info.context, info.server].find(Boolean) ?? "";
	fill(byId("who"), info.caller && h("bdi.caller", { title: visible(info.caller) }, visible(person(info.caller))),
		place && h("bdi.place", { title: visible(`${info.server} ${info.via}`.trim()) }, visible(place)));
}

async function start() {
	themes();
	connection();
	drops();
	counts();
	await settle();
	who();
	live.namespace = kept("namespace");
	live.start();
	sender.start();
	addEventListener("hashchange", route);
	route();
}

start();
