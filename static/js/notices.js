/** Sentences above the stage: what is missing, what is wrong, and perhaps a button that helps. */

import { button, focusTop, icon, make } from "./dom.js";
import { t } from "./i18n.js";

/** How long a passing notice stays, in milliseconds: time to read two lines. */
const PASSING = 8000;

/** @typedef {{name: string, icon: string, press: () => void}} Action */

export class Notices {
  #container;
  /** @type {Map<string, {element: HTMLElement, text: string}>} */
  #shown = new Map();

  /** @param {HTMLElement} container a live region */
  constructor(container) {
    this.#container = container;
  }

  /**
   * Shows a notice, replaces the one with the same key, or takes it away when the text is empty.
   *
   * @param {string} key
   * @param {string} text
   * @param {Action} [action]
   */
  set(key, text, action) {
    const old = this.#shown.get(key);
    if (old?.text === text) return;
    if (old?.element.contains(document.activeElement)) focusTop();
    old?.element.remove();
    this.#shown.delete(key);
    if (!text) return;
    const element = make("div", { class: "notice", "data-notice": key }, icon("info"), make("p", {}, text));
    element.append(action
      ? button(action.name, action.icon, "pill accent", action.press)
      : button(t("notice.dismiss"), "close", "bare", () => this.set(key, "")));
    // What can be helped by a press stays in sight where there is not room for all.
    if (action) this.#container.prepend(element);
    else this.#container.append(element);
    this.#shown.set(key, { element, text });
  }

  /**
   * Shows a notice for a while.
   *
   * @param {string} key
   * @param {string} text
   * @param {Action} [action]
   */
  pass(key, text, action) {
    this.set(key, text, action);
    setTimeout(() => {
      if (this.#shown.get(key)?.text === text) this.set(key, "");
    }, PASSING);
  }

  /** Takes all notices away. */
  clear() {
    for (const key of [...this.#shown.keys()]) this.set(key, "");
  }
}
