/**
 * The tile of one telephone call: number or name, state in words, timer, and
 * the buttons that make sense in that state. The style sheet makes a card of
 * it where there is room, and a bar where there is not.
 *
 * For tests and for extensions it carries `data-testid="call-state"`,
 * `data-state` (the protocol's state; `idle` before anything was dialled,
 * `waiting` between a press and the server's first word) and `data-reason`.
 */

import { button, icon, make, rename } from "./dom.js";
import { t } from "./i18n.js";
import { Keypad } from "./keypad.js";
import { lineQuality } from "./quality.js";
import { QualityMark, TileActions } from "./tileactions.js";
import { callWords, clock, initials, lineWords } from "./words.js";

/** @typedef {import("../protocol").Call} Call */
/** @typedef {Omit<Call, "state"> & {state: Call["state"] | "idle" | "waiting"}} CardCall */

/**
 * @typedef {object} Callbacks
 * @property {() => void} hangup
 * @property {(digit: string) => void} digit
 * @property {() => void} dial   the person pressed "Call …" or "Call again"
 * @property {() => void} dismiss
 * @property {() => void} pin
 * @property {(open: boolean) => void} keypad it was opened or closed
 */

const LIVE = new Set(["dialing", "ringing", "early", "answered"]);

export class CallCard {
  /** @type {CardCall} */
  #call;
  /** Local time of the answer in ms; 0 when there was none. */
  #since = 0;
  #lasted = 0;
  #person = "";
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #tick;
  #on;
  #letters = make("span", { class: "call-letters", hidden: true });
  #drawing = icon("phone");
  #title = make("h2", { class: "call-number", tabindex: "-1" });
  #number = make("p", { class: "call-second", hidden: true });
  #words = make("p", { class: "call-text", role: "status", "aria-live": "polite", "data-testid": "call-text" });
  #clock = make("p", { class: "call-clock", role: "timer", "aria-live": "off", "data-testid": "call-clock", hidden: true });
  #line = make("p", { class: "call-line", role: "status", "aria-live": "polite", "data-testid": "call-line", hidden: true });
  #muted = make("span", { class: "muted-mark", role: "img", "aria-label": t("tile.muted"), title: t("tile.muted"), hidden: true }, icon("mic-off"));
  #mark = new QualityMark();
  #keypad;
  #keys;
  #hangup;
  #again;
  #dial;
  #dismiss;
  #section;
  #actions;
  element;

