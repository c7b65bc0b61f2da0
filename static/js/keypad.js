/** Twelve keys for a telephone menu. Digits can be typed too, while the keypad is open. */

import { make } from "./dom.js";
import { t } from "./i18n.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const LETTERS = ["", "ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ", "", "", ""];
/** How many of the pressed digits are shown. */
const SHOWN = 16;

export class Keypad {
  #press;
  #display = make("output", { class: "keypad-digits", "aria-label": t("keypad.digits"), "data-testid": "digits" });
  /** @type {Map<string, HTMLButtonElement>} */
  #keys = new Map();
  element;

  /** @param {(digit: string) => void} press */
  constructor(press) {
    this.#press = press;
    const keys = KEYS.map((digit, i) => {
      const key = make("button", { type: "button", class: "key", "aria-label": digit, click: () => this.#pressed(digit) },
        make("span", {}, digit), make("small", { "aria-hidden": "true", "data-text": LETTERS[i] }));
      this.#keys.set(digit, key);
      return key;
    });
    this.element = make("div", { class: "keypad", role: "group", "aria-label": t("keypad.keys"), hidden: true },
      this.#display, make("div", { class: "keys" }, ...keys));
  }

  get open() {
    return !this.element.hidden;
  }

  set open(open) {
    if (open === this.open) return;
    this.element.hidden = !open;
    if (open) {
      this.#display.textContent = "";
      document.addEventListener("keydown", this.#typed);
      this.#keys.get("5")?.focus({ preventScroll: true });
    } else {
      document.removeEventListener("keydown", this.#typed);
    }
  }

  /** @param {string} digit */
  #pressed(digit) {
    this.#display.textContent = ((this.#display.textContent ?? "") + digit).slice(-SHOWN);
    this.#press(digit);
  }

  #typed = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLInputElement) return;
    if (event.key === "Escape") {
      this.open = false;
      this.element.dispatchEvent(new Event("close"));
      return;
    }
    const key = this.#keys.get(event.key);
    if (!key || event.repeat) return;
    event.preventDefault();
    key.classList.add("pressed");
    setTimeout(() => key.classList.remove("pressed"), 120);
    this.#pressed(event.key);
  };
}
