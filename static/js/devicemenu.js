/**
 * Choosing microphone, camera and speaker, before a room and in it: the fields
 * ({@link DeviceChoice}), and the dialog that shows them during a call, when it
 * is also followed which devices come and go ({@link roomDevices}).
 */

import { canChooseSpeaker, captureOne, list, otherSide, remember, remembered } from "./devices.js";
import { dialog } from "./dialog.js";
import { button, make } from "./dom.js";
import { t } from "./i18n.js";
import { Level } from "./level.js";
import { playMelody } from "./melody.js";

/** @typedef {import("./devices.js").DeviceKind} DeviceKind */

/**
 * Whose devices are chosen: the page before the room, or the room.
 *
 * @typedef {object} Owner
 * @property {MediaStreamTrack | null} microphone
 * @property {MediaStreamTrack | null} camera
 * @property {(track: MediaStreamTrack | null) => Promise<void>} useMicrophone in place of the one before, which is let go
 * @property {(track: MediaStreamTrack | null) => Promise<void>} useCamera
 * @property {(id: string) => void} useSpeaker "" for the usual one
 * @property {(text: string) => void} problem "" when all is well
 */

/** Speech is around 0.05 to 0.3 of full scale, so the root of it looks right. */
const CURVE = 0.5;
/** A browser tells of one new headset several times. Milliseconds. */
const REST = 400;

let choices = 0;

export class DeviceChoice {
  #owner;
  /** @type {Record<DeviceKind, HTMLSelectElement>} */
  #selects;
  #meter = make("div", { class: "level", role: "meter", "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0" }, make("span"));
  #said = make("p", { class: "choice-said", role: "status" });
  #flip = button(t("devices.flip"), "flip", "pill", () => void flip(this.#owner).then(() => this.refresh()));
  /** @type {Level | null} */
  #level = null;
  /** @type {MediaStreamTrack | null} a clone, which hears while the microphone is muted */
  #ear = null;
  #watching = new AbortController();
  element;

