/**
 * States and endings of a call in plain words, and small formats. The server
 * sends a sentence with every ending, in English; it is said for reasons that
 * the page has no words for.
 */

import { has, t } from "./i18n.js";

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
 * @param {{state: string, reason?: string, text?: string}} call
 * @returns {string}
 */
export function callWords(call) {
  const over = call.state === "ended" || call.state === "refused";
  if (over && has("reason." + call.reason)) return t("reason." + call.reason);
  if (over && call.text) return call.text;
  return has("call." + call.state) ? t("call." + call.state) : call.state;
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
