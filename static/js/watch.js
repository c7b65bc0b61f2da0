/**
 * Tells the truth about how things are: whether we are heard, whether the
 * others arrive, and how good each connection is.
 *
 * Every two seconds the browser's own figures are taken; what the server
 * measures comes as messages. Both end in a {@link Quality} on each tile and in
 * sentences above the stage. Whatever is wrong must last before it is said, so
 * that a hiccup is not a headline.
 */

import { t } from "./i18n.js";
import { way } from "./quality.js";

/** @typedef {import("../protocol").Participant} Participant */
/** @typedef {import("../protocol").Uplink} Uplink */
/** @typedef {import("./quality.js").Quality} Quality */
/** @typedef {import("./stats.js").Health} Health */

/**
 * @typedef {object} Options
 * @property {() => Promise<Health>} health
 * @property {(id: string, quality: Quality | null) => void} show on a tile
 * @property {() => Participant[]} people who is here
 * @property {() => {me: string, connected: boolean, audio: boolean, systemMuted: boolean}} now
 *   audio: our microphone is on; systemMuted: the device gives silence
 * @property {(key: string, text: string) => void} notice a sentence, "" to take it back
 */

/** How often figures are taken, in milliseconds. */
const PERIOD = 2000;
/** So many readings without a packet are no hiccup. */
const SILENT = 3;
/** Losses above the first are told of, and until they are below the second. */
const BAD = { from: 0.06, until: 0.02 };
/** And they must last for so many readings. */
const LASTING = 3;
/** How much of an average is the newest reading. */
const NEWEST = 0.35;

/** What is known of a voice that arrives. @typedef {{packets: number, lost: number, loss: number, jitter: number, silent: number}} Voice */

export class Watch {
  #o;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  /** By participant. @type {Map<string, Voice>} */
  #voices = new Map();
  /** @type {Map<string, Uplink>} */
  #uplinks = new Map();
  /** Told by the server. */
  #unheard = false;
  #sent = -1;
  #unsent = 0;
  #badUp = 0;
  #badDown = 0;
  #busy = false;

  /** @param {Options} options */
  constructor(options) {
    this.#o = options;
    this.#timer = setInterval(() => void this.#look(), PERIOD);
  }

  /** @param {{type: "uplink", id: string} & Uplink | {type: "unheard", unheard: boolean}} message */
  receive(message) {
    if (message.type === "uplink") {
      this.#uplinks.set(message.id, message);
      return;
    }
    this.#unheard = message.unheard;
    this.#sayUnheard();
  }

  /** @param {string} id of somebody who has left */
  forget(id) {
    this.#voices.delete(id);
    this.#uplinks.delete(id);
  }

  async #look() {
    if (document.hidden || this.#busy || !this.#o.now().connected) return;
    this.#busy = true;
    try {
      this.take(await this.#o.health());
    } finally {
      this.#busy = false;
    }
  }

  /**
   * Takes one reading of the browser's figures.
   *
   * @param {Health} health
   */
  take(health) {
    const { me, audio } = this.#o.now();
    const people = this.#o.people().filter((p) => p.kind === "browser");
    /** How much is lost on our own way down, as far as it can be told apart. @type {number[]} */
    const ours = [];
    for (const person of people) {
      if (person.id === me) continue;
      const voice = this.#voice(person, health);
      const there = this.#uplinks.get(person.id) ?? null;
      const quality = way(voice, there, health.rtt);
      if (voice && there) ours.push(Math.max(0, voice.loss - there.loss));
      const problem = voice && voice.silent >= SILENT ? t("watch.no-sound", { name: person.name || t("people.guest") }) : "";
      this.#o.show(person.id, quality && problem ? { ...quality, grade: "poor", problem } : quality);
    }
    const up = this.#uplinks.get(me) ?? null;
    this.#o.show(me, way(null, up && health.rtt > 0 ? { ...up, rtt: 0 } : up, health.rtt));

    this.#unsent = health.wanted && audio && this.#sent >= 0 && health.sent === this.#sent ? this.#unsent + 1 : 0;
    this.#sent = health.sent;
    this.#sayUnheard();

    const down = ours.length > 0 ? ours.reduce((a, b) => a + b, 0) / ours.length : 0;
    this.#badUp = lasting(this.#badUp, audio ? up?.loss ?? 0 : 0);
    this.#badDown = lasting(this.#badDown, down);
    this.#o.notice("line", this.#badDown >= LASTING ? t("watch.all-bad") : this.#badUp >= LASTING ? t("watch.own-bad") : "");
  }

  /**
   * Takes what is new of somebody's voice; null when no slot carries it.
   *
   * @param {Participant} person
   * @param {Health} health
   * @returns {Voice | null}
   */
  #voice(person, health) {
    const now = health.voices.get(person.id);
    const before = this.#voices.get(person.id);
    if (!now || !person.audio) {
      this.#voices.delete(person.id);
      return null;
    }
    const { packets, lost, jitter } = now;
    if (!before || packets < before.packets) {
      const first = { packets, lost, loss: 0, jitter, silent: 0 };
      this.#voices.set(person.id, first);
      return null;
    }
    const came = packets - before.packets;
    const gone = Math.max(0, lost - before.lost);
    const loss = came + gone > 0 ? gone / (came + gone) : before.loss;
    const voice = {
      packets, lost,
      loss: before.loss + NEWEST * (loss - before.loss),
      jitter: before.jitter + NEWEST * (jitter - before.jitter),
      silent: came === 0 ? before.silent + 1 : 0,
    };
    this.#voices.set(person.id, voice);
    return voice;
  }

  #sayUnheard() {
    const { audio, connected, systemMuted } = this.#o.now();
    const unheard = audio && connected && (this.#unheard || this.#unsent >= SILENT);
    this.#o.notice("unheard", audio && systemMuted ? t("watch.system-muted") : unheard ? t("watch.unheard") : "");
  }

  /** What was measured is void: another connection, or another room. */
  reset() {
    this.#voices.clear();
    this.#uplinks.clear();
    [this.#unheard, this.#sent, this.#unsent, this.#badUp, this.#badDown] = [false, -1, 0, 0, 0];
    this.#o.notice("unheard", "");
    this.#o.notice("line", "");
  }

  close() {
    clearInterval(this.#timer);
  }
}

/**
 * Counts readings of a loss that is bad, and forgets when it is good again.
 *
 * @param {number} count
 * @param {number} loss
 */
function lasting(count, loss) {
  if (loss >= BAD.from) return Math.min(count + 1, LASTING);
  return loss <= BAD.until ? 0 : count;
}
