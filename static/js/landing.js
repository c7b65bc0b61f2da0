/** The landing page's one button: a new room whose random name is the access token. */

import { byId } from "./dom.js";

/** Without letters that look alike; five bits each. */
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789x";
/** Twelve letters are sixty bits: not guessed. */
const LENGTH = 12;

byId("new-room").addEventListener("click", () => {
  const random = crypto.getRandomValues(new Uint8Array(LENGTH));
  const slug = Array.from(random, (n) => LETTERS[n & 31]).join("").replace(/(.{4})(?=.)/g, "$1-");
  location.assign(new URL("room.html?room=" + slug, document.baseURI));
});
