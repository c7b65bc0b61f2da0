/**
 * What the pages around the room share: their texts in the reader's language,
 * and buttons that copy.
 */

import { byId, make } from "./dom.js";
import { language, start, t, translate, useTexts } from "./i18n.js";
import site from "./texts/site.en.js";

/** @typedef {import("./i18n.js").Texts} Texts */
/** @typedef {Record<string, () => Promise<Texts>>} Translations by language */

/** How long a button says that it has copied, in milliseconds. */
const COPIED = 2500;

/** @type {Translations} */
const SITE = { de: () => import("./texts/site.de.js").then((m) => m.default) };

/**
 * Fills the page's texts in. English is at hand; another language is loaded.
 *
 * @param {Texts} [english] of this page only
 * @param {Translations} [translations] of the same
 */
export async function speak(english = {}, translations = {}) {
  useTexts(site);
  useTexts(english);
  await start();
  const loads = [SITE, translations].map((all) => (Object.hasOwn(all, language) ? all[language]() : {}));
  try {
    for (const texts of await Promise.all(loads)) useTexts(texts);
  } catch (error) {
    console.warn("dialroom: texts in", language, "are missing:", error); // English is better than nothing
  }
  translate(document);
}

/**
 * A button that copies what it is asked to, and says that it did. The page has
 * a live region #said.
 *
 * @param {string} label
 * @param {() => string} text
 * @param {(() => Promise<void> | void)} [copy] another way than as plain text
 * @returns {HTMLButtonElement}
 */
export function copyButton(label, text, copy) {
  const element = make("button", { type: "button", class: "pill small" }, label);
  wireCopy(element, text, copy);
  return element;
}

/**
 * Makes a button of the page one that copies.
 *
 * @param {HTMLElement} element
 * @param {() => string} text
 * @param {(() => Promise<void> | void)} [copy]
 */
export function wireCopy(element, text, copy = () => writeText(text())) {
  let timer = 0;
  let name = "";
  element.addEventListener("click", async () => {
    if (!element.classList.contains("done")) name = element.textContent ?? "";
    clearTimeout(timer);
    let said = t("site.copied");
    try {
      await copy();
    } catch (error) {
      console.warn("dialroom: the browser does not let copy:", error);
      said = t("site.not-copied");
    }
    element.textContent = said;
    element.classList.add("done");
    byId("said").textContent = said;
    timer = setTimeout(() => {
      element.textContent = name;
      element.classList.remove("done");
      byId("said").textContent = "";
    }, COPIED);
  });
}

/**
 * Puts text on the clipboard. Pages that did not come by HTTPS have no
 * clipboard of the modern kind.
 *
 * @param {string} text
 */
async function writeText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const field = make("textarea", { readonly: true, class: "off-screen", "aria-hidden": "true" });
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (!copied) throw new Error("copying is not allowed");
}
