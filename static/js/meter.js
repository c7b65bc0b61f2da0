/** Follows how loud the microphone is, and notices one that is dead. */

/** How often the level is read: fast enough to look alive. Milliseconds. */
const PERIOD = 150;
/** A microphone always has some noise; this many exact zeros in a row (8 s) mean that it is off. */
const DEAD = 53;
/** Shown levels: speech is around 0.05 to 0.3 of full scale, so the root looks right. */
const CURVE = 0.5;

export class Meter {
  #read;
  #on;
  #zeros = 0;
  #silent = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {() => Promise<number | null>} read the level, 0 to 1
   * @param {{level: (shown: number) => void, silent: (silent: boolean) => void}} on
   */
  constructor(read, on) {
    this.#read = read;
    this.#on = on;
  }

  /** @param {boolean} running whether there is an open microphone */
  set running(running) {
    clearInterval(this.#timer);
    this.#zeros = 0;
    if (running) this.#timer = setInterval(() => void this.#measure(), PERIOD);
    else {
      this.#on.level(0);
      this.#tell(false);
    }
  }

  async #measure() {
    if (document.hidden) return;
    const level = await this.#read();
    if (level === null) return;
    this.#on.level(level ** CURVE);
    this.#zeros = level === 0 ? this.#zeros + 1 : 0;
    this.#tell(this.#zeros >= DEAD);
  }

  /** @param {boolean} silent */
  #tell(silent) {
    if (silent === this.#silent) return;
    this.#silent = silent;
    this.#on.silent(silent);
  }

  close() {
    this.running = false;
  }
}
