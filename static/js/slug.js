/** Random names for rooms. */

/** Without letters that look alike; five bits each. */
const LETTERS = "abcdefghjkmnpqrstuvwxyz23456789x";
/** Twelve letters are sixty bits: not guessed. */
const LENGTH = 12;

/** @returns {string} such as "k3v9-q2xd-7mfa" */
export function slug() {
  const random = crypto.getRandomValues(new Uint8Array(LENGTH));
  return Array.from(random, (n) => LETTERS[n & 31]).join("").replace(/(.{4})(?=.)/g, "$1-");
}
