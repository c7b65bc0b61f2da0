/**
 * One stay in a room, from joining to leaving: ties the socket, the
 * PeerConnection and what is seen together.
 *
 * `document.documentElement.dataset.connection` says how it stands:
 * `connecting`, `connected` (in the room, and media flows), `reconnecting`, `left`.
 */

import { Calls } from "./calls.js";
import { canShareScreen, capture, captureScreen } from "./devices.js";
import { button, byId, rename } from "./dom.js";
import { Media } from "./media.js";
import { Meter } from "./meter.js";
import { Notices } from "./notices.js";
import { People } from "./people.js";
import { Signal } from "./signal.js";
import { Sound } from "./sound.js";
import { claim } from "./visit.js";

/** @typedef {import("../protocol").FromServer} FromServer */
/** @typedef {import("./signal.js").Connection} Connection */

/**
 * @typedef {object} Options
 * @property {import("./link.js").Link} link
 * @property {string} name
 * @property {import("./visit.js").Visit} visit
 * @property {string} [resume] token of who we were before a reload
 * @property {import("./devices.js").Captured} captured
 * @property {(why: string, entered: boolean) => void} left called once, with a sentence when it was not our wish, and whether we ever were in
 */

/** Tiles move while a window is resized; the server hears of it when they rest. Milliseconds. */
const VIEW_REST = 250;
/** Media that does not flow by then is blocked somewhere. Milliseconds. */
const MEDIA_PATIENCE = 12_000;

/** Errors that a person can neither cause nor solve; they are for the console. */
const SILENT_ERRORS = new Set(["bad-message", "unknown-type", "not-joined", "already-joined", "no-such-call", "bad-offer"]);

export class Room {
  #o;
  #id = "";
  /** @type {Connection} */
  #signalled = "connecting";
  #flowed = false;
  #muted = false;
  #left = false;
  /** @type {MediaStreamTrack | null} */
  #microphone;
  /** @type {MediaStreamTrack | null} */
  #camera;
  /** @type {MediaStream | null} */
  #screen = null;
  /** @type {WakeLockSentinel | undefined} */
  #awake;
  #view = "[]";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #viewTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #mediaTimer;
  #abort = new AbortController();

