/**
 * What people write to each other: the log, the field below it, and how much of
 * it has not been seen. Whatever somebody writes becomes text nodes; addresses
 * in it become links whose text is the address itself.
 */

import { button, icon, make } from "./dom.js";
import { language, t } from "./i18n.js";
import { hue, initials } from "./words.js";

/** @typedef {import("../protocol").ChatLine} ChatLine */

/**
 * @typedef {object} Callbacks
 * @property {(text: string) => boolean} send false when there is no connection
 * @property {(id: string) => boolean} mine whether somebody is ourselves, or was before we left and came back
 * @property {(unread: number) => void} unread
 * @property {(line: ChatLine) => void} news a line that nobody sees, because the chat is closed
 */

/** The longest message in characters, as the server takes it. */
const LONGEST = 2000;
/** So many lines are kept; a chat that goes on for days stays small. */
const KEPT = 400;
/** Lines of one person within this time stand together. Milliseconds. */
const TOGETHER = 120_000;
/** Colours of initials; base.css has as many. */
const HUES = 8;
/** Whoever is so near the end of the log reads along. CSS pixels. */
const NEAR_END = 80;

export class Chat {
  #on;
  #started = false;
  #shown = false;
  #unread = 0;
  /** @type {ChatLine | null} */
  #last = null;
  /** @type {string[]} */
  #known = [];
  #log = make("div", { class: "chat-log", role: "log", "aria-live": "polite", "aria-label": t("chat.log"), tabindex: "0" });
  #empty = make("p", { class: "side-hint" }, t("chat.empty"));
  #problem = make("p", { class: "side-problem", role: "alert", hidden: true });
  #field = make("textarea", {
    id: "chat-text", rows: "1", maxlength: String(LONGEST), placeholder: t("chat.placeholder"), "aria-label": t("chat.message"),
    enterkeyhint: "send", autocomplete: "off", keydown: (/** @type {KeyboardEvent} */ e) => this.#key(e),
  });
  #times = new Intl.DateTimeFormat(language, { hour: "numeric", minute: "2-digit" });
  element;

  /** @param {Callbacks} on */
  constructor(on) {
    this.#on = on;
    const form = make("form", { class: "chat-form", submit: (/** @type {Event} */ e) => this.#submit(e) }, this.#field, button(t("chat.send"), "send", "bare send", () => {}));
    form.querySelector("button")?.setAttribute("type", "submit");
    this.element = make("div", { class: "side-body chat" }, this.#empty, this.#log, this.#problem, form);
  }

  /** The field to write in. */
  get field() {
    return this.#field;
  }

  /** @param {boolean} shown whether the log can be seen */
  set shown(shown) {
    this.#shown = shown;
    if (!shown) return;
    this.look();
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** Somebody looks at the page again. */
  look() {
    if (this.#read) this.#count(0);
  }

  /** Whether a line that comes now is seen. */
  get #read() {
    return this.#shown && !document.hidden;
  }

  get unread() {
    return this.#unread;
  }

  /**
   * Takes what was written before. After a break only what came meanwhile is new.
   *
   * @param {ChatLine[]} lines
   */
  reset(lines) {
    const missed = lines.filter((line) => this.#show(line) && !this.#on.mine(line.id));
    if (this.#started && !this.#read) this.#count(this.#unread + missed.length);
    this.#started = true;
  }

  /** @param {ChatLine} line just written */
  add(line) {
    if (!this.#show(line) || this.#read || this.#on.mine(line.id)) return;
    this.#count(this.#unread + 1);
    if (!this.#shown) this.#on.news(line);
  }

  /**
   * @param {ChatLine} line
   * @returns {boolean} false when it is there already
   */
  #show(line) {
    const key = `${line.at} ${line.id} ${line.text}`;
    if (this.#known.includes(key)) return false;
    this.#known.push(key);
    const log = this.#log;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
    const goesOn = this.#last?.id === line.id && line.at - this.#last.at < TOGETHER;
    this.#last = line;
    const time = new Date(line.at);
    const entry = make("div", { class: "chat-line" + (goesOn ? " goes-on" : "") });
    const name = line.name || t("people.guest");
    // The name is said for each line, and seen once for those that stand together.
    entry.append(
      make("span", { class: `chat-face hue-${hue(line.name, HUES)}`, "aria-hidden": "true" }, initials(line.name)),
      make("div", { class: "chat-head" }, make("b", { dir: "auto" }, this.#on.mine(line.id) ? t("people.you", { name }) : name),
        make("time", { datetime: time.toISOString() }, this.#times.format(time))),
      make("p", { class: "chat-text", dir: "auto" }, ...nodes(line.text)));
    log.append(entry);
    if (this.#known.length > KEPT) {
      this.#known.shift();
      log.firstElementChild?.remove();
    }
    this.#empty.hidden = true;
    if (atEnd || this.#on.mine(line.id)) log.scrollTop = log.scrollHeight;
    return true;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // While an input method composes, Enter chooses a word.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit(event);
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.#field.value.trim();
    if (!text) return;
    const sent = this.#on.send(text);
    this.#problem.textContent = sent ? "" : t("chat.not-sent");
    this.#problem.hidden = sent;
    if (sent) this.#field.value = "";
    this.#field.focus();
  }

  /** @param {number} unread */
  #count(unread) {
    if (unread === this.#unread) return;
    this.#unread = unread;
    this.#on.unread(unread);
  }
}

/**
 * A line that came while the chat is closed, for some seconds and for a press.
 *
 * @param {ChatLine} line
 * @param {() => void} open
 * @returns {HTMLButtonElement}
 */
export function preview(line, open) {
  return make("button", { type: "button", class: "toast", click: open }, icon("chat"),
    make("span", { dir: "auto" }, make("b", {}, line.name || t("people.guest")), ": " + line.text));
}

/**
 * @param {string} text
 * @returns {(Node | string)[]}
 */
function nodes(text) {
  return split(text).map(({ text: part, href }) => (href ? make("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, part) : part));
}

/**
 * Cuts a text where web addresses begin and end.
 *
 * @param {string} text
 * @returns {{text: string, href?: string}[]} `href` only ever begins with http: or https:
 */
export function split(text) {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(/\bhttps?:\/\/[^\s<>"]+/giu)) {
    const address = withoutTail(found[0]);
    const href = address && URL.canParse(address) ? new URL(address).href : "";
    if (!href) continue;
    if (found.index > from) parts.push({ text: text.slice(from, found.index) });
    parts.push({ text: address, href });
    from = found.index + address.length;
  }
  if (from < text.length) parts.push({ text: text.slice(from) });
  return parts;
}

/**
 * An address without the punctuation of the sentence around it. A closing
 * bracket stays when it was opened within.
 *
 * @param {string} address
 * @returns {string}
 */
function withoutTail(address) {
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1];
    const inner = address.slice(0, end);
    const closes = last === ")" && inner.split("(").length < inner.split(")").length;
    if (!closes && !".,;:!?'’”»…]}*_".includes(last)) break;
  }
  return address.slice(0, end);
}
