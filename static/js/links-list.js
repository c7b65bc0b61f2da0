/**
 * The links that were signed on this server, the newest first: what they are
 * for, how they stand, and a button that revokes each.
 */

import { byId, make } from "./dom.js";
import { language, t } from "./i18n.js";
import { ask, key, words } from "./links-api.js";
import { copyButton } from "./site.js";

/**
 * A link as the API lists it.
 *
 * @typedef {object} Listed
 * @property {string} id
 * @property {"valid" | "expired" | "used" | "revoked"} state
 * @property {string} url
 * @property {string} room
 * @property {string} number
 * @property {string} name
 * @property {string | null} minted_at
 * @property {string | null} expires_at
 * @property {number | null} uses
 * @property {number} used
 * @property {string} [role]
 */

/** As many as somebody looks through. */
const PAGE = 20;

export class List {
  #changed;

  /** @param {(id: string) => void} changed told when a link was revoked */
  constructor(changed) {
    this.#changed = changed;
    byId("list").addEventListener("toggle", () => void this.show());
  }

  /** Fetches the list, when it is open. */
  async show() {
    if (!(/** @type {HTMLDetailsElement} */ (byId("list")).open)) return;
    const place = byId("list-items");
    if (!key()) {
      this.#say(t("links.key.missing"));
      return;
    }
    try {
      const { data, total } = await ask("GET", "links?limit=" + PAGE);
      place.replaceChildren(...data.map((/** @type {Listed} */ link) => this.#item(link)));
      this.#say(!total ? t("links.list.none") : total > data.length ? t("links.list.more", { n: total - data.length }) : "");
    } catch (error) {
      place.replaceChildren();
      this.#say(words(error));
    }
  }

  /** @param {Listed} link */
  #item(link) {
    const facts = [t("links.state." + link.state)];
    if (link.role === "owner") facts.push(t("links.list.owner"));
    if (link.number) facts.push(link.uses ? t("links.list.used.of", { used: link.used, uses: link.uses }) : t("links.list.used", { n: link.used }));
    if (link.expires_at && link.state === "valid") facts.push(t("links.list.until", { until: this.#day(link.expires_at) }));
    const title = make("b", { id: link.id }, link.number || t("links.list.meeting"), make("span", {}, " · " + (link.name ? link.name + " · " : "") + link.room));
    const buttons = make("span", { class: "field-row" });
    if (link.state === "valid") {
      const revoke = make("button", { type: "button", class: "pill small", "aria-describedby": link.id, click: () => void this.#revoke(link.id) }, t("links.revoke"));
      const copy = copyButton(t("site.copy"), () => link.url);
      copy.setAttribute("aria-describedby", link.id);
      buttons.append(...(link.url ? [copy] : []), revoke);
    }
    return make("li", { "data-state": link.state }, make("span", { class: "listed" }, title, make("span", { class: "hint" }, facts.join(" · "))), buttons);
  }

  /** @param {string} time */
  #day(time) {
    return new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(time));
  }

  /** @param {string} id */
  async #revoke(id) {
    try {
      await ask("DELETE", "links/" + encodeURIComponent(id));
      await this.show();
      byId("list-said").focus(); // the button that was pressed is gone
      this.#say(t("links.revoked"));
      this.#changed(id);
    } catch (error) {
      this.#say(words(error));
    }
  }

  /** @param {string} text */
  #say(text) {
    byId("list-said").textContent = text;
  }
}
