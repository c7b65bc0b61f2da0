/**
 * States and endings of a call in plain words, and small formats. The server
 * sends a sentence with every ending, in English; it is said for reasons that
 * the page has no words for.
 */

import { has, t } from "./i18n.js";
import { MAX_EXTENSION } from "./link.js";

/** @typedef {import("../protocol").Call} Call */

/**
 * What is wrong with a phone's line, in words; empty when nothing is worth a word.
 *
 * @param {import("../protocol").Line} line
 * @returns {string}
 */
export function lineWords({ mos, mute, deaf }) {
  if (mute && deaf) return t("line.nothing");
  if (mute) return t("line.mute");
  if (deaf) return t("line.deaf");
  // ITU-T G.107 annex B: below 3.6 many are dissatisfied, below 2.6 nearly all.
  if (mos < 2.6) return t("line.very-bad");
  return mos < 3.6 ? t("line.bad") : "";
}

/**
 * One sentence on where a call stands.
 *
 * @param {{state: string, reason?: string, text?: string, direction?: "in"}} call
 * @returns {string}
 */
export function callWords(call) {
  const over = call.state === "ended" || call.state === "refused";
  if (over && has("reason." + call.reason)) return t("reason." + call.reason);
  if (over && call.text) return call.text;
  if (call.direction === "in" && has("call-in." + call.state)) return t("call-in." + call.state);
  return has("call." + call.state) ? t("call." + call.state) : call.state;
}

/**
 * What a person is told of a "no" of the server: in the page's own words, or
 * in the server's sentence where the page has none.
 *
 * @param {{code: string, text: string}} error
 * @returns {string}
 */
export function errorWords({ code, text }) {
  const key = ["error." + code, "reason." + code].find(has);
  return key ? t(key) : text;
}

/** Country codes of one and of two digits; all others have three (ITU-T E.164 annex). */
const ONE = /^[17]/;
const TWO = /^(2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58])/;

/**
 * A number as strangers may see it: the country and a few digits at both ends.
 * Extensions are short and say little, so they are shown whole.
 *
 * @param {string} number as a link has it
 * @returns {string} such as "+49 151 •••• 183"
 */
export function masked(number) {
  const digits = number.replace(/\D/g, "");
  if (digits.length <= MAX_EXTENSION) return number;
  const world = /^(\+|00)/.test(number);
  const rest = world ? digits.replace(/^00/, "") : digits;
  const country = !world ? 0 : ONE.test(rest) ? 1 : TWO.test(rest) ? 2 : 3;
  const national = rest.slice(country);
  const [head, tail] = national.length >= 9 ? [3, 3] : [2, 2];
  return [world ? "+" + rest.slice(0, country) : "", national.slice(0, head), "••••", national.slice(-tail)].filter(Boolean).join(" ");
}

/**
 * A duration as a clock shows it: `0:07`, `12:34`, `1:02:03`.
 *
 * @param {number} ms
 * @returns {string}
 */
export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/**
 * One or two letters that stand for a name.
 *
 * @param {string} name
 * @returns {string}
 */
export function initials(name) {
  const words = name.match(/[\p{L}\p{N}]+/gu) ?? [];
  const [first, last] = [words.at(0), words.length > 1 ? words.at(-1) : ""];
  return [first, last].map((w) => [...(w ?? "")].slice(0, 1).join("").toUpperCase()).join("") || "?";
}

/** How many colours base.css has for people without a picture. */
export const HUES = 8;

/**
 * A colour out of `count` that stays with a name.
 *
 * @param {string} name
 * @param {number} count
 * @returns {number}
 */
export function hue(name, count) {
  let sum = 7;
  for (const c of name) sum = (sum * 31 + (c.codePointAt(0) ?? 0)) % 9973;
  return sum % count;
}
