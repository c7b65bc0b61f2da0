/**
 * The card of one telephone call: number, state in words, timer, and the
 * buttons that make sense in that state.
 *
 * For tests and for extensions the card carries `data-testid="call-state"`,
 * `data-state` (the protocol's state; `idle` before anything was dialled,
 * `waiting` between a press and the server's first word) and `data-reason`.
 */

import { button, icon, make } from "./dom.js";
import { Keypad } from "./keypad.js";
import { callWords, clock, lineWords } from "./words.js";

/** @typedef {import("../protocol").Call} Call */
/** @typedef {Omit<Call, "state"> & {state: Call["state"] | "idle" | "waiting"}} CardCall */

/**
 * @typedef {object} Callbacks
 * @property {() => void} hangup
 * @property {(digit: string) => void} digit
 * @property {() => void} dial   the person pressed "Call …" or "Call again"
 * @property {() => void} dismiss
 */

const LIVE = new Set(["dialing", "ringing", "early", "answered"]);

export class CallCard {
  /** @type {CardCall} */
  #call;
  /** Local time of the answer in ms; 0 when there was none. */
  #since = 0;
  #lasted = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #tick;
  #name = make("h2", { class: "call-number" });
  #words = make("p", { class: "call-text", role: "status", "aria-live": "polite", "data-testid": "call-text" });
  #clock = make("p", { class: "call-clock", role: "timer", "aria-live": "off", "data-testid": "call-clock", hidden: true });
  #line = make("p", { class: "call-line", role: "status", "aria-live": "polite", "data-testid": "call-line", hidden: true });
  #keypad;
  #keys;
  #hangup;
  #again;
  #dial;
  #dismiss;
  element;

  /**
   * @param {CardCall} call
   * @param {Callbacks} on
   */
  constructor(call, on) {
    this.#call = call;
    this.#keypad = new Keypad(on.digit);
    this.#keypad.element.addEventListener("close", () => this.#toggleKeypad(false));
    this.#keys = button("Keypad", "keypad", "round", () => this.#toggleKeypad(!this.#keypad.open));
    this.#keys.setAttribute("aria-expanded", "false");
    this.#hangup = button("Hang up", "hangup", "round danger", on.hangup);
    this.#again = button("Call again", "phone", "pill accent", on.dial);
    this.#dial = button("Call " + call.number, "phone", "pill accent", on.dial);
    this.#dismiss = button("Close", "close", "pill", on.dismiss);
    this.element = make("section", { class: "call", "data-testid": "call-state", "aria-label": "Phone call to " + call.number },
      make("div", { class: "call-face" }, icon("phone")),
      make("div", { class: "call-about" }, this.#name, this.#words, this.#clock, this.#line),
      this.#keypad.element,
      make("div", { class: "call-buttons" }, this.#keys, this.#hangup, this.#dial, this.#again, this.#dismiss));
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
    this.#call = call;
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

  /**
   * Says how the line is, as far as there is anything to complain of.
   *
   * @param {import("../protocol").Line} line
   */
  line(line) {
    set(this.#line, lineWords(line));
    this.#line.hidden = this.#line.textContent === "" || !this.live;
  }

  #show() {
    const { number, state, reason } = this.#call;
    const over = state === "ended" || state === "refused";
    this.element.dataset.state = state;
    this.element.dataset.reason = reason ?? "";
    this.element.setAttribute("aria-label", "Phone call to " + number);
    set(this.#name, number);
    set(this.#words, callWords(this.#call) + (over && this.#lasted > 0 ? ` The call lasted ${clock(this.#lasted)}.` : ""));

    if (!this.live) this.#line.hidden = true;
    this.#keys.hidden = state !== "answered" && state !== "early";
    if (this.#keys.hidden) this.#toggleKeypad(false);
    this.#hangup.hidden = !this.live;
    this.#dial.hidden = state !== "idle";
    this.#again.hidden = !over;
    this.#dismiss.hidden = !over;

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
    const hadFocus = this.#keypad.element.contains(document.activeElement);
    this.#keypad.open = open;
    this.#keys.setAttribute("aria-expanded", String(open));
    this.element.classList.toggle("with-keypad", open);
    if (!open && hadFocus && !this.#keys.hidden) this.#keys.focus();
  }

  /** Takes the card away. */
  close() {
    clearInterval(this.#tick);
    this.#keypad.open = false;
    this.element.remove();
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
