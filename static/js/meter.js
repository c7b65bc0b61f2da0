/**
 * Follows how loud the microphone is, muted or not: it shows the level, notices
 * a microphone that is dead, and somebody who speaks although muted.
 *
 * What is metered is a clone of the microphone's track: muting switches off
 * the track that is sent, and the clone goes on. It is heard by nobody. Where
 * the browser wants a touch of the page before it lets us listen, the sender's
 * own figure is taken until then, which is there while not muted.
 */

import { Level } from "./level.js";

/** A microphone always has some noise; exact silence for this long means that it is off. Milliseconds. */
const DEAD = 8000;
/** Shown levels: speech is around 0.05 to 0.3 of full scale, so the root looks right. */
const CURVE = 0.5;
/** Speech is this much louder than the quietest of late, and at least this loud. */
const OVER_NOISE = 4;
const QUIETEST_SPEECH = 0.015;
/** How fast the noise floor follows upwards, per reading: some seconds to forget a quiet moment. */
const FORGET = 1.01;
/** Speech of this length is meant to be heard; a cough is not. Milliseconds. */
const A_WORD = 500;
/** Readings that are later than this do not come; milliseconds. How often the other source is asked instead. */
const LATE = 600;
const ASK = 150;
/** Nobody is told again and again: what was said stays this long after the last word. Milliseconds. */
const PAUSE = 4000;

/**
 * @typedef {object} Callbacks
 * @property {(shown: number) => void} level 0 to 1; 0 while muted
 * @property {(silent: boolean) => void} silent nothing at all comes from the device
 * @property {(talking: boolean) => void} talking somebody speaks while muted
 */

export class Meter {
  #on;
  #instead;
  #measure;
  /** @type {MediaStreamTrack | null} the microphone as it is sent */
  #track = null;
  /** @type {MediaStreamTrack | null} */
  #ear = null;
  /** @type {{close(): void} | null} */
  #level = null;
  #muted = false;
  #floor = 1;
  #zeroSince = 0;
  #speechSince = 0;
  #lastSpeech = 0;
  #silent = false;
  #talking = false;
  #readAt = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #asking;

  /**
   * @param {Callbacks} on
   * @param {() => Promise<number | null>} [instead] the level of what is sent, 0 to 1, where the track itself cannot be read
   * @param {(track: MediaStreamTrack, told: (level: number) => void) => {close(): void}} [measure]
   */
  constructor(on, instead = () => Promise.resolve(null), measure = (track, told) => new Level(track, told)) {
    this.#on = on;
    this.#instead = instead;
    this.#measure = measure;
  }

  /**
   * @param {MediaStreamTrack | null} track as it is sent
   * @param {boolean} muted
   */
  follow(track, muted) {
    if (track !== this.#track) {
      this.#stop();
      this.#track = track;
      if (track) {
        this.#ear = track.clone();
        this.#ear.enabled = true;
        this.#level = this.#measure(this.#ear, (level) => {
          this.#readAt = performance.now();
          this.#read(level, this.#readAt);
        });
        this.#asking = setInterval(() => void this.#ask(), ASK);
      }
    }
    if (muted !== this.#muted || !track) {
      this.#muted = muted;
      this.#speechSince = 0;
      this.#on.level(0);
      this.#talk(false);
    }
  }

  async #ask() {
    if (document.hidden || this.#muted || performance.now() - this.#readAt < LATE) return;
    const level = await this.#instead();
    if (level !== null && this.#track && !this.#muted) this.#read(level, performance.now());
  }

  /**
   * @param {number} level root mean square, 0 to 1
   * @param {number} now milliseconds
   */
  #read(level, now) {
    if (!this.#muted) this.#on.level(Math.min(1, level ** CURVE));
    if (level > 0) this.#zeroSince = 0;
    else this.#zeroSince ||= now;
    this.#tell(this.#zeroSince > 0 && now - this.#zeroSince >= DEAD);

    const speech = level > Math.max(QUIETEST_SPEECH, OVER_NOISE * this.#floor);
    if (level > 0) this.#floor = Math.min(level, this.#floor * FORGET);
    if (speech) {
      // Words have gaps; a new one begins after a real pause.
      if (now - this.#lastSpeech > A_WORD) this.#speechSince = now;
      this.#lastSpeech = now;
      if (this.#muted && this.#speechSince > 0 && now - this.#speechSince >= A_WORD) this.#talk(true);
    } else if (now - this.#lastSpeech > PAUSE) {
      this.#talk(false);
    }
  }

  /** @param {boolean} silent */
  #tell(silent) {
    if (silent === this.#silent) return;
    this.#silent = silent;
    this.#on.silent(silent);
  }

  /** @param {boolean} talking */
  #talk(talking) {
    if (talking === this.#talking) return;
    this.#talking = talking;
    this.#on.talking(talking);
  }

  #stop() {
    clearInterval(this.#asking);
    this.#level?.close();
    this.#ear?.stop();
    this.#level = this.#ear = this.#track = null;
    [this.#floor, this.#zeroSince, this.#speechSince, this.#lastSpeech] = [1, 0, 0, 0];
    this.#tell(false);
  }

  close() {
    this.follow(null, false);
  }
}
