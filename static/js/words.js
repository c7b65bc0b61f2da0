/**
 * What the page says: states and endings of a call in plain words, and small
 * formats. The server sends a sentence with every ending; these are for when
 * it does not, and for the states before.
 */

/** @typedef {import("../protocol").Call} Call */

/** @type {Record<string, string>} */
const STATES = {
  idle: "Not called yet",
  waiting: "One moment…",
  dialing: "Calling…",
  ringing: "Ringing…",
  early: "The phone network is playing an announcement.",
  answered: "Connected",
  ended: "The call has ended.",
  refused: "The call was not placed.",
};

/** @type {Record<string, string>} */
const REASONS = {
  "hangup-room": "The call was hung up from the room.",
  "hangup-phone": "The person on the phone hung up.",
  "busy": "The line is busy.",
  "no-answer": "Nobody answered the phone.",
  "declined": "The call was declined.",
  "unreachable": "The phone cannot be reached at the moment.",
  "not-found": "There is no such number.",
  "trunk-failed": "The phone line of this site did not work.",
  "no-trunk": "This site has no phone line that can call this number now.",
  "media-lost": "The sound from the phone stopped, so the call was ended.",
  "max-duration": "The call reached the longest time this site allows.",
  "room-empty": "Everybody had left the room.",
  "bridge-lost": "The connection to the phone network was lost.",
  "shutdown": "The site is being restarted.",
  "transferred": "The phone was passed on to another number.",
  "not-allowed": "This number is not one this site may call.",
  "blocked": "This number is blocked on this site.",
  "blocked-type": "This kind of number is not called from this site.",
  "cap-day": "This site has placed all the calls it may place today.",
  "cap-minute": "There were too many calls in a short time; please wait a minute.",
  "cap-concurrent": "All phone lines of this site are in use; please try again later.",
  "bad-number": "This is not a phone number.",
  "bad-trunk": "This link names a phone line that does not exist here.",
  "link-expired": "This link has expired.",
  "link-used": "This link has been used up.",
  "link-invalid": "This link is not valid.",
  "already-dialed": "This number was already called from this room.",
  "guard-unavailable": "Calls cannot be checked at the moment, so none are placed.",
};

/**
 * What is wrong with a phone's line, in words; empty when nothing is worth a word.
 *
 * @param {import("../protocol").Line} line
 * @returns {string}
 */
export function lineWords({ mos, mute, deaf }) {
  if (mute && deaf) return "No sound gets through to the phone, or back.";
  if (mute) return "No sound comes from the phone.";
  if (deaf) return "The phone does not hear this room.";
  // ITU-T G.107 annex B: below 3.6 many are dissatisfied, below 2.6 nearly all.
  if (mos < 2.6) return "The phone line is very bad.";
  return mos < 3.6 ? "The phone line is bad." : "";
}

/**
 * One sentence on where a call stands.
 *
 * @param {{state: string, reason?: string, text?: string}} call
 * @returns {string}
 */
export function callWords(call) {
  if (call.state === "ended" || call.state === "refused") {
    return call.text || REASONS[call.reason ?? ""] || STATES[call.state];
  }
  return STATES[call.state] ?? call.state;
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
