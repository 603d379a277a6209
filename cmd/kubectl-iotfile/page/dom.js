// @ts-check
// Elements without innerHTML: what comes from the cluster only ever becomes text.

/** Makes an element: `h("p.quiet", { title: "…" }, "text")`. Attributes that are functions listen to the event of
 * their name, as in `onclick`; `false`, `null` and `undefined` leave an attribute or a child out.
 * @template {string} S @param {S} tag @param {...(Child | Record<string, unknown>)} rest
 * @returns {S extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[S]
 *  : S extends `${infer T}.${string}` ? T extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[T] : never : never}
 */
export function h(tag, ...rest) {
	const [name, ...classes] = tag.split(".");
	const element = document.createElement(name);
	if (classes.length > 0) element.className = classes.join(" ");
	if (element instanceof HTMLButtonElement) element.type = "button";
	for (const one of rest) {
		if (typeof one === "object" && one !== null && !(one instanceof Node)) {
			set(element, one);
		} else {
			element.append(...nodes([one]));
		}
	}
	return /** @type {any} */ (element);
}

/** @param {Element} element @param {Record<string, unknown>} attributes */
function set(element, attributes) {
	for (const [name, value] of Object.entries(attributes)) {
		if (typeof value === "function") {
			element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
		} else if (value !== false && value !== null && value !== undefined) {
			element.setAttribute(name, value === true ? "" : String(value));
		}
	}
}

/** @param {Child[]} children @returns {(Node | string)[]} */
function nodes(children) {
	return children.filter((c) => c !== null && c !== undefined && c !== false).map((c) => (c instanceof Node ? c : String(c)));
}

/** @param {Element} element @param {...Child} children */
export function fill(element, ...children) {
	element.replaceChildren(...nodes(children));
}

/** Writes a text where it differs, since even the same text costs a layout. @param {Element} element
 * @param {string} text */
export function write(element, text) {
	if (element.textContent !== text) {
		element.textContent = text;
	}
}

/** @param {Element} element @param {string} name
 * @param {string | null} value null takes it away */
export function mark(element, name, value) {
	if (value === null) {
		element.removeAttribute(name);
	} else if (element.getAttribute(name) !== value) {
		element.setAttribute(name, value);
	}
}

/** @param {HTMLElement} element @param {boolean} visible */
export function show(element, visible) {
	if (element.hidden === visible) {
		element.hidden = !visible;
	}
}

// Characters that turn the order of text around or cannot be seen. A joiner behind a letter that is
// not ASCII is part of a script or an emoji.
const unseen = new RegExp(
	"[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u115f\\u1160\\u180e\\u200b\\u200e\\u200f\\u2028-\\u202e" +
		"\\u2060-\\u206f\\u3164\\ufeff\\ufff9-\\ufffb\\u{e0000}-\\u{e0fff}]|\\p{Cs}|(?<![^\\0-\\x7f])[\\u200c\\u200d]",
	"gu",
);

/** Shows what could deceive as what it is, such as ‹U+202E›. @param {string} text
 * @param {string} [allowed] characters that stay as they are */
export function visible(text, allowed = "") {
	return text.replace(unseen, (c) => {
		const code = (c.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
		return allowed.includes(c) ? c : `‹U+${code}›`;
	});
}

/** A name that others have chosen, kept apart from the direction of the text around it. @param {string} text
 * @param {string} [className] */
export function named(text, className) {
	return h("bdi", { class: className }, visible(text));
}

/** @param {string} path */
export function pathOf(path) {
	const cut = path.lastIndexOf("/") + 1;
	return h("bdi", { class: "path", title: visible(path) },
		cut > 0 && h("span", { class: "dir" }, visible(path.slice(0, cut))), h("span", { class: "base" }, visible(path.slice(cut))));
}

/** A bar that screen readers know as one. `amount` is from 0 to 1, or null where it is not known.
 * @param {string} label */
export function bar(label) {
	const inner = h("div", { class: "bar-fill" });
	const element = h("div", { class: "bar", role: "progressbar", "aria-label": visible(label), "aria-valuemin": 0, "aria-valuemax": 100 }, inner);
	let drawn = -1;
	/** @param {number | null} amount @param {string} text */
	const set = (amount, text) => {
		const percent = amount === null ? null : Math.max(0, Math.min(100, amount * 100));
		mark(element, "aria-valuenow", percent === null ? null : String(Math.floor(percent)));
		mark(element, "aria-valuetext", text);
		element.classList.toggle("unknown", percent === null);
		if (percent !== null && percent !== drawn) {
			drawn = percent;
			inner.style.transform = `scaleX(${(percent / 100).toFixed(4)})`;
		}
	};
	return { element, set };
}

/** Calls a function once before the next frame, however often it is asked to. @param {() => void} work */
export function onFrame(work) {
	let asked = false;
	return () => {
		if (!asked) {
			asked = true;
			requestAnimationFrame(() => {
				asked = false;
				work();
			});
		}
	};
}

/** The heading of a view, which takes the focus when the view is shown. @param {...Child} content */
export const heading = (...content) => h("h1", { tabindex: -1 }, ...content);

/** Fills a box that says what is the matter. @param {Element} box @param {string} title @param {...Child} more */
export function tell(box, title, ...more) {
	fill(box, h("h2", title), ...more.map((m) => (typeof m === "string" && m ? h("p", m) : m)));
}

/** What a change event of the live objects or of the queue tells. @param {Event} event @returns {Change} */
export const changeOf = (event) => /** @type {CustomEvent} */ (event).detail;

/** Tells screen readers something that happened elsewhere on the page. @param {string} text */
export function announce(text) {
	const region = document.getElementById("said");
	if (region) {
		region.textContent = "";
		setTimeout(() => (region.textContent = text), 50);
	}
}
