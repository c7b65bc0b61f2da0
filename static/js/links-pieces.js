/**
 * The pieces below the link on /links.html: each with what it is for, how it
 * looks, its text, and a button that copies it.
 */

import { byId, make } from "./dom.js";
import { t } from "./i18n.js";
import { crmTemplate, emailButton, frame, templates, toElement, toText, webButton } from "./snippets.js";
import { copyButton } from "./site.js";

/** @typedef {import("./makelink.js").Wish} Wish */
/** @typedef {import("./snippets.js").Piece} Piece */

/** Where there are no words yet. */
const NO_LABEL = "Call";

/** One piece on the page. */
class Card {
  #code = make("code");
  #preview = make("div", { class: "preview" });
  #text = "";
  /** @type {HTMLElement} */
  element;

  /**
   * @param {string} id texts are links.piece.<id>
   * @param {object} [more]
   * @param {boolean} [more.preview]
   * @param {Node[]} [more.fields] above the text
   * @param {(card: Card) => HTMLElement[]} [more.buttons] beside that which copies the text
   */
  constructor(id, { preview = false, fields = [], buttons = () => [] } = {}) {
    const title = make("h3", { id: "piece-" + id }, t("links.piece." + id));
    const code = make("pre", { tabindex: "0", role: "region", "aria-labelledby": "piece-" + id, dir: "ltr" }, this.#code);
    const copy = copyButton(t(preview ? "links.copy.html" : "site.copy"), () => this.#text);
    copy.setAttribute("aria-describedby", "piece-" + id);
    this.#preview.hidden = !preview;
    this.element = make("article", { class: "card piece", "aria-labelledby": "piece-" + id, "data-piece": id },
      title, make("p", { class: "about" }, t(`links.piece.${id}.about`)), ...fields, this.#preview,
      make("p", { class: "field-row" }, ...buttons(this), copy), code);
  }

  /** What is copied. */
  get text() {
    return this.#text;
  }

  get preview() {
    return this.#preview;
  }

  /**
   * @param {string} text
   * @param {Piece} [looks]
   */
  show(text, looks) {
    if (text === this.#text) return;
    this.#text = text;
    this.#code.textContent = text;
    if (looks) this.#preview.replaceChildren(toElement(looks));
  }
}

export class Pieces {
  #cards;
  #system = /** @type {HTMLSelectElement} */ (make("select", { id: "crm" }, ...templates.map((id) => make("option", { value: id }, t("links.crm." + id)))));

  /** @param {HTMLElement} place whose input events reach the form, which then updates us */
  constructor(place) {
    const system = make("div", { class: "field" }, make("label", { for: "crm" }, t("links.crm")), this.#system);
    this.#cards = {
      email: new Card("email", { preview: true, buttons: (card) => [copyButton(t("links.copy.button"), () => card.text, () => copyRich(card))] }),
      web: new Card("web", { preview: true }),
      popup: new Card("popup"),
      frame: new Card("frame"),
      crm: new Card("crm", { fields: [system] }),
      link: new Card("link"),
    };
    place.append(...Object.values(this.#cards).map((card) => card.element));
  }

  /**
   * @param {string} link
   * @param {string} server
   * @param {Wish} wish
   * @param {boolean} signed
   */
  update(link, server, wish, signed) {
    const look = { label: value("label") || NO_LABEL, colour: value("colour") };
    const { email, web, popup, frame: inside, crm, link: plain } = this.#cards;
    const button = emailButton(link, look);
    email.show(toText(button), button);
    const onPage = webButton(link, look);
    web.show(toText(onPage), onPage);
    popup.show(toText(webButton(link, look, { popup: true })));
    inside.show(toText(frame(link, look.label)));
    crm.element.hidden = signed; // a signature is for one number
    crm.show(crmTemplate(server, wish, this.#system.value));
    plain.show(link);
  }
}

/** @param {string} id */
function value(id) {
  return /** @type {HTMLInputElement} */ (byId(id)).value.trim();
}

/**
 * Copies a button as mail programs paste it: formatted, with its text for those
 * that only take text. The event puts our markup on the clipboard as it is;
 * `navigator.clipboard` would read it as a part of this page first, where inline
 * styles are forbidden.
 *
 * @param {Card} card
 */
function copyRich(card) {
  const anchor = card.preview.querySelector("a");
  const fill = (/** @type {ClipboardEvent} */ event) => {
    event.clipboardData?.setData("text/html", card.text);
    event.clipboardData?.setData("text/plain", `${anchor?.textContent}: ${anchor?.href}`);
    event.preventDefault();
  };
  // A browser that has no such event copies what is marked.
  const selection = getSelection();
  selection?.selectAllChildren(card.preview);
  document.addEventListener("copy", fill);
  const copied = document.execCommand("copy");
  document.removeEventListener("copy", fill);
  selection?.removeAllRanges();
  if (!copied) throw new Error("copying is not allowed");
}
