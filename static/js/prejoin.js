/**
 * The page before the room, for links without a name: who we are, how we look
 * and sound, which devices are used, and what a press on "Join" will do.
 *
 * The microphone and camera that are open here are handed to the room, so the
 * browser asks once. Whoever presses before it has answered waits for it there.
 */

import { DeviceChoice } from "./devicemenu.js";
import { capture, whenAllowed } from "./devices.js";
import { byId, rename } from "./dom.js";
import { t } from "./i18n.js";
import { cleanName, MAX_EXTENSION } from "./link.js";
import { recall, store } from "./visit.js";
import { HUES, hue, initials, masked } from "./words.js";

/** @typedef {import("./devices.js").Captured} Captured */
/** What is taken into the room; `camera` when the person turned it off. @typedef {{name: string, captured: Promise<Captured>, muted: boolean, camera?: false}} Joining */

export class PreJoin {
  #form = /** @type {HTMLFormElement} */ (byId("name-form"));
  #name = /** @type {HTMLInputElement} */ (byId("name"));
  #video = /** @type {HTMLVideoElement} */ (byId("own-picture"));
  #mute = /** @type {HTMLButtonElement} */ (byId("own-mute"));
  #show = /** @type {HTMLButtonElement} */ (byId("own-show"));
  #again = /** @type {HTMLButtonElement} */ (byId("own-again"));
  #muted = false;
  #unseen = false; // by the person's own wish
  #done = false;
  /** @type {MediaStreamTrack | null} */
  #microphone = null;
  /** @type {MediaStreamTrack | null} */
  #camera = null;
  #problem = "";
  /** @type {Promise<void>} */
  #captured;
  #choice;

