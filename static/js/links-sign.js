/**
 * Signing links: asks the operators' API of this server. A signed link is shown
 * as long as the form says what was signed.
 */

import { byId, make } from "./dom.js";
import { t } from "./i18n.js";
import { ask, key, Refused, words } from "./links-api.js";
import { List } from "./links-list.js";
import { errorWords } from "./words.js";

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

export class Signing {
  #read;
  #changed;
  /** @type {Signed | null} */
  #signed = null;
  #asking = 0;
  /** What the server was last asked about. */
  #asked = "";
  #list = new List((id) => {
    if (this.#signed?.id === id) this.#forget();
  });

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
    if (!key()) {
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
      const minted = await ask("POST", "links", body);
      this.#signed = { id: minted.id, url: minted.url, pins, expires: minted.expires_at ? new Date(minted.expires_at) : null, uses, own, owner };
      this.#changed();
      void this.#list.show();
    } catch (error) {
      this.#say(words(error), true);
    }
  }

  async #revoke() {
    if (!this.#signed) return;
    try {
      await ask("DELETE", "links/" + encodeURIComponent(this.#signed.id));
      this.#forget();
      void this.#list.show();
    } catch (error) {
      this.#say(words(error), true);
    }
  }

  #forget() {
    this.#signed = null;
    this.#changed();
    this.#say(t("links.revoked"));
  }

  /** With a key the server says which trunks there are and whether it would call the number. */
  #askSoon() {
    clearTimeout(this.#asking);
    this.#asking = setTimeout(() => void this.#learn(), PAUSE);
  }

  async #learn() {
    const { wish } = this.#read();
    const question = JSON.stringify([key(), wish.number, wish.trunk]);
    if (!key() || question === this.#asked) return;
    this.#asked = question;
    void this.#list.show();
    const place = byId("key-hint");
    try {
      const trunks = await ask("GET", "trunks").catch((error) => {
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
      const { verdict, reason, text } = await ask("POST", "explain", body);
      const allowed = verdict === "allowed";
      const never = !allowed && reason !== "not-allowed"; // all other rules hold for signed links too
      const why = errorWords({ code: reason, text });
      place.textContent = allowed ? t("links.key.allowed") : t(never ? "links.key.never" : "links.key.refused", { why });
      place.classList.toggle("bad", never);
    } catch (error) {
      place.textContent = words(error);
      place.classList.add("bad");
    }
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
