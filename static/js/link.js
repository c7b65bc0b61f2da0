/**
 * The link that opens a room: `/room.html?room=…&dial=…`.
 *
 * Values follow `application/x-www-form-urlencoded`: `%2B` is a plus, `+` and
 * `%20` are a space. Links are typed into signatures and CRM templates by hand,
 * so two common slips are understood: a number whose plus was not escaped
 * (`dial=+49…`, which arrives with a leading space), and `&amp;` left over from HTML.
 *
 * The server decides what a number means; this module only undoes what the
 * URL did to it.
 */

/**
 * @typedef {object} Link
 * @property {string} room   everyone with the same value is in the same room; "" when missing
 * @property {string} name   display name; "" when the page has to ask
 * @property {string} number what to dial, as written; "" when nobody is to be called
 * @property {string} trunk  pinned trunk id; "" to let the server choose
 * @property {boolean} camera whether to start with the camera on
 * @property {string} token  signed-link token; ""  when the link is not signed
 */

/** Extensions have two to six digits; anything longer is a number of the world. */
export const MAX_EXTENSION = 6;

/** Longer names are cut: they would only be cut on the tile. */
export const MAX_NAME = 64;

/**
 * Reads a link's query string.
 *
 * @param {string} search as in `location.search`, with or without the question mark
 * @returns {Link}
 */
export function parseLink(search) {
  const query = new URLSearchParams(search);
  // Templates leave parameters empty and append their own: the first that says something counts.
  const get = (/** @type {string} */ key) => [...query.getAll(key), ...query.getAll("amp;" + key)].find((v) => v.trim()) ?? "";
  return {
    room: get("room").trim(),
    name: cleanName(get("name")),
    number: cleanNumber(get("dial")),
    trunk: get("trunk").trim(),
    camera: get("cam").trim().toLowerCase() !== "off" && get("nocam").trim() !== "1",
    token: get("link").trim(),
  };
}

/**
 * The address with a room of its own, for a signed link whose room ends in `*`:
 * every click on such a link opens another room. Null for all others.
 *
 * @param {string} href as in `location.href`
 * @param {() => string} slug makes random names
 * @returns {string | null}
 */
export function ownRoom(href, slug) {
  const url = new URL(href);
  const { room, token } = parseLink(url.search);
  if (!token || !room.endsWith("*")) return null;
  url.searchParams.delete("amp;room");
  url.searchParams.set("room", room.slice(0, -1) + slug());
  return url.href;
}

/**
 * Puts a number's lost plus back. `+49…` in a URL is decoded as a space and
 * digits; a short number after that space is an extension that was padded.
 *
 * @param {string} value after URL decoding
 * @returns {string}
 */
function cleanNumber(value) {
  const number = value.trim();
  const digits = number.replace(/\D/g, "").length;
  if (/^\s/.test(value) && /^[1-9]/.test(number) && digits > MAX_EXTENSION) {
    return "+" + number;
  }
  return number;
}

/**
 * Makes a name fit for a tile: no control characters, single spaces, bounded.
 *
 * @param {string} value
 * @returns {string}
 */
export function cleanName(value) {
  const clean = value.replace(/[\p{Cc}\p{Cf}]/gu, (c) => (c === "\u200d" ? c : " "));
  return [...clean.replace(/\s+/g, " ").trim()].slice(0, MAX_NAME).join("").trim();
}

/**
 * Whether two spellings are the same number: as the link has it (`0049 30…`,
 * `030…`) and as the server returns it (`+4930…`). Only used to put a call's
 * news on the card that already shows its number, never to decide about a dial.
 *
 * @param {string} a
 * @param {string} b
 * @returns {boolean}
 */
export function sameNumber(a, b) {
  const [x, y] = [a, b].map((n) => n.replace(/\D/g, "").replace(/^0+/, ""));
  if (x === y) return x !== "" || a === b;
  if (Math.min(x.length, y.length) <= MAX_EXTENSION) return false;
  return x.endsWith(y) || y.endsWith(x);
}
