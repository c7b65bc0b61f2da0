/**
 * Building elements. Text only ever becomes a text node, so nothing that a
 * person typed can turn into markup.
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Makes an element.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, string | boolean | ((event: any) => void)>} [attributes] functions become listeners
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (typeof value === "boolean") element.toggleAttribute(key, value);
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/**
 * A drawing out of the sprite in room.html.
 *
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", "#i-" + name);
  svg.append(use);
  return svg;
}

/**
 * A button with a drawing and its name under or beside it.
 *
 * @param {string} name what it is called, for eyes and screen readers alike
 * @param {string} drawing
 * @param {string} style class names
 * @param {() => void} press
 * @returns {HTMLButtonElement}
 */
export function button(name, drawing, style, press) {
  const element = make("button", { type: "button", class: style, click: press }, icon(drawing), make("span"));
  rename(element, name, drawing);
  return element;
}

/**
 * Gives a button made by {@link button} another name and drawing.
 *
 * @param {HTMLButtonElement} element
 * @param {string} name
 * @param {string} drawing
 */
export function rename(element, name, drawing) {
  if (element.getAttribute("aria-label") === name) return;
  element.setAttribute("aria-label", name);
  element.querySelector("use")?.setAttribute("href", "#i-" + drawing);
  const label = element.querySelector("span");
  if (label) label.textContent = name;
}

/**
 * The element with an id that the page is known to have.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error("page has no #" + id);
  return element;
}

/** What had the focus is gone: the keyboard goes on from the top of the room, and not from nowhere. */
export function focusTop() {
  byId("room-title").focus({ preventScroll: true });
}
