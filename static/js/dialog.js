/** Dialogs in the middle of the page, on the browser's own `dialog` element: it keeps the focus inside and gives it back. */

import { button, make } from "./dom.js";
import { t } from "./i18n.js";

let dialogs = 0;

/**
 * Opens a dialog. Escape, its close button and a press beside it close it.
 *
 * @param {string} title
 * @param {(Node | string)[]} content
 * @param {string} [style] class names
 * @returns {HTMLDialogElement}
 */
export function dialog(title, content, style = "") {
  const id = `dialog-${++dialogs}`;
  /** @type {HTMLDialogElement} */
  const element = make("dialog", { class: "dialog " + style, "aria-labelledby": id },
    make("div", { class: "side-head" }, make("h2", { id, tabindex: "-1" }, title), button(t("panel.close"), "close", "bare", () => element.close())),
    make("div", { class: "dialog-body" }, ...content));
  element.addEventListener("close", () => element.remove());
  // The element itself is only what lies around its box.
  element.addEventListener("click", (event) => event.target === element && element.close());
  document.body.append(element);
  element.showModal();
  /** @type {HTMLElement | null} */
  const first = element.querySelector("[autofocus]") ?? element.querySelector("h2");
  first?.focus({ preventScroll: true });
  return element;
}

/**
 * Asks before something that cannot be taken back.
 *
 * @param {string} question
 * @param {string} detail
 * @param {string} yes what the button says that does it
 * @param {() => void} then
 */
export function confirm(question, detail, yes, then) {
  const no = make("button", { type: "button", class: "pill", autofocus: true, click: () => box.close() }, t("dialog.cancel"));
  const go = make("button", { type: "button", class: "pill danger", click: () => (box.close(), then()) }, yes);
  const box = dialog(question, [make("p", {}, detail), make("div", { class: "dialog-buttons" }, no, go)]);
}

/** Closes what is open: the room it belongs to is gone. */
export function closeDialogs() {
  for (const open of document.querySelectorAll("dialog")) open.close();
}
