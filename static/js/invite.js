/**
 * How others come into this room: its address to copy or to hand to another
 * program, and as a QR code that the server draws.
 */

import { button, make } from "./dom.js";
import { t } from "./i18n.js";

/** How long "Copied" stays. Milliseconds. */
const COPIED = 3000;

export class Invite {
  #link;
  #copy = button(t("invite.copy"), "copy", "pill accent", () => void this.#copied());
  #said = make("p", { class: "side-hint", role: "status", "aria-live": "polite" });
  #field;
  #qr = make("img", { class: "qr", width: "208", height: "208", alt: t("invite.qr"), hidden: true });
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  element;

  /** @param {string} link */
  constructor(link) {
    this.#link = link;
    this.#field = make("input", { id: "invite-link", type: "text", readonly: true, value: link, dir: "ltr", spellcheck: "false", focus: () => this.#field.select() });
    this.#qr.addEventListener("load", () => (this.#qr.hidden = false));
    this.#qr.addEventListener("error", () => (this.#qr.hidden = true));
    const share = button(t("invite.share"), "share", "pill", () => void this.#share());
    share.hidden = typeof navigator.share !== "function";
    this.element = make("div", { class: "side-body side-scroll" },
      make("p", { class: "side-hint" }, t("invite.about")),
      make("label", { class: "side-label", for: "invite-link" }, t("invite.link")), this.#field,
      make("div", { class: "side-buttons" }, this.#copy, share), this.#said,
      this.#qr, make("p", { class: "side-hint" }, t("invite.qr-about")));
  }

  get copy() {
    return this.#copy;
  }

  /** @param {boolean} shown the code is asked for when somebody looks at it */
  set shown(shown) {
    const from = "qr.svg?text=" + encodeURIComponent(this.#link);
    if (shown && this.#qr.getAttribute("src") !== from) this.#qr.src = from;
  }

  /** @param {string} link another one than before */
  set link(link) {
    if (link === this.#link) return;
    this.#link = this.#field.value = link;
  }

  async #copied() {
    const copied = await copy(this.#link, this.#field);
    this.#said.textContent = t(copied ? "invite.copied" : "invite.by-hand");
    clearTimeout(this.#timer);
    if (copied) this.#timer = setTimeout(() => (this.#said.textContent = ""), COPIED);
  }

  async #share() {
    try {
      await navigator.share({ title: document.title, url: this.#link });
    } catch {
      // The person thought better of it.
    }
  }
}

/**
 * @param {string} text
 * @param {HTMLInputElement} field that shows the same text, for browsers and pages without a clipboard
 * @returns {Promise<boolean>}
 */
async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    field.focus();
    field.select();
    return document.execCommand("copy");
  }
}

/**
 * The address for others. It has the room and nothing else: not our name, no
 * number that would be dialled once more by each of them. A signed link is
 * passed on, for it opens the room where only signed links do; that of an owner
 * never is.
 *
 * @param {string} href of this page
 * @param {{room: string, token: string}} link
 * @param {boolean} owner whether our own link makes us an owner
 * @returns {string}
 */
export function inviteLink(href, { room, token }, owner) {
  const url = new URL(href);
  const search = "?room=" + encodeURIComponent(room) + (token && !owner ? "&link=" + encodeURIComponent(token) : "");
  return url.origin + url.pathname + search;
}
