/**
 * Making links: the other direction of link.js. What a person typed becomes an
 * address that no mail program, spreadsheet or form breaks on its way.
 *
 * Numbers are read as the server reads them, but stricter: a link is clicked
 * anywhere in the world and long after it was made, so a number has to say its
 * country. The server still decides what may be dialled.
 */

/**
 * What a link is to do.
 *
 * @typedef {object} Wish
 * @property {string} room
 * @property {string} name    "" lets the page ask
 * @property {string} number  canonical; "" calls nobody
 * @property {string} trunk   "" lets the server choose
 * @property {boolean} camera whether to start with it
 * @property {string} lang    of the page; "" is the visitor's own
 */

/**
 * What became of a number.
 *
 * @typedef {object} Reading
 * @property {string} number canonical: `+` and 7 to 15 digits, or an extension; "" when it is neither
 * @property {"" | "empty" | "character" | "length" | "country"} problem
 * @property {boolean} extension
 */

/** Lengths in digits, as in shared/number: extensions, and E.164 §6.2.1. */
const EXTENSION = { min: 2, max: 6 };
const E164 = { min: 7, max: 15 };
/** Random names have more; a word of this length is guessed. */
const GUESSED = 10;

/** Decimal digits that people type or paste: full-width, Arabic, Persian. */
const ZEROS = ["\uff10", "\u0660", "\u06f0"];

/**
 * Reads a number as typed or pasted: `0049 (0)30 123456`, `tel:+49-30-123456`,
 * `%2B4930123456`, `610`.
 *
 * @param {string} text
 * @returns {Reading}
 */
export function readNumber(text) {
  const none = (/** @type {Reading["problem"]} */ problem) => ({ number: "", problem, extension: false });
  let rest = [...text].map(asciiDigit).join("").replace(/[\u200e\u200f\u202a-\u202c\u2060\ufeff]/g, "").trim();
  rest = rest.replace(/^tel:/i, "").replace(/^%2b/i, "+").replace(/^\uff0b/, "+").trim();
  if (!rest) return none("empty");
  // The national zero that is not dialled from abroad: +49 (0)30 …
  const international = /^(\+|00)/.test(rest);
  if (international) rest = rest.replace(/\(0\)/, "");
  if (!/^\+?[\d\s./()[\]\u2010-\u2015\u2212-]*$/.test(rest)) return none("character");
  let digits = rest.replace(/\D/g, "");
  if (!digits) return none("character");
  if (!international) {
    if (digits.length < EXTENSION.min) return none("length");
    return digits.length > EXTENSION.max ? none("country") : { number: digits, problem: "", extension: true };
  }
  if (!rest.startsWith("+")) digits = digits.slice(2);
  if (digits.startsWith("0")) return none("country");
  if (digits.length < E164.min || digits.length > E164.max) return none("length");
  return { number: "+" + digits, problem: "", extension: false };
}

/** @param {string} c */
function asciiDigit(c) {
  const at = ZEROS.map((zero) => c.charCodeAt(0) - zero.charCodeAt(0)).find((n) => n >= 0 && n <= 9);
  return at === undefined ? c : String(at);
}

/**
 * A value as it stands in the address. Spaces are `%20`, which survives where
 * a `+` does not, and so do brackets and quotes, at which mail programs end a link.
 *
 * @param {string} value
 * @returns {string}
 */
export function encode(value) {
  const whole = value.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
  return encodeURIComponent(whole).replace(/[!'()*~]/g, (c) => "%" + c.charCodeAt(0).toString(16).toUpperCase());
}

/**
 * The parameters of a link, in the order in which people read them.
 *
 * @param {Wish} wish
 * @returns {[key: string, value: string][]}
 */
export function parameters(wish) {
  /** @type {[string, string][]} */
  const all = [
    ["room", wish.room],
    ["dial", wish.number],
    ["trunk", wish.number && wish.trunk],
    ["name", wish.name],
    ["cam", wish.camera ? "" : "off"],
    ["lang", wish.lang],
  ];
  return all.filter(([, value]) => value);
}

/**
 * The address of a room.
 *
 * @param {string} base where the server is, with its path, as in the address bar
 * @param {Wish} wish
 * @returns {string}
 */
export function makeLink(base, wish) {
  const query = parameters(wish).map(([key, value]) => key + "=" + encode(value));
  return new URL("room.html", base).href + "?" + query.join("&");
}

/**
 * A signed link with what a signature does not pin.
 *
 * @param {string} signed as the server minted it
 * @param {Wish} wish
 * @returns {string}
 */
export function withExtras(signed, wish) {
  return signed + (wish.camera ? "" : "&cam=off") + (wish.lang ? "&lang=" + encode(wish.lang) : "");
}

/**
 * Whether a stranger might guess a room's name, by its length and mixture.
 *
 * @param {string} room
 * @returns {boolean}
 */
export function isGuessable(room) {
  const letters = room.replace(/[^\p{L}\p{N}]/gu, "");
  return letters.length < GUESSED || !/\p{N}/u.test(letters) || !/\p{L}/u.test(letters);
}

/**
 * The address of the server without path, or null when it is none.
 *
 * @param {string} text
 * @returns {string | null}
 */
export function readServer(text) {
  try {
    const url = new URL(text.trim());
    return /^https?:$/.test(url.protocol) && !url.username && !url.search && !url.hash ? new URL("./", url).href : null;
  } catch {
    return null;
  }
}
