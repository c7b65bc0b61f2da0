/** Asks for the number of one more phone. */

import { dialog } from "./dialog.js";
import { button, make } from "./dom.js";
import { t } from "./i18n.js";

/** Country code and number at most, ITU-T E.164 §6.2.1, with room for separators. */
const LONGEST = 32;

/** @param {(number: string) => void} call */
export function askNumber(call) {
  const field = make("input", {
    id: "add-number", type: "tel", maxlength: String(LONGEST), autocomplete: "off", inputmode: "tel", dir: "ltr", required: true, autofocus: true,
    "aria-describedby": "add-hint add-problem",
  });
  const problem = make("p", { id: "add-problem", class: "side-problem", role: "alert" });
  const submit = button(t("add.call"), "phone", "pill accent", () => {});
  submit.type = "submit";
  const form = make("form", {
    novalidate: true, class: "dialog-form",
    submit: (/** @type {Event} */ event) => {
      event.preventDefault();
      const number = typed(field.value);
      problem.textContent = number ? "" : t("add.problem");
      field.setAttribute("aria-invalid", String(!number));
      if (!number) return field.focus();
      box.close();
      call(number);
    },
  }, make("label", { for: "add-number" }, t("add.number")), field, make("p", { id: "add-hint", class: "side-hint" }, t("add.hint")), problem,
  make("div", { class: "dialog-buttons" }, submit));
  const box = dialog(t("add.title"), [form]);
}

/**
 * What somebody typed as a number: separators fall away, "00" stays for the
 * server to read. It only has to look like a number; the server decides.
 *
 * @param {string} text
 * @returns {string} "" when it cannot be one
 */
export function typed(text) {
  const number = text.normalize("NFKC").replace(/^\s*tel:/i, "").replace(/\(0\)/, "").replace(/[\s().\/\u2010-\u2015-]/g, "");
  return /^\+?\d{2,20}$/.test(number) ? number : "";
}
