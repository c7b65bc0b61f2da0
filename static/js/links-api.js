/**
 * The operators' API of this server, asked with the key that was typed. The key
 * is kept nowhere.
 */

import { byId } from "./dom.js";
import { t } from "./i18n.js";

/** What the server said instead of yes; `status` 0 is no answer at all. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} text
   */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** The key as it stands in the form. */
export function key() {
  return /** @type {HTMLInputElement} */ (byId("key")).value.trim();
}

/**
 * Asks, and returns what the answer says; null when it says nothing.
 *
 * @param {string} method
 * @param {string} path below /api/v1/
 * @param {object} [body]
 * @returns {Promise<any>} else throws {@link Refused}
 */
export async function ask(method, path, body) {
  const headers = new Headers();
  try {
    headers.set("Authorization", "Bearer " + key());
  } catch {
    throw new Refused(401, ""); // letters that no key has
  }
  if (body) headers.set("Content-Type", "application/json");
  let response;
  try {
    response = await fetch("api/v1/" + path, { method, headers, body: body && JSON.stringify(body), credentials: "omit", cache: "no-store" });
  } catch {
    throw new Refused(0, "");
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, String(answer.error_description ?? ""));
  return answer;
}

/** @type {Record<number, string>} */
const KNOWN = {
  0: "links.sign.unreachable", 401: "links.key.bad", 404: "links.sign.gone", 409: "links.sign.no-secret", 429: "links.sign.often", 503: "links.sign.ledger",
};
/** What the form calls the fields of a request. @type {Record<string, string>} */
const FIELDS = { room: "links.room", number: "links.number", trunk: "links.trunk", name: "links.name", uses: "links.uses", expires_at: "links.expires", role: "links.owner" };

/**
 * What went wrong, in words. The server's own are English and for those who
 * write programs; they stand behind ours where these say less.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function words(error) {
  if (!(error instanceof Refused)) throw error;
  const { status, message } = error;
  if (KNOWN[status]) return t(KNOWN[status]);
  const [, field, why] = /^(\w+): (.*)$/.exec(message) ?? [];
  if (field in FIELDS) return t("links.sign.field", { field: t(FIELDS[field]), why });
  return t(status >= 500 ? "links.sign.failed" : "links.sign.refused", { why: message || String(status) });
}
