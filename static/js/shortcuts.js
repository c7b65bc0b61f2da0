/**
 * Single keys for what is done often, the space bar for a word while muted, and
 * the overlay that lists them. Keys are taken only where nobody is typing, and
 * can be switched off for those whose speech input presses them by accident.
 */

import { dialog } from "./dialog.js";
import { make } from "./dom.js";
import { t } from "./i18n.js";

/** @typedef {{key: string, name: string, press: () => void, there: () => boolean}} Shortcut */

const STORED = "dialroom:shortcuts";

export class Shortcuts {
  /** @type {Shortcut[]} */
  #list = [];
  #talk;
  #talking = false;
  /** The button that was pressed with a pointer last: the space bar is not for it. @type {Element | null} */
  #pointed = null;
  #abort = new AbortController();

  /** @param {(talking: boolean) => boolean} talk the space bar is held, or let go; false when there is nothing to lift */
  constructor(talk) {
    this.#talk = talk;
    const { signal } = this.#abort;
    document.addEventListener("keydown", (event) => this.#down(event), { signal });
    document.addEventListener("keyup", (event) => this.#up(event), { signal });
    document.addEventListener("pointerdown", (event) => (this.#pointed = /** @type {Element} */ (event.target).closest?.("button") ?? null), { signal });
    window.addEventListener("blur", () => this.#quiet(), { signal });
    document.addEventListener("visibilitychange", () => this.#quiet(), { signal });
  }

  /**
   * @param {string} key a letter, or "?"
   * @param {string} name what it does
   * @param {() => void} press
   * @param {() => boolean} [there] whether this can be done at all now
   */
  add(key, name, press, there = () => true) {
    this.#list.push({ key: key.toUpperCase(), name, press, there });
  }

  /** Shows what there is. */
  help() {
    if (document.querySelector("dialog.keys-help")) return;
    const box = make("input", { type: "checkbox", id: "keys-on" });
    box.checked = enabled();
    box.addEventListener("change", () => enable(box.checked));
    const row = (/** @type {string} */ key, /** @type {string} */ name) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, name));
    dialog(t("keys.title"), [
      make("dl", { class: "keys-list" }, row(t("keys.space"), t("keys.talk")), ...this.#list.filter(({ there }) => there()).map(({ key, name }) => row(key, name)), row("Esc", t("keys.escape"))),
      make("label", { class: "check", for: "keys-on" }, box, t("keys.on")),
    ], "keys-help");
  }

  /** @param {KeyboardEvent} event */
  #down(event) {
    if (event.key === "Tab" || event.key.startsWith("Arrow")) this.#pointed = null;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !enabled()) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === " ") return this.#space(event);
    if (event.repeat || types(event.target)) return;
    const shortcut = this.#list.find(({ key, there }) => key === event.key.toUpperCase() && there());
    if (!shortcut) return;
    event.preventDefault();
    shortcut.press();
  }

  /**
   * The space bar presses the button that has the focus, unless the focus only
   * stayed there from a press with mouse or finger.
   *
   * @param {KeyboardEvent} event
   */
  #space(event) {
    if (!this.#talking && (types(event.target) || (acts(event.target) && event.target !== this.#pointed))) return;
    if (!this.#talking && (event.repeat || !this.#talk(true))) return;
    this.#talking = true;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  #up(event) {
    if (event.key !== " " || !this.#talking) return;
    event.preventDefault(); // of a button's own press
    this.#quiet();
  }

  #quiet() {
    if (!this.#talking) return;
    this.#talking = false;
    this.#talk(false);
  }

  close() {
    this.#quiet();
    this.#abort.abort();
  }
}

/** @param {EventTarget | null} target */
function types(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio], [type=range]), textarea, select"));
}

/** @param {EventTarget | null} target */
function acts(target) {
  return target instanceof Element && target.matches("button, a[href], input, select, summary, [role=slider]");
}

function enabled() {
  try {
    return localStorage.getItem(STORED) !== "off";
  } catch {
    return true;
  }
}

/** @param {boolean} on */
function enable(on) {
  try {
    if (on) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, "off");
  } catch {
    // Forbidden or full: they stay as they are.
  }
}
