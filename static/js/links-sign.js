/**
 * Signing links: asks the operators' API of this server with the key that was
 * typed. The key is kept nowhere; a signed link is shown as long as the form
 * says what was signed.
 */

import { byId, make } from "./dom.js";
import { t } from "./i18n.js";

/**
 * A link that the server has signed.
 *
 * @typedef {object} Signed
 * @property {string} id
 * @property {string} url
 * @property {string} pins what of the form it was signed for
 * @property {Date | null} expires
 * @property {number} uses  0 is any number
 * @property {boolean} own  every click has a room of its own
 * @property {boolean} owner
 */

/** @typedef {import("./makelink.js").Wish} Wish */

/** Milliseconds after the last letter of a key or number until the server is asked about it. */
const PAUSE = 600;
const DAY = 24 * 60 * 60 * 1000;

/** What the server said instead of yes; `status` 0 is no answer at all. */
class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} text
   */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

export class Signing {
  #read;
  #changed;
  /** @type {Signed | null} */
  #signed = null;
  #asking = 0;
  /** What the server was last asked about. */
  #asked = "";

  /**
   * @param {object} form
   * @param {() => {wish: Wish, problem: string}} form.read
   * @param {() => void} form.changed told when a link was signed or revoked
   */
  constructor({ read, changed }) {
    this.#read = read;
    this.#changed = changed;
    byId("sign").addEventListener("click", () => void this.#sign());
    byId("revoke").addEventListener("click", () => void this.#revoke());
    for (const id of ["key", "number", "trunk"]) byId(id).addEventListener("input", () => this.#askSoon());
  }

  /** @param {boolean} usable whether there is anything that could be signed */
  usable(usable) {
    /** @type {HTMLButtonElement} */ (byId("sign")).disabled = !usable;
  }

  /**
   * The signed link for what the form says; null when that was not signed.
   *
   * @param {Wish} wish
   */
  linkFor(wish) {
    const signed = this.#signed;
    const valid = signed?.pins === this.#pins(wish);
    byId("revoke").hidden = !valid;
    if (signed && !valid) this.#say(t("links.sign.stale"));
    else if (signed) this.#say(t("links.sign.done"));
    return signed && valid ? signed : null;
  }

  /** @param {Wish} wish */
  #pins({ room, number, trunk, name }) {
    const { own, owner } = this.#options();
    return JSON.stringify([room, number, number && trunk, name, this.#value("expires"), this.#value("uses"), own, owner]);
  }

  #options() {
    const checked = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (byId(id)).checked;
    return { own: checked("own"), owner: checked("owner") };
  }

  /** @param {string} id */
  #value(id) {
    return /** @type {HTMLInputElement} */ (byId(id)).value.trim();
  }

  async #sign() {
    const { wish, problem } = this.#read();
    if (problem) return;
    if (!this.#value("key")) {
      this.#say(t("links.key.missing"), true);
      byId("key").focus();
      return;
    }
    const uses = Number(this.#value("uses")) || 0;
    if (uses && !wish.number) {
      this.#say(t("links.uses.number"), true);
      return;
    }
    const days = Number(this.#value("expires"));
    const { own, owner } = this.#options();
    const pins = this.#pins(wish);
    /** @type {Record<string, string | number>} */
    const body = { room: own ? wish.room + "-*" : wish.room };
    if (wish.number) body.number = wish.number;
    if (wish.number && wish.trunk) body.trunk = wish.trunk;
    if (wish.name) body.name = wish.name;
    if (days) body.expires_at = new Date(Date.now() + days * DAY).toISOString().replace(/\.\d+/, "");
    if (uses) body.uses = uses;
    if (owner) body.role = "owner";
    this.#say(t("links.sign.busy"));
    try {
      const minted = await this.#ask("POST", "links", body);
      this.#signed = { id: minted.id, url: minted.url, pins, expires: minted.expires_at ? new Date(minted.expires_at) : null, uses, own, owner };
      this.#changed();
    } catch (error) {
      this.#say(words(error), true);
    }
  }

  async #revoke() {
    if (!this.#signed) return;
    try {
      await this.#ask("DELETE", "links/" + encodeURIComponent(this.#signed.id));
      this.#signed = null;
      this.#changed();
      this.#say(t("links.revoked"));
    } catch (error) {
      this.#say(words(error), true);
    }
  }

  /** With a key the server says which trunks there are and whether it would call the number. */
  #askSoon() {
    clearTimeout(this.#asking);
    this.#asking = setTimeout(() => void this.#learn(), PAUSE);
  }

  async #learn() {
    const { wish } = this.#read();
    const question = JSON.stringify([this.#value("key"), wish.number, wish.trunk]);
    if (!this.#value("key") || question === this.#asked) return;
    this.#asked = question;
    const place = byId("key-hint");
    try {
      const trunks = await this.#ask("GET", "trunks").catch((error) => {
        if (error instanceof Refused && error.status === 401) throw error;
        return { data: [] }; // the bridge may be away; links can be signed all the same
      });
      const options = trunks.data.map((/** @type {{id: string, name: string}} */ trunk) => make("option", { value: trunk.id }, trunk.name));
      byId("trunks").replaceChildren(...options);
      if (!wish.number) {
        place.textContent = t("links.key.ok");
        place.classList.remove("bad");
        return;
      }
      const body = { number: wish.number, room: wish.room, ...(wish.trunk ? { trunk: wish.trunk } : {}) };
      const { verdict, text } = await this.#ask("POST", "explain", body);
      const allowed = verdict === "allowed";
      place.textContent = allowed ? t("links.key.allowed") : t("links.key.refused", { why: text });
      place.classList.remove("bad");
    } catch (error) {
      place.textContent = words(error);
      place.classList.add("bad");
    }
  }

  /**
   * @param {string} method
   * @param {string} path below /api/v1/
   * @param {object} [body]
   * @returns {Promise<any>}
   */
  async #ask(method, path, body) {
    const headers = new Headers();
    try {
      headers.set("Authorization", "Bearer " + this.#value("key"));
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

  /**
   * @param {string} text
   * @param {boolean} [bad]
   */
  #say(text, bad = false) {
    const place = byId("sign-said");
    if (place.textContent !== text) place.textContent = text;
    place.classList.toggle("bad", bad);
  }
}

/**
 * What went wrong, in words.
 *
 * @param {unknown} error
 */
function words(error) {
  if (!(error instanceof Refused)) throw error;
  const known = { 0: "links.sign.unreachable", 401: "links.key.bad", 409: "links.sign.no-secret", 429: "links.sign.often", 503: "links.sign.ledger" };
  const key = Object.entries(known).find(([status]) => Number(status) === error.status)?.[1];
  return key ? t(key) : t("links.sign.refused", { why: error.message || String(error.status) });
}
