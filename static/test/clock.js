/** A clock for tests: timers fire when the test says so, on every version of Node. */
export class Clock {
  #now = 0;
  #next = 1;
  #timers = new Map();
  #real = {};

  /** Takes the place of the real timers. */
  install() {
    for (const name of ["setTimeout", "setInterval", "clearTimeout", "clearInterval"]) this.#real[name] = globalThis[name];
    globalThis.setTimeout = (call, ms) => this.#add(call, ms, 0);
    globalThis.setInterval = (call, ms) => this.#add(call, ms, ms);
    globalThis.clearTimeout = globalThis.clearInterval = (id) => this.#timers.delete(id);
  }

  uninstall() {
    Object.assign(globalThis, this.#real);
  }

  #add(call, ms, period) {
    const id = this.#next++;
    this.#timers.set(id, { call, at: this.#now + ms, period });
    return id;
  }

  /** Lets `ms` milliseconds pass. */
  tick(ms) {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter(([, t]) => t.at <= until).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) break;
      const [id, timer] = due;
      this.#now = timer.at;
      if (timer.period) timer.at += timer.period;
      else this.#timers.delete(id);
      timer.call();
    }
    this.#now = until;
  }
}