  /** @param {Owner} owner */
  constructor(owner) {
    this.#owner = owner;
    const id = `choice-${++choices}-`;
    const select = (/** @type {DeviceKind} */ kind) => make("select", { id: id + kind, change: () => void this.#chosen(kind) });
    this.#selects = { microphone: select("microphone"), camera: select("camera"), speaker: select("speaker") };
    const label = (/** @type {DeviceKind} */ kind) => make("label", { for: id + kind }, t("devices." + kind));
    const row = (/** @type {Node[]} */ ...nodes) => make("div", { class: "field-row" }, ...nodes);
    this.#meter.setAttribute("aria-label", t("devices.level"));
    const test = button(t("devices.test"), "speaker", "pill", () => void this.#test(test));
    const { microphone, camera, speaker } = this.#selects;
    this.element = make("div", { class: "choice" },
      make("div", { class: "field" }, label("microphone"), microphone, this.#meter),
      make("div", { class: "field" }, label("camera"), row(camera, this.#flip)),
      make("div", { class: "field" }, label("speaker"), row(speaker, test), this.#said));
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this.refresh(), { signal: this.#watching.signal });
    void this.refresh();
  }

  /** Shows what there is and what is used: the tracks, the permission or the devices may be others now. */
  async refresh() {
    this.#listen();
    const devices = await list();
    if (this.#watching.signal.aborted) return;
    const { microphone, camera } = this.#owner;
    this.#fill("microphone", devices.microphone, microphone?.getSettings().deviceId ?? remembered("microphone"));
    this.#fill("camera", devices.camera, camera?.getSettings().deviceId ?? remembered("camera"));
    this.#fill("speaker", devices.speaker, remembered("speaker"));
    this.#flip.hidden = devices.camera.length < 2 || otherSide(camera) === null;
  }

  /**
   * @param {DeviceKind} kind
   * @param {MediaDeviceInfo[]} devices
   * @param {string} used
   */
  #fill(kind, devices, used) {
    const select = this.#selects[kind];
    // Before a permission the browser only says that there is one, and not which.
    const known = devices.filter((d) => d.deviceId !== "");
    const options = known.map((d, i) => new Option(d.label || t("devices.numbered." + kind, { number: i + 1 }), d.deviceId));
    if (kind === "speaker" && !known.some((d) => d.deviceId === "default")) options.unshift(new Option(t("devices.usual"), ""));
    select.replaceChildren(...options);
    // What cannot be chosen need not be shown; only the speaker's test is of use without a choice.
    const none = known.length === 0 || (kind === "speaker" && !canChooseSpeaker());
    select.hidden = none;
    const field = /** @type {HTMLElement} */ (select.closest(".field"));
    if (kind === "speaker") field.querySelector("label")?.toggleAttribute("hidden", none);
    else field.hidden = none;
    const wanted = options.find((o) => o.value === used) ?? options.at(0);
    if (wanted) wanted.selected = true;
  }

  /** Meters what the microphone hears, also while it is muted. */
  #listen() {
    const track = this.#owner.microphone;
    if (this.#ear && track && this.#ear.getSettings().deviceId === track.getSettings().deviceId && this.#ear.readyState === "live") return;
    this.#deafen();
    if (!track) return;
    this.#ear = track.clone();
    this.#ear.enabled = true;
    this.#level = new Level(this.#ear, (level) => {
      const shown = Math.min(1, level ** CURVE);
      this.#meter.style.setProperty("--level", shown.toFixed(2));
      this.#meter.setAttribute("aria-valuenow", String(Math.round(shown * 100)));
    });
  }

  #deafen() {
    this.#level?.close();
    this.#ear?.stop();
    this.#level = this.#ear = null;
    this.#meter.style.setProperty("--level", "0");
    this.#meter.setAttribute("aria-valuenow", "0");
  }

  /** @param {DeviceKind} kind */
  async #chosen(kind) {
    const id = this.#selects[kind].value;
    remember(kind, id);
    if (kind === "speaker") return this.#owner.useSpeaker(id);
    // A camera that is off stays off; it is the chosen one when it is turned on.
    if (kind === "camera" && !this.#owner.camera) return;
    await take(this.#owner, kind, { id });
    await this.refresh();
  }

  /** @param {HTMLButtonElement} pressed */
  async #test(pressed) {
    pressed.disabled = true;
    this.#said.textContent = t("devices.testing");
    await playMelody(this.#selects.speaker.value);
    pressed.disabled = false;
    this.#said.textContent = t("devices.tested");
  }

  close() {
    this.#watching.abort();
    this.#deafen();
  }
}

/**
 * @param {Owner} owner
 * @param {"microphone" | "camera"} kind
 * @param {Parameters<typeof captureOne>[1]} which
 */
async function take(owner, kind, which) {
  let taken = await captureOne(kind, which);
  if (!taken.track && kind === "camera" && owner.camera) {
    const before = owner.camera.getSettings().deviceId;
    await owner.useCamera(null); // many phones open one camera at a time
    taken = await captureOne(kind, which);
    if (!taken.track && before) taken = { ...taken, track: (await captureOne(kind, { id: before })).track };
  }
  owner.problem(taken.problem);
  if (taken.track) await (kind === "camera" ? owner.useCamera(taken.track) : owner.useMicrophone(taken.track));
}

/**
 * Changes to the camera on the other side of a phone.
 *
 * @param {Owner} owner
 */
async function flip(owner) {
  const facing = otherSide(owner.camera);
  if (!facing) return;
  await take(owner, "camera", { facing });
  const id = owner.camera?.getSettings().deviceId;
  if (id) remember("camera", id);
}

/**
 * The devices of a stay in a room.
 *
 * @param {import("./sending.js").Sending} sending
 * @param {import("./sound.js").Sound} sound
 * @param {import("./notices.js").Notices} notices
 * @param {AbortSignal} signal the stay is over
 * @returns {{open: () => void, flip: () => void}} opens the dialog; changes to the camera on the other side
 */
export function roomDevices(sending, sound, notices, signal) {
  /** @type {Owner} */
  const owner = {
    get microphone() {
      return sending.microphone;
    },
    get camera() {
      return sending.camera;
    },
    useMicrophone: (track) => sending.useMicrophone(track),
    useCamera: (track) => sending.useCamera(track),
    useSpeaker: (id) => sound.output(id),
    problem: (text) => notices.set("devices", text),
  };
  sound.output(remembered("speaker"));
  followDevices(owner, notices, signal);
  return {
    open: () => {
      const choice = new DeviceChoice(owner);
      dialog(t("devices.title"), [choice.element], "devices").addEventListener("close", () => choice.close());
    },
    flip: () => void flip(owner),
  };
}

/**
 * Follows devices that come and go during a call: a speaker that is gone gives
 * way to the usual one, and a new microphone is offered. (A microphone or
 * camera in use that is gone ends its track, which is seen elsewhere.)
 *
 * @param {Owner} owner
 * @param {import("./notices.js").Notices} notices
 * @param {AbortSignal} signal ends it
 */
function followDevices(owner, notices, signal) {
  let known = list();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const look = async () => {
    const [before, now] = [await known, await list()];
    known = Promise.resolve(now);
    if (signal.aborted) return;
    const speaker = remembered("speaker");
    const [had, has] = [before, now].map((all) => all.speaker.some((d) => d.deviceId === speaker));
    if (speaker && had !== has) {
      owner.useSpeaker(has ? speaker : "");
      notices.pass("speaker", has ? "" : t("devices.speaker-lost"));
    }
    const seen = new Set(before.microphone.map((d) => d.deviceId));
    const fresh = now.microphone.find((d) => d.label && d.deviceId !== "default" && !seen.has(d.deviceId));
    if (fresh) offer(fresh);
  };
  /** @param {MediaDeviceInfo} fresh */
  const offer = (fresh) => notices.pass("new-device", t("devices.new", { name: fresh.label }), {
    name: t("devices.use-new"), icon: "mic",
    press: async () => {
      notices.set("new-device", "");
      remember("microphone", fresh.deviceId);
      await take(owner, "microphone", { id: fresh.deviceId });
    },
  });
  navigator.mediaDevices?.addEventListener?.("devicechange", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void look(), REST);
  }, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
}