  /**
   * @param {CardCall} call
   * @param {Callbacks} on
   */
  constructor(call, on) {
    this.#call = call;
    this.#on = on;
    this.#keypad = new Keypad(on.digit);
    this.#keypad.element.addEventListener("close", () => this.#toggleKeypad(false));
    this.#keys = button(t("card.keypad"), "keypad", "round", () => this.#toggleKeypad(!this.#keypad.open));
    this.#keys.setAttribute("aria-expanded", "false");
    this.#hangup = button(t("card.hangup"), "hangup", "round danger", on.hangup);
    this.#again = button(t("card.again"), "phone", "pill accent", on.dial);
    this.#dial = button(t("card.call", { number: call.number }), "phone", "pill accent", on.dial);
    this.#dismiss = button(t("card.close"), "close", "pill", on.dismiss);
    this.#section = make("section", { class: "call", "data-testid": "call-state" },
      make("div", { class: "call-face", "aria-hidden": "true" }, this.#drawing, this.#letters),
      make("div", { class: "call-about" },
        make("div", { class: "call-title" }, this.#muted, this.#title, this.#mark.element), this.#number, this.#words, this.#clock, this.#line),
      this.#keypad.element,
      make("div", { class: "call-buttons" }, this.#keys, this.#hangup, this.#dial, this.#again, this.#dismiss));
    this.element = make("li", { class: "tile phone" }, this.#section);
    this.#actions = new TileActions(this.element, null, on);
    this.#show();
  }

  get call() {
    return this.#call;
  }

  /** Whether the call is under way. */
  get live() {
    return LIVE.has(this.#call.state);
  }

  /**
   * Takes what is new about the call.
   *
   * @param {CardCall} call
   * @param {boolean} [seen] whether the page saw it happen, so that its own clock is the better one
   */
  update(call, seen = true) {
    const before = this.#call;
    if (call.state === "answered" && this.#since === 0) {
      this.#since = seen || !call.answeredAt ? Date.now() : Math.min(call.answeredAt, Date.now());
    }
    if (this.#since > 0 && !LIVE.has(call.state)) {
      this.#lasted = Date.now() - this.#since;
      this.#since = 0;
    }
    if (LIVE.has(call.state) && !LIVE.has(before.state)) this.#lasted = 0;
    // A change may leave out what does not change.
    this.#call = call.direction || call.id !== before.id || !before.direction ? call : { ...call, direction: before.direction };
    this.#show();
  }

  /**
   * Takes what the room knows of the phone as a participant.
   *
   * @param {{name: string, audio: boolean}} person
   */
  person({ name, audio }) {
    this.#person = name;
    this.#muted.hidden = audio;
    this.#show();
  }

  /**
   * Marks that the phone speaks.
   *
   * @param {boolean} speaking
   */
  speaking(speaking) {
    this.element.classList.toggle("speaking", speaking);
  }

  /** @param {boolean} pinned whether it was made large */
  set pinned(pinned) {
    this.#actions.pinned = pinned;
  }

  /**
   * Says how the line is: in figures for who asks, in words when there is anything to complain of.
   *
   * @param {import("../protocol").Line} line
   */
  line(line) {
    set(this.#line, lineWords(line));
    this.#line.hidden = this.#line.textContent === "" || !this.live;
    const quality = this.live ? lineQuality(line) : null;
    this.#mark.show(quality);
    this.#actions.quality(quality);
  }

  #show() {
    const { number, state, reason, direction } = this.#call;
    const held = document.activeElement;
    const over = state === "ended" || state === "refused";
    // The name of a phone nobody knows is its number once more.
    const named = this.#person !== "" && this.#person.replace(/[\s()/-]/g, "") !== number;
    const title = named ? this.#person : number || t("card.unknown");
    const incoming = direction === "in";
    this.element.dataset.participant = this.#call.participant ?? "";
    this.#section.dataset.state = state;
    this.#section.dataset.reason = reason ?? "";
    this.#section.setAttribute("aria-label", t(incoming ? "card.from" : "card.to", { number: title }));
    this.#actions.name = title;
    set(this.#title, title);
    set(this.#number, named ? number : "");
    this.#number.hidden = !named || number === "";
    set(this.#letters, named ? initials(title) : "");
    this.#letters.hidden = !named;
    this.#drawing.classList.toggle("badge-icon", named);
    set(this.#words, callWords(this.#call) + (over && this.#lasted > 0 ? " " + t("card.lasted", { time: clock(this.#lasted) }) : ""));

    if (!this.live) {
      this.#line.hidden = true;
      this.#mark.show(null);
      this.#actions.quality(null);
      this.#muted.hidden = true;
    }
    this.#keys.hidden = state !== "answered" && state !== "early";
    if (this.#keys.hidden) this.#toggleKeypad(false);
    this.#hangup.hidden = !this.live;
    this.#dial.hidden = state !== "idle";
    rename(this.#dial, t("card.call", { number }), "phone");
    rename(this.#again, t(incoming ? "card.back" : "card.again"), "phone");
    this.#again.hidden = !over || number === "" || reason === "bad-number";
    this.#dismiss.hidden = !over;
    // The focus of a button that goes stays here, but on no other: pressed twice, "hang up" would call again.
    if (held && this.#section.contains(held) && held.closest("[hidden]")) this.#title.focus({ preventScroll: true });

    this.#clock.hidden = state !== "answered";
    clearInterval(this.#tick);
    if (state === "answered") {
      this.#tick = setInterval(() => this.#time(), 500);
      this.#time();
    }
  }

  #time() {
    set(this.#clock, clock(Date.now() - this.#since));
  }

  /** @param {boolean} open */
  #toggleKeypad(open) {
    if (open === this.#section.classList.contains("with-keypad")) return;
    const hadFocus = this.#keypad.element.contains(document.activeElement);
    this.#keypad.open = open;
    this.#keys.setAttribute("aria-expanded", String(open));
    this.#section.classList.toggle("with-keypad", open);
    this.#on.keypad(open);
    if (!open && hadFocus && !this.#keys.hidden) this.#keys.focus();
  }

  /** Takes the card away; the stage takes its element. */
  close() {
    clearInterval(this.#tick);
    this.#keypad.open = false;
  }
}

/**
 * Writes a text only when it is another one: a live region repeats what is written.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
