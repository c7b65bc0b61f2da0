/**
 * The telephone calls of the room: one tile each, when to dial, and ringback.
 *
 * The number of the link is dialled once per visit, and only when the browser
 * has been given a microphone or the person has pressed the button: a program
 * that merely opens links, as mail scanners do, rings nobody. It is also only
 * dialled once media flows, so that nobody answers into silence.
 */

import { CallCard } from "./callcard.js";
import { t } from "./i18n.js";
import { sameNumber } from "./link.js";
import { callWords } from "./words.js";

/** @typedef {import("../protocol").Call} Call */
/** @typedef {import("../protocol").ToServer} ToServer */

/**
 * @typedef {object} Options
 * @property {Pick<import("./stage.js").Stage, "put" | "drop" | "pin" | "focus" | "pinned">} stage
 * @property {string} number of the link, "" when it has none
 * @property {string} trunk  of the link
 * @property {boolean} microphone whether the browser has given one
 * @property {import("./visit.js").Visit} visit
 * @property {(message: ToServer) => boolean} send
 * @property {import("./sound.js").Sound} sound
 * @property {(text: string) => void} problem for a sentence beside the cards
 * @property {() => void} changed the cards are others, or show something else
 */

/** A dial without any word from the server for this long has been lost, in milliseconds. */
const LOST_DIAL = 10_000;
/** Keys of a phone that follow each other within this time are one number to read, in milliseconds. */
const ONE_GO = 8000;
/** So many of them are shown. */
const SHOWN_KEYS = 20;

export class Calls {
  #o;
  /** @type {CallCard[]} */
  #cards = [];
  /** Their names on the stage. @type {Map<CallCard, string>} */
  #keys = new Map();
  #made = 0;
  /** Phones as participants, by their calls. @type {Map<string, import("../protocol").Participant>} */
  #phones = new Map();
  #microphone;
  #ready = false;
  #pressed = false;
  /** Keys of a phone that go together. */
  #keyed = { call: "", digits: "" };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #goOver;
  #dialled = false; // by this page, not by an earlier load of it
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience;

  /** @param {Options} options */
  constructor(options) {
    this.#o = options;
    this.#microphone = options.microphone;
    const { number, visit, microphone } = options;
    if (number) this.#add({ id: "", number, state: microphone || visit.dialled(number) ? "waiting" : "idle" });
  }

  /** @param {boolean} granted whether the browser has given a microphone */
  set microphone(granted) {
    this.#microphone = granted;
    this.#dialLink();
  }

  /** @param {boolean} ready whether we are in the room and media flows */
  set ready(ready) {
    this.#ready = ready;
    this.#dialLink();
  }

  /** What the document's title says about the calls; "" when there is nothing to say. */
  get headline() {
    const card = this.#cards.find((c) => c.live);
    return card ? t("card.headline", { number: card.call.number, state: callWords(card.call) }) : "";
  }

  get count() {
    return this.#cards.length;
  }

  /** Places the link's call, if its time has come. */
  #dialLink() {
    const { number, visit } = this.#o;
    if (!number || !this.#ready || visit.dialled(number) || !(this.#microphone || this.#pressed)) return;
    visit.markDialled(number);
    this.#dial(this.#cards.find((c) => c.call.id === "" && c.call.number === number), number, false);
  }

