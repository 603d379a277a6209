// @ts-check
// Where one is: the caller, the namespaces, and the entities that were used.

import { ask, messageOf } from "./api.js";
import { fill, h } from "./dom.js";
import { live } from "./live.js";

/** @type {ServerInfo} */
export const info = { version: "", server: "", via: "", caller: "", tokenFrom: "", context: "", namespace: "", entity: "" };

/** @type {{names: string[] | null, problem: string}} names is null where the caller may not list them */
export const namespaces = { names: null, problem: "" };

export async function settle() {
	const [about, spaces] = await Promise.allSettled([ask("/info"), ask("/namespaces")]);
	if (about.status === "fulfilled") Object.assign(info, await about.value.json());
	if (spaces.status === "fulfilled") {
		namespaces.names = (await spaces.value.json()).namespaces ?? [];
	} else {
		namespaces.problem = messageOf(spaces.reason);
	}
}

// Without storage there is no cookie either, and so no page.
/** @param {string} name */
export const kept = (name) => localStorage.getItem(`iotfile-${name}`) ?? "";

/** @param {string} name @param {string} value */
export const keep = (name, value) => localStorage.setItem(`iotfile-${name}`, value);

const entityForm = /^[a-f0-9]{32}$/;

/** @param {string} text */
export function isEntity(text) {
	return entityForm.test(text);
}

/** @param {string} text */
export function isNamespace(text) {
	return /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(text);
}

/** @returns {{namespace: string, entity: string}[]} the latest first */
function used() {
	try {
		const list = JSON.parse(kept("used") || "[]");
		return Array.isArray(list) ? list.filter((u) => isEntity(u?.entity)) : [];
	} catch {
		return [];
	}
}

/** @param {string} namespace @param {string} entity */
export function remember(namespace, entity) {
	const others = used().filter((u) => u.namespace !== namespace || u.entity !== entity);
	keep("used", JSON.stringify([{ namespace, entity }, ...others].slice(0, 50)));
}

export function latest() {
	const [first] = used();
	return first ?? { namespace: info.namespace, entity: info.entity };
}

/** @param {string} namespace */
function entitiesOf(namespace) {
	const found = new Set(used().filter((u) => u.namespace === namespace).map((u) => u.entity));
	if (isEntity(info.entity)) found.add(info.entity);
	for (const upload of live.uploads.values()) {
		if (found.size >= 200) break;
		if (upload.metadata.namespace === namespace && upload.spec.entityID) found.add(upload.spec.entityID);
	}
	return [...found];
}

/** The fields that say where: a namespace and an entity. */
export function where() {
	const namespace = field("Namespace", {}, () => namespaces.names ?? []);
	const entity = field("Entity", { class: "mono", placeholder: "32 hexadecimal digits" }, () => entitiesOf(namespace.input.value));
	return {
		namespace, entity,
		get: () => ({ namespace: namespace.input.value.trim(), entity: entity.input.value.trim() }),
		/** @param {{namespace: string, entity: string}} place */
		set(place) {
			namespace.input.value = place.namespace;
			entity.input.value = place.entity;
		},
		check() {
			const place = this.get();
			namespace.complain(isNamespace(place.namespace) ? "" : "Name a namespace: letters, digits and dashes.");
			entity.complain(isEntity(place.entity) ? "" : "An entity is 32 digits of 0-9 and a-f.");
			[namespace, entity].find(({ input }) => input.hasAttribute("aria-invalid"))?.input.focus();
			return isNamespace(place.namespace) && isEntity(place.entity);
		},
	};
}

let fields = 0;

/** A labelled text field that offers what is known. @param {string} label
 * @param {Record<string, unknown>} attributes @param {() => string[]} [offers] */
export function field(label, attributes, offers) {
	const id = `field-${++fields}`;
	const input = h("input", { id, type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
	const problem = h("span.problem", { id: `${id}-problem` });
	input.setAttribute("aria-describedby", problem.id);
	const element = h("div.field", h("label", { for: id }, label), input, problem);
	if (offers) {
		const list = h("datalist", { id: `${id}-list` });
		input.setAttribute("list", list.id);
		element.append(list);
		input.addEventListener("focus", () => fill(list, ...offers().map((value) => h("option", { value }))));
	}
	/** @param {string} text */
	const complain = (text) => {
		problem.textContent = text;
		if (text) input.setAttribute("aria-invalid", "true");
		else input.removeAttribute("aria-invalid");
	};
	input.addEventListener("input", () => complain(""));
	return { element, input, complain };
}
