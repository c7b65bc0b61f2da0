/**
 * The panel beside the stage: one of its sections at a time. On a phone it is
 * a sheet over the stage and behaves as a dialog: nothing behind it can be
 * reached until it is closed.
 */

import { button, byId, make } from "./dom.js";
import { t } from "./i18n.js";

/**
 * @typedef {object} Section
 * @property {string} title
 * @property {HTMLElement} body
 * @property {(shown: boolean) => void} [shown] called when it comes and goes
 * @property {() => HTMLElement | null} [focus] what is likely used first; never taken on a touch screen, where a keyboard would cover the rest
 */

/** As in panels.css. */
const SHEET = "(max-width: 719px)";

export class Panel {
  #element = byId("panel");
  #title = make("h2", { id: "panel-title", tabindex: "-1" });
  #backdrop = byId("backdrop");
  #sheet = matchMedia(SHEET);
  #changed;
  #opener;
  /** @type {Map<string, Section>} */
  #sections = new Map();
  #abort = new AbortController();
  #current = "";

  /**
   * @param {(current: string) => void} changed the section that is open now, "" for none
   * @param {(name: string) => HTMLElement} opener the button of a section
   */
  constructor(changed, opener) {
    this.#changed = changed;
    this.#opener = opener;
    this.#element.setAttribute("aria-labelledby", this.#title.id);
    this.#element.replaceChildren(make("div", { class: "side-head" }, this.#title, button(t("panel.close"), "close", "bare", () => this.close())));
    const { signal } = this.#abort;
    this.#element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    }, { signal });
    // Where nothing has the focus, Escape is for the panel; a keypad or a dialog has its own.
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && document.activeElement === document.body) this.close();
    }, { signal });
    this.#backdrop.addEventListener("click", () => this.close(), { signal });
    this.#sheet.addEventListener("change", () => this.#cover(), { signal });
  }

  /**
   * @param {string} name
   * @param {Section} section
   */
  add(name, section) {
    section.body.hidden = true;
    this.#sections.set(name, section);
    this.#element.append(section.body);
  }

  /** @returns {string} the name of the open section, "" for none */
  get current() {
    return this.#current;
  }

  /** @param {string} name of the section to open, or to close when it is the open one */
  toggle(name) {
    if (name === this.#current) this.close();
    else this.open(name);
  }

  /** @param {string} name */
  open(name) {
    const section = this.#sections.get(name);
    if (!section || name === this.#current) return;
    this.#leave();
    this.#current = name;
    this.#title.textContent = section.title;
    section.body.hidden = false;
    this.#element.hidden = false;
    this.#cover();
    section.shown?.(true);
    this.#changed(name);
    const wanted = matchMedia("(pointer: coarse)").matches ? null : section.focus?.();
    (wanted ?? this.#title).focus({ preventScroll: true });
  }

  /** Closes it and returns the focus to the button that opens it. */
  close() {
    const name = this.#current;
    if (!name) return;
    const focused = this.#element.contains(document.activeElement);
    this.#leave();
    this.#element.hidden = true;
    this.#current = "";
    this.#cover();
    this.#changed("");
    if (focused) this.#opener(name).focus();
  }

  #leave() {
    const section = this.#sections.get(this.#current);
    if (!section) return;
    section.body.hidden = true;
    section.shown?.(false);
  }

  /** What a sheet covers is out of reach for the keyboard and for screen readers too. */
  #cover() {
    const covers = this.#sheet.matches && this.#current !== "";
    this.#backdrop.hidden = !covers;
    for (const behind of document.querySelectorAll(".view-room > .top, #stage, #controls")) behind.toggleAttribute("inert", covers);
    this.#element.setAttribute("role", covers ? "dialog" : "complementary");
    if (covers) this.#element.setAttribute("aria-modal", "true");
    else this.#element.removeAttribute("aria-modal");
  }

  /** Takes it away for good. */
  dispose() {
    this.close();
    this.#abort.abort();
    this.#element.replaceChildren();
  }
}
