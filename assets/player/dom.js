/** Making elements, and replacing them without losing the place of the keyboard. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes and children. "onclick" and its like are listeners; what is null or false is left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} attributes
 * @param {(Node | string | null)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * An SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @returns {SVGElementTagNameMap[K]}
 */
export function s(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

/**
 * A button that says in full what it does.
 * @param {string} label
 * @param {string} title
 * @param {() => void} action
 * @param {Record<string, any>} more attributes
 */
export const button = (label, title, action, more = {}) =>
  h("button", { type: "button", title, "aria-label": title, onclick: action, ...more }, label);

/**
 * A paragraph in a soft colour.
 * @param {string} text
 */
export const remark = (text) => h("p", { class: "soft" }, text);

/**
 * A table. A column without a name holds the links to changes.
 * @param {string[]} names
 * @param {HTMLTableRowElement[]} rows
 */
export function table(names, rows) {
  const head = names.map((name) => h("th", { scope: "col" }, name || h("span", { class: "spoken" }, "changes")));
  return h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows));
}

/**
 * Give an SVG element its size.
 * @param {SVGSVGElement} svg
 * @param {number} width
 * @param {number} top
 * @param {number} height
 * @param {number} scale
 */
export function resize(svg, width, top, height, scale) {
  svg.setAttribute("width", String(width * scale));
  svg.setAttribute("height", String(height * scale));
  svg.setAttribute("viewBox", `0 ${top} ${width} ${height}`);
}

/**
 * What has the focus in the document or the shadow tree of an element.
 * @param {HTMLElement} element
 */
export const focused = (element) => /** @type {Document} */ (element.getRootNode()).activeElement;

/**
 * Replace what is inside a box without losing the place of the keyboard: what has the same `data-key` takes the focus,
 * or `root` if it is gone.
 * @param {HTMLElement} root
 * @param {() => void} draw
 * @param {HTMLElement} box
 */
export function keepFocus(root, draw, box) {
  const active = focused(root);
  const inside = active instanceof HTMLElement && box.contains(active) && active !== box;
  const key = inside ? active.dataset.key : undefined;
  draw();
  if (key === undefined) return;
  const keyed = /** @type {HTMLElement[]} */ ([...box.querySelectorAll("[data-key]")]);
  const again = keyed.find((element) => element.dataset.key === key);
  (again ?? root).focus({ preventScroll: true });
}
