/** Keeps a phone from dimming its screen in a call. */
export class Awake {
  /** @type {WakeLockSentinel | undefined} */
  #lock;
  #closed = false;

  /** The browser lets go whenever the page is hidden, so this is called when it is seen again. */
  async hold() {
    try {
      this.#lock = await navigator.wakeLock?.request("screen");
      if (this.#closed) await this.#lock?.release();
    } catch {
      // Low battery, or not allowed: the call goes on in the dark.
    }
  }

  close() {
    this.#closed = true;
    void this.#lock?.release();
  }
}
