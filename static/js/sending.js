/**
 * What we send: microphone, camera and screen, as the person switches them.
 *
 * A muted microphone stays open, so that the page can say "you are muted" to
 * somebody who speaks; a camera that is off is let go, and its light with it.
 */

import { capture, captureScreen, replacement } from "./devices.js";
import { t } from "./i18n.js";

/** What we have switched on, as the others are told. @typedef {{audio: boolean, video: boolean, screen: boolean}} State */

/**
 * @typedef {object} Callbacks
 * @property {(kind: import("../protocol").TrackKind, track: MediaStreamTrack | null) => Promise<void>} track what a line carries from now on
 * @property {(state: State) => void} changed
 * @property {(text: string) => void} problem what a person should know about the devices, "" when all is well
 */

export class Sending {
  #on;
  #muted = false;
  #talking = false; // the key for a word while muted is held
  #closed = false;
  #seen = false; // the camera was on at some time
  /** @type {MediaStreamTrack | null} */
  #microphone = null;
  /** @type {MediaStreamTrack | null} */
  #camera = null;
  /** @type {MediaStream | null} */
  #screen = null;

  /** @param {Callbacks} on */
  constructor(on) {
    this.#on = on;
  }

  get microphone() {
    return this.#microphone;
  }

  get camera() {
    return this.#camera;
  }

  /** @returns {State} */
  get state() {
    return {
      audio: this.#microphone !== null && (!this.#muted || this.#talking),
      video: this.#camera !== null,
      screen: this.#screen !== null,
    };
  }

  /** What is shared: a "monitor", a "window", a "browser" tab; "" where nothing is, or the browser does not say. */
  get surface() {
    return this.#screen?.getVideoTracks()[0]?.getSettings().displaySurface ?? "";
  }

  /** Whether there is a microphone and the person has muted it. */
  get muted() {
    return this.#microphone !== null && this.#muted;
  }

  /** What the person has switched; a camera that never was on may only have been missing. */
  get switches() {
    return { muted: this.muted, ...(this.#seen ? { camera: this.#camera !== null } : {}) };
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.#muted = muted;
    this.#talking = false;
    this.#say();
  }

  /**
   * Lifts the mute for as long as a key is held.
   *
   * @param {boolean} talking
   * @returns {boolean} whether there was anything to change
   */
  talk(talking) {
    if (talking === this.#talking || (talking && !this.muted)) return false;
    this.#talking = talking;
    this.#say();
    return true;
  }

  /** Mutes and unmutes; asks for a microphone when there is none yet. */
  async toggleMute() {
    if (this.#microphone) return this.mute(!this.#muted);
    const { microphone, problem } = await capture({ microphone: true, camera: false });
    this.#on.problem(problem);
    if (this.#closed) return microphone?.stop();
    this.#muted = false;
    await this.useMicrophone(microphone);
  }

  async toggleCamera() {
    if (this.#camera) return this.useCamera(null);
    const { camera, problem } = await capture({ microphone: false, camera: true });
    this.#on.problem(problem);
    if (this.#closed) return camera?.stop();
    return this.useCamera(camera);
  }

  async toggleScreen() {
    if (this.#screen) return this.useScreen(null);
    const screen = await captureScreen();
    if (!screen) return;
    if (this.#closed) return screen.getTracks().forEach((track) => track.stop());
    await this.useScreen(screen);
  }

  /** @param {MediaStreamTrack | null} track takes the place of the one before, which is let go */
  async useMicrophone(track) {
    if (this.#closed) return track?.stop();
    if (this.#microphone !== track) this.#microphone?.stop();
    this.#microphone = track;
    track?.addEventListener("ended", () => this.#microphone === track && void this.#replace());
    this.#say();
    await this.#on.track("mic", track);
  }

  /** The microphone was pulled out: another one takes its place, as muted as it was. */
  async #replace() {
    await this.useMicrophone(null);
    const { track, problem } = await replacement();
    if (this.#closed || this.#microphone) return track?.stop();
    this.#on.problem(problem);
    if (track) await this.useMicrophone(track);
  }

  /** @param {MediaStreamTrack | null} track */
  async useCamera(track) {
    if (this.#closed) return track?.stop();
    if (this.#camera !== track) this.#camera?.stop();
    this.#camera = track;
    this.#seen ||= track !== null;
    track?.addEventListener("ended", () => {
      if (this.#camera !== track) return;
      this.#on.problem(t("devices.camera-lost"));
      void this.useCamera(null);
    });
    this.#say();
    await this.#on.track("camera", track);
  }

  /** @param {MediaStream | null} screen */
  async useScreen(screen) {
    for (const track of this.#screen?.getTracks() ?? []) track.stop();
    this.#screen = screen;
    const [video, audio] = [screen?.getVideoTracks()[0] ?? null, screen?.getAudioTracks()[0] ?? null];
    // "Stop sharing" of the browser itself.
    video?.addEventListener("ended", () => this.#screen === screen && void this.useScreen(null));
    this.#say();
    await this.#on.track("screen", video);
    await this.#on.track("screen-audio", audio);
  }

  #say() {
    const { state } = this;
    if (this.#microphone) this.#microphone.enabled = state.audio;
    if (!this.#closed) this.#on.changed(state);
  }

  /** Lets everything go. */
  close() {
    this.#closed = true;
    for (const track of [this.#microphone, this.#camera, ...(this.#screen?.getTracks() ?? [])]) track?.stop();
  }
}