  /** @param {import("./link.js").Link} link */
  constructor(link) {
    byId("join-title").textContent = t("join.title", { room: link.room });
    byId("join-plan").textContent = plan(link.number);
    byId("name-missing").textContent = "";
    this.#mute.onclick = () => this.#toggleMute();
    this.#show.onclick = () => void this.#toggleCamera();
    this.#again.onclick = () => void this.#take({ microphone: true, camera: link.camera && this.#camera === null });
    this.#name.oninput = () => this.#look();
    this.#name.value = recall("name");
    this.#choice = new DeviceChoice(this.#owner());
    byId("join-devices").append(this.#choice.element);
    void whenAllowed(() => this.#done || this.#microphone || this.#again.click());
    this.#captured = this.#take({ microphone: true, camera: link.camera });
    this.#look();
  }

  /** @returns {Promise<Joining>} when the person has pressed "Join" */
  ask() {
    (this.#name.value ? byId("join") : this.#name).focus({ preventScroll: true });
    return new Promise((resolve) => {
      this.#form.onsubmit = (event) => {
        event.preventDefault();
        const name = cleanName(this.#name.value);
        this.#name.setAttribute("aria-invalid", String(!name));
        byId("name-missing").textContent = name ? "" : t("join.name-missing");
        if (!name) return this.#name.focus();
        store("name", name);
        resolve({ name, captured: this.#handOver(), muted: this.#muted, ...(this.#unseen ? { camera: false } : {}) });
      };
    });
  }

  /** @returns {import("./devicemenu.js").Owner} */
  #owner() {
    const own = () => this.#microphone;
    const seen = () => this.#camera;
    return {
      get microphone() {
        return own();
      },
      get camera() {
        return seen();
      },
      useMicrophone: async (track) => this.#use(track, this.#camera),
      useCamera: async (track) => this.#use(this.#microphone, track),
      useSpeaker: () => {}, // the room asks for the one that is remembered
      problem: (text) => this.#tell(text),
    };
  }

  /** @param {{microphone: boolean, camera: boolean}} wanted */
  async #take(wanted) {
    const pressed = [this.#mute, this.#show, this.#again].find((button) => button === document.activeElement);
    this.#mute.disabled = this.#show.disabled = this.#again.disabled = true;
    this.#tell("");
    byId("join-ask").hidden = !wanted.microphone || !navigator.mediaDevices;
    const { microphone, camera, problem } = await capture(wanted);
    byId("join-ask").hidden = true;
    this.#mute.disabled = this.#show.disabled = this.#again.disabled = false;
    this.#tell(problem);
    this.#use(microphone ?? this.#microphone, camera ?? this.#camera);
    if (this.#done) return;
    // A button that was disabled meanwhile, or is gone, has lost the focus.
    const now = document.activeElement;
    if (pressed && (now === pressed || now === document.body)) (pressed.getClientRects().length > 0 ? pressed : this.#name).focus();
    void this.#choice.refresh();
  }

  /**
   * @param {MediaStreamTrack | null} microphone
   * @param {MediaStreamTrack | null} camera
   */
  #use(microphone, camera) {
    if (microphone !== this.#microphone) this.#microphone?.stop();
    if (camera !== this.#camera) this.#camera?.stop();
    this.#microphone = microphone;
    this.#camera = camera;
    if (microphone) {
      microphone.enabled = !this.#muted;
      microphone.onended = () => !this.#done && this.#microphone === microphone && void this.#take({ microphone: true, camera: false });
    }
    if (camera) camera.onended = () => !this.#done && this.#camera === camera && this.#use(this.#microphone, null);
    this.#look();
  }

  #toggleMute() {
    if (!this.#microphone) return void this.#take({ microphone: true, camera: false });
    this.#muted = !this.#muted;
    this.#microphone.enabled = !this.#muted;
    this.#look();
  }

  async #toggleCamera() {
    this.#unseen = this.#camera !== null;
    if (this.#camera) {
      this.#use(this.#microphone, null);
      this.#show.focus();
    } else await this.#take({ microphone: false, camera: true });
  }

  /** @param {string} problem */
  #tell(problem) {
    this.#problem = problem;
    this.#look();
  }

  /** Shows how things stand. */
  #look() {
    if (this.#done) return;
    const [heard, seen] = [this.#microphone !== null && !this.#muted, this.#camera !== null];
    rename(this.#mute, heard ? t("bar.mute") : t("bar.unmute"), heard ? "mic" : "mic-off");
    rename(this.#show, seen ? t("bar.camera-off") : t("bar.camera-on"), seen ? "camera" : "camera-off");
    const asking = this.#mute.disabled; // nothing is off before the browser has answered
    this.#mute.classList.toggle("off", !heard && !asking);
    this.#show.classList.toggle("off", !seen && !asking);
    byId("join-muted").hidden = !(this.#microphone && this.#muted);
    byId("join-problem").hidden = !this.#problem;
    byId("join-problem-text").textContent = this.#problem;
    this.#again.hidden = this.#microphone !== null || !navigator.mediaDevices;
    const shown = /** @type {MediaStream | null} */ (this.#video.srcObject)?.getVideoTracks()[0] ?? null;
    if (shown !== this.#camera) this.#video.srcObject = this.#camera ? new MediaStream([this.#camera]) : null;
    this.#video.hidden = !seen;
    this.#video.classList.toggle("mirrored", this.#camera?.getSettings().facingMode !== "environment");
    const name = cleanName(this.#name.value);
    const face = byId("own-face");
    face.hidden = seen || !name;
    byId("own-note").hidden = seen || asking || name !== "";
    face.textContent = initials(name);
    face.className = "face hue-" + hue(name, HUES);
  }

  /** @returns {Promise<Captured>} what the room goes on with */
  async #handOver() {
    this.#choice.close();
    await this.#captured;
    this.#done = true;
    this.#choice.element.remove();
    this.#video.srcObject = null;
    const [microphone, camera, problem] = [this.#microphone, this.#camera, this.#problem];
    for (const track of [microphone, camera]) if (track) track.onended = null;
    return { microphone, camera, problem };
  }
}

/**
 * What joining does, before it is done.
 *
 * @param {string} number as the link has it, "" for none
 */
function plan(number) {
  if (!number) return t("join.will-meet");
  const digits = number.replace(/\D/g, "").length;
  return t(digits <= MAX_EXTENSION ? "join.will-extension" : "join.will-call", { number: masked(number) });
}
