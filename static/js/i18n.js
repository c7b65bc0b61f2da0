/**
 * What the page says, in the reader's language.
 *
 * `t("chat.title")` is a text; `t("people.count", { n: 3 })` fills `{n}` in and
 * takes the form for that many out of `people.count.one`, `.other` and so on.
 * English is always there and fills what a translation lacks; another language
 * is loaded by {@link start}, so nothing may call `t` before that: not at the
 * top of a module.
 *
 * Another language is one more file in texts/ and one line in `LANGUAGES`.
 */

import en from "./texts/en.js";

/** @typedef {Record<string, string>} Texts */

/** @type {Record<string, () => Promise<Texts>>} */
const LANGUAGES = {
  en: () => Promise.resolve(en),
  de: () => import("./texts/de.js").then((m) => m.default),
};

/** Languages that are written from right to left. */
const RIGHT_TO_LEFT = new Set(["ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"]);

/** Letters of theirs. */
const LEFTWARD = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]/;

/** @type {Texts} */
const texts = { ...en };
let plurals = new Intl.PluralRules("en");
let numbers = new Intl.NumberFormat("en");

/** The language of the page, such as "de". */
export let language = "en";

/** @type {"ltr" | "rtl"} */
export let direction = "ltr";

/**
 * Chooses the language, loads it, and translates what stands in the document.
 * `?lang=de` in the address goes before the browser's own wishes.
 *
 * @param {{search?: string, wanted?: readonly string[]}} [from]
 */
export async function start({ search = location.search, wanted = navigator.languages } = {}) {
  const asked = new URLSearchParams(search).get("lang");
  const chosen = choose(asked ? [asked, ...wanted] : wanted);
  try {
    useTexts(await LANGUAGES[chosen]());
    speak(chosen);
  } catch (error) {
    console.warn("dialroom: no texts in", chosen, error); // English is better than nothing
  }
  translate(document);
}

/** @param {string} chosen */
function speak(chosen) {
  language = chosen;
  direction = RIGHT_TO_LEFT.has(chosen) ? "rtl" : "ltr";
  plurals = new Intl.PluralRules(chosen);
  numbers = new Intl.NumberFormat(chosen);
  document.documentElement.lang = language;
  document.documentElement.dir = direction;
}

/**
 * The first wished language that there is, English when there is none.
 *
 * @param {readonly string[]} wanted tags such as "de-CH"
 * @returns {string}
 */
export function choose(wanted) {
  const known = wanted.map((tag) => tag.toLowerCase().split(/[-_]/)[0]);
  return known.find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? "en";
}

/**
 * Adds texts, over those there are: a page's own.
 *
 * @param {Texts} more
 */
export function useTexts(more) {
  Object.assign(texts, more);
}

/**
 * A text in the reader's language; the key itself when there is none.
 *
 * @param {string} key
 * @param {Record<string, string | number>} [values] for the places in braces; `n` chooses the plural
 * @returns {string}
 */
export function t(key, values = {}) {
  const { n } = values;
  const text = (typeof n === "number" ? texts[key + "." + plurals.select(n)] ?? texts[key + ".other"] : undefined) ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (place, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : value === undefined ? place : isolated(value);
  });
}

/**
 * Keeps the direction of a name or number from changing that of the sentence
 * around it, and the other way round (UAX #9, isolates). Where all runs one
 * way there is nothing to keep.
 *
 * @param {string} value
 */
function isolated(value) {
  return direction === "rtl" || LEFTWARD.test(value) ? "\u2068" + value + "\u2069" : value;
}

/**
 * Whether there is a text of that name.
 *
 * @param {string} key
 */
export function has(key) {
  return Object.hasOwn(texts, key);
}

/** Which attribute of an element names the text of which of its properties. */
const PLACES = /** @type {const} */ ([["data-t-label", "aria-label"], ["data-t-title", "title"], ["data-t-placeholder", "placeholder"]]);

/**
 * Fills every element below `root` that names a text: `data-t` its content,
 * `data-t-label`, `data-t-title` and `data-t-placeholder` the attribute.
 *
 * @param {ParentNode} root
 */
export function translate(root) {
  for (const e of root.querySelectorAll("[data-t]")) e.textContent = t(e.getAttribute("data-t") ?? "");
  for (const [from, to] of PLACES) {
    for (const e of root.querySelectorAll(`[${from}]`)) e.setAttribute(to, t(e.getAttribute(from) ?? ""));
  }
}