  #notices = new Notices(byId("notices"));
  #sound = new Sound((blocked) => this.#notices.set("hear", blocked ? "The browser holds the sound back." : "",
    { name: "Tap to hear", icon: "speaker", press: () => this.#sound.allow() }));
  #media;
  #calls;
  #people;
  #signal;
  #meter;
  #muteButton = button("Mute", "mic", "control", () => void this.#toggleMute());
  #cameraButton = button("Turn camera off", "camera", "control", () => void this.#toggleCamera());
  #screenButton = button("Share screen", "screen", "control", () => void this.#toggleScreen());

  /** @param {Options} options */
  constructor(options) {
    this.#o = options;
    const { link, visit, captured } = options;
    this.#microphone = captured.microphone;
    this.#camera = captured.camera;

    this.#people = new People(byId("people"), () => this.#changed());
    this.#media = new Media({
      offer: (sdp, tracks) => this.#signal.send({ type: "offer", sdp, tracks }),
      online: () => this.#signal.welcomed,
      state: () => this.#connection(),
      sound: (key, track) => this.#sound.play(key, track),
      slots: () => this.#pictures(),
    });
    this.#meter = new Meter(() => this.#media.level(), {
      level: (level) => this.#muteButton.style.setProperty("--level", level.toFixed(2)),
      silent: (silent) => this.#notices.set("silent", silent ? "Your microphone gives no sound. Is it switched off?" : ""),
    });
    this.#signal = new Signal(socketURL(), { room: link.room, name: options.name, link: link.token, resume: options.resume }, {
      state: (state) => this.#connection(state),
      joined: () => this.#id || void this.#media.offer(),
      message: (message) => this.#receive(message),
      refused: (why) => this.#leave(why),
    });
    this.#calls = new Calls({
      container: byId("calls"), number: link.number, trunk: link.trunk, visit,
      microphone: captured.microphone !== null,
      send: (message) => this.#signal.send(message),
      sound: this.#sound,
      problem: (text) => this.#notices.pass("call", text),
      changed: () => this.#changed(),
    });

    const leave = button("Leave", "leave", "control danger", () => this.leave());
    this.#screenButton.hidden = !canShareScreen();
    byId("controls").replaceChildren(this.#muteButton, this.#cameraButton, this.#screenButton, leave);
    this.#notices.set("devices", captured.problem);
    void this.#useMicrophone(captured.microphone);
    void this.#useCamera(captured.camera);

    void this.#stayAwake();
    const { signal } = this.#abort;
    window.addEventListener("online", () => this.#networkChanged(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden || this.#seen(), { signal });
    // Only some browsers tell of a change between networks.
    const network = /** @type {EventTarget | undefined} */ (/** @type {any} */ (navigator).connection);
    network?.addEventListener("change", () => this.#networkChanged(), { signal });
  }

  /** The page is looked at again: timers may have slept, and the screen is to stay on. */
  #seen() {
    this.#signal.check();
    void this.#stayAwake();
  }

  /** Keeps a phone from dimming its screen in a call; the browser lets go whenever the page is hidden. */
  async #stayAwake() {
    try {
      this.#awake = await navigator.wakeLock?.request("screen");
      if (this.#left) await this.#awake?.release();
    } catch {
      // Low battery, or not allowed: the call goes on in the dark.
    }
  }

  /** Numbers for operators and tests: everything that is received and sent now. */
  stats() {
    return this.#media.stats();
  }

  /** @param {import("../protocol").Kind} kind of the received tracks */
  tracks(kind) {
    return this.#media.tracksOf(kind);
  }

  /** Leaves for good: the participant goes at once, and the microphone is let go. */
  leave() {
    this.#leave("");
  }

  /** @param {string} why */
  #leave(why) {
    if (this.#left) return;
    this.#left = true;
    this.#abort.abort();
    clearTimeout(this.#viewTimer);
    clearTimeout(this.#mediaTimer);
    this.#signal.close();
    this.#media.close();
    this.#meter.close();
    this.#sound.close();
    this.#calls.close();
    this.#people.close();
    this.#notices.clear();
    void this.#awake?.release();
    for (const track of [this.#microphone, this.#camera, ...(this.#screen?.getTracks() ?? [])]) track?.stop();
    this.#o.visit.forget();
    document.documentElement.dataset.connection = "left";
    this.#o.left(why, this.#id !== "");
  }

  /** @param {FromServer} message */
  #receive(message) {
    switch (message.type) {
      case "welcome": return this.#welcome(message);
      case "answer": return void this.#media.answer(message.sdp);
      case "send": return this.#media.want(message);
      case "slots": return this.#media.assign(message.slots);
      case "participant-joined":
      case "participant-changed":
        this.#people.put(message.participant);
        return this.#pictures();
      case "participant-left": return this.#people.remove(message.id);
      case "call": return this.#calls.update(message);
      case "quality": return this.#calls.quality(message);
      case "speaking": {
        const ids = new Set(message.ids ?? []);
        this.#people.speaking(ids);
        return this.#calls.speaking(ids);
      }
      case "error": return this.#failed(message);
    }
  }

  /** @param {{code: string, text: string}} error */
  #failed(error) {
    if (error.code === "media-failed") void this.#media.offer("restart");
    else if (SILENT_ERRORS.has(error.code)) console.warn("dialroom:", error.code, error.text);
    else this.#notices.pass("error", error.text);
  }

  /** @param {import("../protocol").Welcome} welcome */
  #welcome(welcome) {
    const before = this.#id;
    this.#id = welcome.id;
    const { visit, name } = this.#o;
    visit.remember({ id: welcome.id, token: welcome.resume, name });
    if (before !== welcome.id) void claim(welcome.id);
    if (welcome.iceServers?.length) this.#media.setIceServers(welcome.iceServers);
    this.#people.reset(welcome.id, welcome.participants ?? []);
    this.#calls.reset(welcome.calls ?? []);
    this.#view = "[]";
    this.#sayState();
    this.#changed();
    if (before && before !== welcome.id) void this.#media.rebuild();
    else if (before && this.#media.state !== "connected") void this.#media.offer("restart");
  }

  /** @param {Connection} [signalled] news from the socket */
  #connection(signalled = this.#signalled) {
    if (this.#left) return;
    if (signalled !== "connected" && this.#signalled === "connected") this.#media.lost();
    this.#signalled = signalled;
    const flows = this.#media?.state === "connected";
    this.#flowed ||= flows;
    const state = signalled === "connected" && !flows ? (this.#flowed ? "reconnecting" : "connecting") : signalled;
    document.documentElement.dataset.connection = state;
    this.#notices.set("connection", state === "reconnecting" ? "The connection was lost. Reconnecting…" : "");
    clearTimeout(this.#mediaTimer);
    if (signalled === "connected" && !flows) {
      this.#mediaTimer = setTimeout(() => this.#notices.set("connection",
        "Sound and pictures do not get through. A firewall or a VPN may be in the way."), MEDIA_PATIENCE);
    }
    if (this.#calls) this.#calls.ready = state === "connected";
    this.#changed();
  }

  #networkChanged() {
    this.#signal.check();
    if (this.#signalled === "connected" && this.#id) void this.#media.offer("restart");
  }

  #sayState() {
    const [audio, video, screen] = [this.#microphone !== null && !this.#muted, this.#camera !== null, this.#screen !== null];
    this.#signal.send({ type: "state", audio, video, screen });
    rename(this.#muteButton, audio ? "Mute" : "Unmute", audio ? "mic" : "mic-off");
    rename(this.#cameraButton, video ? "Turn camera off" : "Turn camera on", video ? "camera" : "camera-off");
    rename(this.#screenButton, screen ? "Stop sharing" : "Share screen", screen ? "screen-off" : "screen");
    this.#muteButton.classList.toggle("off", !audio);
    this.#cameraButton.classList.toggle("off", !video);
    this.#meter.running = audio;
    this.#people.camera = this.#camera;
    this.#people.mine({ audio, video, screen });
  }

  async #toggleMute() {
    if (this.#microphone) {
      this.#muted = !this.#muted;
      this.#microphone.enabled = !this.#muted;
      this.#sayState();
      return;
    }
    const { microphone, problem } = await capture({ microphone: true, camera: false });
    this.#notices.set("devices", problem);
    if (this.#left) return microphone?.stop();
    this.#muted = false;
    await this.#useMicrophone(microphone);
    this.#calls.microphone = microphone !== null;
  }

  async #toggleCamera() {
    if (this.#camera) {
      this.#camera.stop(); // the light beside it goes out
      return this.#useCamera(null);
    }
    this.#cameraButton.disabled = true;
    const { camera, problem } = await capture({ microphone: false, camera: true });
    this.#cameraButton.disabled = false;
    this.#notices.set("devices", problem);
    if (this.#left) return camera?.stop();
    return this.#useCamera(camera);
  }

  async #toggleScreen() {
    if (this.#screen) {
      for (const track of this.#screen.getTracks()) track.stop();
      return this.#useScreen(null);
    }
    const screen = await captureScreen();
    if (screen && !this.#left) await this.#useScreen(screen);
  }

  /** @param {MediaStreamTrack | null} track */
  async #useMicrophone(track) {
    this.#microphone = track;
    track?.addEventListener("ended", () => {
      this.#notices.set("devices", "The microphone was disconnected. Nobody hears you now.");
      void this.#useMicrophone(null);
    });
    this.#sayState();
    await this.#media.setTrack("mic", track);
  }

  /** @param {MediaStreamTrack | null} track */
  async #useCamera(track) {
    this.#camera = track;
    track?.addEventListener("ended", () => void this.#useCamera(null));
    this.#sayState();
    await this.#media.setTrack("camera", track);
  }

  /** @param {MediaStream | null} screen */
  async #useScreen(screen) {
    this.#screen = screen;
    const [video, audio] = [screen?.getVideoTracks()[0] ?? null, screen?.getAudioTracks()[0] ?? null];
    video?.addEventListener("ended", () => void this.#useScreen(null)); // "stop sharing" of the browser itself
    this.#sayState();
    await this.#media.setTrack("screen", video);
    await this.#media.setTrack("screen-audio", audio);
  }

  #pictures() {
    this.#people.pictures((id, kind) => this.#media.picture(id, kind));
  }

  /** Who is here, or what is shown, has changed. */
  #changed() {
    if (this.#left || !this.#calls || !this.#people) return;
    const [calls, people] = [this.#calls.count, this.#people.tiles];
    byId("stage").dataset.layout = calls === 0 ? "people" : people > 1 ? "both" : "phone";
    const count = this.#people.count;
    byId("count").textContent = count === 0 ? "" : count === 1 ? "Only you" : `${count} in the room`;
    byId("count").title = this.#people.names.join(", ");
    document.title = (this.#calls.headline || this.#o.link.room) + " · Dialroom";
    clearTimeout(this.#viewTimer);
    this.#viewTimer = setTimeout(() => this.#sayView(), VIEW_REST);
  }

  #sayView() {
    const video = this.#people.wanted();
    const view = JSON.stringify(video);
    if (view !== this.#view && this.#signal.welcomed && this.#signal.send({ type: "view", video })) this.#view = view;
  }
}

/** The WebSocket beside this page. */
function socketURL() {
  const url = new URL("ws", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.search = url.hash = "";
  return url.href;
}