  /**
   * @param {CallCard | undefined} card that shows it; a live call of another page may have taken it
   * @param {string} number
   * @param {boolean} again
   * @param {boolean} [add] whether a person has typed the number
   */
  #dial(card, number, again, add = false) {
    const trunk = sameNumber(number, this.#o.number) ? this.#o.trunk : "";
    const sent = this.#o.send({ type: "dial", number, ...(trunk ? { trunk } : {}), ...(again ? { again } : {}), ...(add ? { add } : {}) });
    if (!sent) {
      this.#o.problem(t("card.offline"));
      return;
    }
    this.#dialled = true;
    if (!card || card.live) return;
    card.update({ id: "", number, state: "waiting" });
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => {
      if (card.call.state === "waiting") card.update({ ...card.call, state: "ended", text: t("card.no-answer-from-server") });
      this.#o.changed();
    }, LOST_DIAL);
    this.#o.changed();
  }

  /**
   * Calls a number that somebody has typed. One that is being called already is not called twice.
   *
   * @param {string} number
   */
  add(number) {
    this.#o.sound.allow();
    const known = this.#cards.find((c) => sameNumber(c.call.number, number));
    if (known?.live || known?.call.state === "waiting") return;
    const linked = sameNumber(number, this.#o.number);
    // A card whose call is over shows the new one: the person has asked for it again.
    this.#dial(known ?? this.#add({ id: "", number, state: "waiting" }), number, known !== undefined, !linked);
  }

  /** @param {CallCard} card whose button was pressed */
  #press(card) {
    this.#o.sound.allow();
    const { number, state } = card.call;
    if (state !== "idle" || this.#o.visit.dialled(number)) {
      this.#dial(card, number, true, !sameNumber(number, this.#o.number));
      return;
    }
    this.#pressed = true;
    card.update({ ...card.call, state: "waiting" });
    this.#dialLink();
  }

  /**
   * Everything the server knows at a welcome. Live cards it does not know are over.
   *
   * @param {Call[]} calls
   */
  reset(calls) {
    for (const call of calls) this.update(call, false);
    for (const card of this.#cards) {
      const { id, number, state } = card.call;
      if (card.live && !calls.some((c) => c.id === id)) {
        card.update({ ...card.call, state: "ended", reason: "", text: t("call.ended") });
      } else if (!card.live && id === "" && state !== "ended" && this.#o.visit.dialled(number)) {
        const text = t(this.#dialled ? "card.lost" : "card.over");
        card.update({ ...card.call, state: "ended", text });
      }
    }
    this.#sounds();
    this.#o.changed();
  }

  /**
   * News about a call.
   *
   * @param {Call} call
   * @param {boolean} [seen] whether it happened just now
   */
  update(call, seen = true) {
    const known = this.#cards.find((c) => c.call.id !== "" && c.call.id === call.id);
    // The first word on our own dial may have a number that looks quite different from the link's.
    const first = seen && this.#dialled && (call.state === "dialing" || call.state === "refused");
    const waiting = this.#cards.find((c) => c.call.id === "" && sameNumber(c.call.number, call.number))
      ?? (first ? this.#cards.find((c) => c.call.state === "waiting") : undefined);
    const running = this.#cards.find((c) => c.live && sameNumber(c.call.number, call.number));
    if (call.state === "refused" && call.reason === "already-dialed" && running) {
      if (waiting) this.#remove(waiting); // somebody was faster: their call is here
      return;
    }
    const over = call.state === "ended" || call.state === "refused";
    if (!known && over && !seen && !waiting) return; // old news about calls nobody here asks about
    const card = known ?? waiting
      ?? this.#cards.find((c) => !c.live && c.call.id !== "" && sameNumber(c.call.number, call.number))
      ?? this.#add(call);
    // What is no number at all has no canonical form: it is shown as it was written.
    card.update(call.number === "" && over && card.call.number ? { ...call, number: card.call.number } : call, seen);
    const person = this.#phones.get(call.id);
    if (person) card.person(person);
    if (over) this.#phones.delete(call.id);
    this.#sounds();
    this.#o.changed();
  }

  /**
   * Marks the phones that speak.
   *
   * @param {Set<string>} ids of participants
   */
  speaking(ids) {
    for (const card of this.#cards) card.speaking(card.live && ids.has(card.call.participant ?? ""));
  }

  /**
   * Takes what is new about a phone as a participant: its name, and whether an owner has muted it.
   *
   * @param {import("../protocol").Participant} person
   */
  person(person) {
    if (person.kind !== "phone" || !person.call) return;
    this.#phones.set(person.call, person);
    this.#cards.find((c) => c.call.id === person.call)?.person(person);
  }

  /** Marks the pinned tile; called when the stage has been arranged. */
  arranged() {
    const { pinned } = this.#o.stage;
    for (const [card, key] of this.#keys) card.pinned = key === pinned;
  }

  /**
   * Takes how a phone's line is.
   *
   * @param {{call: string} & import("../protocol").Line} line
   */
  quality(line) {
    this.#cards.find((c) => c.call.id === line.call)?.line(line);
  }

  /**
   * Says which keys somebody presses on a phone; those pressed in one go together.
   *
   * @param {{call: string, digits: string}} message
   */
  keys({ call, digits }) {
    const card = this.#cards.find((c) => c.call.id === call);
    if (!card) return;
    const before = this.#keyed.call === call ? this.#keyed.digits : "";
    this.#keyed = { call, digits: (before + digits).slice(-SHOWN_KEYS) };
    clearTimeout(this.#goOver);
    this.#goOver = setTimeout(() => (this.#keyed = { call: "", digits: "" }), ONE_GO);
    this.#o.problem(t("call.pressed", { number: card.call.number, digits: this.#keyed.digits }));
  }

  /** Ringback while a phone rings and the network sends no sound of its own. */
  #sounds() {
    const states = this.#cards.map((c) => c.call.state);
    const audible = states.includes("early") || states.includes("answered");
    this.#o.sound.ringback(states.includes("ringing") && !audible);
  }

  /** @param {import("./callcard.js").CardCall} call */
  #add(call) {
    const key = "call " + this.#made++;
    /** @type {CallCard} */
    const card = new CallCard(call, {
      hangup: () => this.#o.send({ type: "hangup", call: card.call.id }),
      digit: (digit) => {
        this.#o.sound.key(digit);
        this.#o.send({ type: "dtmf", call: card.call.id, digits: digit });
      },
      dial: () => this.#press(card),
      dismiss: () => this.#remove(card),
      pin: () => this.#o.stage.pin(key),
      keypad: (open) => this.#o.stage.focus(open ? key : ""),
    });
    this.#cards.push(card);
    this.#keys.set(card, key);
    this.#o.stage.put(key, "phone", card.element);
    this.#o.changed();
    return card;
  }

  /** @param {CallCard} card */
  #remove(card) {
    this.#drop(card);
    this.#cards = this.#cards.filter((c) => c !== card);
    this.#sounds();
    this.#o.changed();
  }

  /** @param {CallCard} card */
  #drop(card) {
    card.close();
    this.#o.stage.drop(this.#keys.get(card) ?? "");
    this.#keys.delete(card);
  }

  /** Takes everything away. */
  close() {
    clearTimeout(this.#patience);
    clearTimeout(this.#goOver);
    for (const card of this.#cards) this.#drop(card);
    this.#cards = [];
    this.#o.sound.ringback(false);
  }
}
