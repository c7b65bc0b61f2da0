/**
 * The buttons at the foot of the room. On a narrow screen only some fit; the
 * others wait in the menu behind "More", where also live those that are rarely
 * pressed. The style sheet chooses: what may move is in both places, and one of
 * them is not displayed.
 */

import { button, make, rename } from "./dom.js";
import { t } from "./i18n.js";

/**
 * @typedef {object} Item
 * @property {string} name
 * @property {string} [short] what stands below a button where the name is too long; the name has it as well
 * @property {string} icon
 * @property {() => void} press
 * @property {"bar" | "wide" | "menu"} place always a button; a button where there is room; always in the menu
 * @property {string} [style] further class names of the button
 * @property {string} [key]   shortcut, shown beside the name
 * @property {string} [does]  what the shortcut does, where the name says only half of it
 * @property {boolean} [popup] it opens a panel
 */

/**
 * @typedef {object} Look
 * @property {string} [name]
 * @property {string} [short]
 * @property {string} [icon]
 * @property {boolean} [off]    what it switches is off
 * @property {boolean} [hidden]
 * @property {boolean} [open]   the panel it opens is open
 * @property {number} [badge]   how much there is to see behind it
 */

/** A number on a badge stays small. */
const MOST = 99;

export class Toolbar {
  #bar;
  #shortcuts;
  #menu = make("div", { class: "menu", role: "menu", id: "more-menu", hidden: true, keydown: (/** @type {KeyboardEvent} */ e) => this.#key(e) });
  #more = button(t("bar.more"), "more", "control", () => this.#toggle(Boolean(this.#menu.hidden)));
  /** @type {Map<string, HTMLButtonElement[]>} */
  #items = new Map();

  /**
   * @param {HTMLElement} bar
   * @param {import("./shortcuts.js").Shortcuts} shortcuts
   */
  constructor(bar, shortcuts) {
    this.#bar = bar;
    this.#shortcuts = shortcuts;
    for (const [key, value] of [["aria-haspopup", "menu"], ["aria-expanded", "false"], ["aria-controls", "more-menu"]]) this.#more.setAttribute(key, value);
    this.#menu.setAttribute("aria-label", t("bar.more"));
    bar.replaceChildren(make("div", { class: "more" }, this.#more, this.#menu));
    this.#menu.addEventListener("focusout", (event) => {
      const to = /** @type {Node | null} */ (event.relatedTarget);
      if (to && !this.#menu.contains(to) && to !== this.#more) this.#toggle(false, false);
    });
    document.addEventListener("pointerdown", this.#outside);
  }

  /**
   * Adds a button; those added later stand further on, and "More" before the `last` ones.
   *
   * @param {string} id
   * @param {Item} item
   */
  add(id, item) {
    /** @type {HTMLButtonElement[]} */
    const places = [];
    if (item.place !== "menu") {
      const control = button(item.name, item.icon, "control" + (item.place === "wide" ? " wide" : "") + (item.style ? " " + item.style : ""), item.press);
      if (item.popup) control.setAttribute("aria-expanded", "false");
      if (item.key) control.title = `${item.name} (${item.key})`;
      this.#label(control, item.short);
      const last = item.style?.includes("last");
      if (last) this.#bar.append(control);
      else this.#more.parentElement?.before(control);
      places.push(control);
    }
    if (item.place !== "bar") {
      const entry = button(item.name, item.icon, "menu-item" + (item.place === "wide" ? " narrow" : ""), () => {
        this.#toggle(false);
        item.press();
      });
      entry.setAttribute("role", "menuitem");
      entry.tabIndex = -1;
      if (item.key) entry.append(make("kbd", { "data-text": item.key }));
      this.#menu.append(entry);
      places.push(entry);
    }
    for (const place of places) {
      place.dataset.item = id;
      if (item.key) place.setAttribute("aria-keyshortcuts", item.key);
    }
    this.#items.set(id, places);
    if (item.key) this.#shortcuts.add(item.key, item.does ?? item.name, item.press, () => places.some((place) => !place.hidden));
  }

  /**
   * Changes how an item looks; what is not named stays.
   *
   * @param {string} id
   * @param {Look} look
   */
  show(id, look) {
    for (const place of this.#items.get(id) ?? []) {
      const { name, hidden, off, open, badge } = look;
      if (name) {
        rename(place, name, look.icon ?? this.#drawing(place));
        if (place.classList.contains("control")) this.#label(place, look.short);
        const key = place.getAttribute("aria-keyshortcuts");
        if (key && place.title) place.title = `${name} (${key})`;
      }
      if (hidden !== undefined) place.hidden = hidden;
      if (off !== undefined) place.classList.toggle("off", off);
      if (open !== undefined) {
        place.classList.toggle("open", open);
        if (place.hasAttribute("aria-expanded")) place.setAttribute("aria-expanded", String(open));
      }
      if (badge !== undefined) this.#badge(place, badge);
    }
  }

  /**
   * @param {HTMLElement} place
   * @param {string} [short]
   */
  #label(place, short) {
    const label = place.querySelector("span");
    if (label && short) label.textContent = short;
  }

  /** @param {HTMLElement} place */
  #drawing(place) {
    return place.querySelector("use")?.getAttribute("href")?.slice("#i-".length) ?? "";
  }

  /**
   * The button of an item that can be seen now, or that of the menu it is in.
   *
   * @param {string} id
   * @returns {HTMLElement}
   */
  place(id) {
    return this.#items.get(id)?.find((place) => place.getClientRects().length > 0) ?? this.#more;
  }

  /**
   * The number is drawn by the style sheet: in the button's text it would be read out beside the name.
   *
   * @param {HTMLElement} place
   * @param {number} count
   */
  #badge(place, count) {
    place.querySelector(".badge")?.remove();
    if (count > 0) place.append(make("i", { class: "badge", "data-text": count > MOST ? MOST + "+" : String(count) }));
  }

  #entries() {
    return [...this.#menu.querySelectorAll("button")].filter((entry) => entry.getClientRects().length > 0);
  }

  /**
   * @param {boolean} open
   * @param {boolean} [back] whether the focus returns to the button
   */
  #toggle(open, back = true) {
    if (open === !this.#menu.hidden) return;
    this.#menu.hidden = !open;
    this.#more.setAttribute("aria-expanded", String(open));
    this.#more.classList.toggle("open", open);
    if (open) this.#entries()[0]?.focus();
    else if (back) this.#more.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const entries = this.#entries();
    const at = entries.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
    /** @type {Record<string, number>} */
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
    if (event.key in moves) entries.at(moves[event.key] % entries.length)?.focus();
    else if (event.key === "Escape") this.#toggle(false);
    else if (event.key === "Tab") return this.#toggle(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #outside = (/** @type {PointerEvent} */ event) => {
    if (!this.#menu.parentElement?.contains(/** @type {Node} */ (event.target))) this.#toggle(false, false);
  };

  close() {
    document.removeEventListener("pointerdown", this.#outside);
    this.#bar.replaceChildren();
  }
}
