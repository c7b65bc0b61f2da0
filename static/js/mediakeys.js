/**
 * The buttons that browser and system show for a call outside of its page: in
 * the small window with a picture, on a lock screen, on a headset. Not every
 * browser has them, and none has to (W3C Media Session §7, "MediaSessionAction").
 */

/** As far as they are newer than the compiler's library. @typedef {{setActionHandler?: (action: string, press: (() => void) | null) => void, setMicrophoneActive?: (on: boolean) => unknown, setCameraActive?: (on: boolean) => unknown}} Session */

export class MediaKeys {
  #session = /** @type {Session} */ (navigator.mediaSession ?? {});
  #actions;

  /** @param {{mute: () => void, camera: () => void, leave: () => void}} press */
  constructor({ mute, camera, leave }) {
    this.#actions = Object.entries({ togglemicrophone: mute, togglecamera: camera, hangup: leave });
    for (const [action, press] of this.#actions) this.#set(action, press);
  }

  /**
   * @param {string} action
   * @param {(() => void) | null} press
   */
  #set(action, press) {
    try {
      this.#session.setActionHandler?.(action, press);
    } catch {
      // This browser has no such button.
    }
  }

  /** @param {import("./sending.js").State} state what we have switched on */
  show({ audio, video }) {
    // Some answer with a promise, and refuse while nobody looks at the page.
    const told = [this.#session.setMicrophoneActive?.(audio), this.#session.setCameraActive?.(video)];
    void Promise.allSettled(told);
  }

  /** Takes the buttons away. */
  close() {
    for (const [action] of this.#actions) this.#set(action, null);
  }
}
