/**
 * One stay in a room, from joining to leaving: ties the socket, the
 * PeerConnection and what is seen together.
 *
 * `document.documentElement.dataset.connection` says how it stands:
 * `connecting`, `connected` (in the room, and media flows), `reconnecting`, `left`.
 */

import { Awake } from "./awake.js";
import { Calls } from "./calls.js";
import { roomDevices } from "./devicemenu.js";
import { byId } from "./dom.js";
import { t } from "./i18n.js";
import { Media } from "./media.js";
import { MediaKeys } from "./mediakeys.js";
import { Meter } from "./meter.js";
import { Notices } from "./notices.js";
import { People } from "./people.js";
import { PictureWindow } from "./picturewindow.js";
import { Sending } from "./sending.js";
import { Shortcuts } from "./shortcuts.js";
import { Sides } from "./sides.js";
import { Signal } from "./signal.js";
import { Sound } from "./sound.js";
import { Standing } from "./standing.js";
import { Stage } from "./stage.js";
import { addSwitches, showSwitches } from "./switches.js";
import { Toolbar } from "./toolbar.js";
import { claim } from "./visit.js";
import { errorWords } from "./words.js";
import { Watch } from "./watch.js";

/** @typedef {import("../protocol").FromServer} FromServer */
/** @typedef {import("./signal.js").Connection} Connection */

/**
 * @typedef {object} Options
 * @property {import("./link.js").Link} link
 * @property {string} name
 * @property {import("./visit.js").Visit} visit
 * @property {string} [resume] token of who we were before a reload
 * @property {import("./devices.js").Captured} captured
 * @property {boolean} muted whether to begin so
 * @property {(why: import("./signal.js").Why, entered: boolean) => void} left called once, with a reason when it was not our wish, and whether we ever were in
 */

/** Tiles move while a window is resized; the server hears of it when they rest. Milliseconds. */
const VIEW_REST = 250;
/** Whoever looks at another tab for so long needs no pictures meanwhile. Milliseconds. */
const UNSEEN_REST = 3000;

/** What the others see of somebody who shares, where the browser says. @type {Record<string, string>} */
const SHARED = { monitor: "room.sharing-all", window: "room.sharing-window", browser: "room.sharing-tab" };

/** Errors that a person can neither cause nor solve; they are for the console. */
const SILENT_ERRORS = new Set(["bad-message", "unknown-type", "not-joined", "already-joined", "no-such-call", "bad-offer"]);

export class Room {
  #o;
  #id = "";
  #left = false;
  /** What the server was told last, "" for nothing. */
  #view = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #viewTimer;
  #abort = new AbortController();

  #awake = new Awake();
  #shortcuts = new Shortcuts((talking) => this.#sending.talk(talking));
  #toolbar = new Toolbar(byId("controls"), this.#shortcuts);
  #notices = new Notices(byId("notices"));
  #standing = new Standing((text) => this.#notices.set("connection", text));
  #sound = new Sound((blocked) => this.#notices.set("hear", blocked ? t("room.hear-blocked") : "",
    { name: t("room.hear"), icon: "speaker", press: () => this.#sound.allow() }));
  #media;
  #calls;
  #stage;
  #people;
  #signal;
  #meter;
  #watch;
  #sending;
  #sides;
  #keys = new MediaKeys({ mute: () => void this.#mute(), camera: () => void this.#sending.toggleCamera(), leave: () => this.leave() });

  /** @param {Options} options */
  constructor(options) {
    this.#o = options;
    const { link, visit, captured } = options;

    this.#stage = new Stage(byId("people"), () => this.#arranged());
    this.#people = new People(this.#stage, () => this.#changed());
    this.#media = new Media({
      offer: (sdp, tracks) => this.#signal.send({ type: "offer", sdp, tracks }),
      online: () => this.#signal.welcomed,
      state: () => this.#connection(),
      sound: (key, track) => this.#sound.play(key, track),
      slots: () => this.#pictures(),
    });
    this.#sending = new Sending({
      track: (kind, track) => this.#media.setTrack(kind, track),
      changed: () => this.#sayState(),
      problem: (text) => this.#notices.set("devices", text),
    });
    this.#meter = new Meter({
      level: (level) => byId("controls").style.setProperty("--level", level.toFixed(2)),
      silent: (silent) => this.#notices.set("silent", silent ? t("room.silent") : ""),
      talking: (talking) => this.#notices.set("talking", talking ? t("watch.talking") : "",
        { name: t("bar.unmute"), icon: "mic", press: () => this.#sending.mute(false) }),
    }, () => this.#media.level());
    this.#watch = new Watch({
      health: () => this.#media.health(),
      show: (id, quality) => this.#people.quality(id, quality),
      people: () => this.#people.all,
      now: () => ({
        me: this.#id,
        connected: document.documentElement.dataset.connection === "connected",
        audio: this.#sending.state.audio,
        systemMuted: this.#sending.microphone?.muted ?? false,
      }),
      notice: (key, text) => this.#notices.set(key, text),
    });
    this.#signal = new Signal(socketURL(), { room: link.room, name: options.name, link: link.token, resume: options.resume }, {
      state: (state) => this.#connection(state),
      joined: () => this.#id || void this.#media.offer(),
      message: (message) => this.#receive(message),
      refused: (why) => this.#leave(why),
    });
    this.#calls = new Calls({
      stage: this.#stage, number: link.number, trunk: link.trunk, visit,
      microphone: captured.microphone !== null,
      send: (message) => this.#signal.send(message),
      sound: this.#sound,
      problem: (text) => this.#notices.pass("call", text),
      changed: () => this.#changed(),
    });

    this.#sides = this.#addControls();
    this.#notices.set("devices", captured.problem);
    if (options.muted) this.#sending.mute(true);
    void this.#sending.useMicrophone(captured.microphone);
    void this.#sending.useCamera(captured.camera);

    void this.#awake.hold();
    const { signal } = this.#abort;
    window.addEventListener("online", () => this.#networkChanged(), { signal });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#viewSoon() : this.#seen()), { signal });
    // Only some browsers tell of a change between networks.
    const network = /** @type {EventTarget | undefined} */ (/** @type {any} */ (navigator).connection);
    network?.addEventListener("change", () => this.#networkChanged(), { signal });
  }

  #addControls() {
    const [bar, sending] = [this.#toolbar, this.#sending];
    const devices = roomDevices(sending, this.#sound, this.#notices, this.#abort.signal);
    addSwitches(bar, {
      mute: () => void this.#mute(),
      camera: () => void sending.toggleCamera(),
      flip: () => devices.flip(),
      screen: () => void sending.toggleScreen(),
    });
    const sides = new Sides({
      toolbar: bar, link: this.#o.link,
      send: (message) => this.#signal.send(message),
      mine: (id) => this.#o.visit.was(id),
      call: (number) => this.#calls.add(number),
      changed: () => this.#changed(),
    });
    bar.add("devices", { name: t("devices.title"), icon: "devices", place: "menu", key: "A", press: () => devices.open() });
    bar.add("full", { name: t("bar.full"), icon: "expand", place: "menu", key: "F", press: () => void this.#stage.fullscreen() });
    bar.add("window", { name: t("bar.window"), icon: "pip", place: "menu", key: "W", press: () => void this.#window() });
    bar.show("full", { hidden: !document.fullscreenEnabled });
    bar.show("window", { hidden: !PictureWindow.possible });
    bar.add("keys", { name: t("keys.title"), icon: "keyboard", place: "menu", key: "?", press: () => this.#shortcuts.help() });
    bar.add("leave", { name: t("bar.leave"), icon: "leave", place: "bar", style: "danger last", press: () => this.leave() });
    return sides;
  }

  /** Somebody's picture in a window of its own, that stays when another program is in front. */
  async #window() {
    if (!(await this.#people.window())) this.#notices.pass("window", t("room.no-picture"));
  }

  /** Mutes or unmutes; a first microphone may be what the link's call was waiting for. */
  async #mute() {
    await this.#sending.toggleMute();
    if (!this.#left) this.#calls.microphone = this.#sending.microphone !== null;
  }

  /** The page is looked at again: timers may have slept, and the screen is to stay on. */
  #seen() {
    this.#signal.check();
    void this.#awake.hold();
    this.#sayView();
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
    this.#leave({ code: "", text: "" });
  }

  /** @param {import("./signal.js").Why} why */
  #leave(why) {
    if (this.#left) return;
    this.#left = true;
    this.#abort.abort();
    clearTimeout(this.#viewTimer);
    this.#signal.close();
    this.#media.close();
    this.#meter.close();
    this.#watch.close();
    this.#sound.close();
    this.#calls.close();
    this.#people.close();
    this.#stage.close();
    this.#notices.clear();
    this.#sides.close();
    this.#shortcuts.close();
    this.#toolbar.close();
    this.#awake.close();
    this.#keys.close();
    this.#sending.close();
    this.#o.visit.forget();
    this.#standing.close();
    this.#o.left(why, this.#id !== "");
  }

  /** @param {FromServer} message */
  #receive(message) {
    switch (message.type) {
      case "welcome": return this.#welcome(message);
      case "answer": return void this.#media.answer(message.sdp);
      case "send": return this.#media.want(message);
      case "layers": return this.#media.wantLayers(message.camera);
      case "slots": return this.#media.assign(message.slots);
      case "participant-joined":
      case "participant-changed":
        this.#people.put(message.participant);
        this.#calls.person(message.participant);
        this.#sides.put(message.participant);
        return this.#pictures();
      case "participant-left":
        this.#sides.remove(message.id);
        this.#watch.forget(message.id);
        return this.#people.remove(message.id);
      case "call": return this.#calls.update(message);
      case "quality": return this.#calls.quality(message);
      case "dtmf": return this.#calls.keys(message);
      case "uplink":
      case "unheard": return this.#watch.receive(message);
      case "speaking": {
        const ids = new Set(message.ids ?? []);
        this.#people.speaking(ids);
        this.#sides.speaking(ids);
        return this.#calls.speaking(ids);
      }
      case "chat": return this.#sides.chat(message);
      case "muted": return this.#mutedBy(message.by);
      case "error": return this.#failed(message);
    }
  }

  /** @param {string} by who has switched our microphone off; "" for an operator */
  #mutedBy(by) {
    this.#sending.mute(true);
    const name = this.#sides.name(by);
    this.#notices.pass("muted", name ? t("room.muted-by", { name }) : t("room.muted"));
  }

  /** @param {{code: string, text: string}} error */
  #failed(error) {
    if (error.code === "media-failed") void this.#media.offer("restart");
    else if (SILENT_ERRORS.has(error.code)) console.warn("dialroom:", error.code, error.text);
    else this.#notices.pass("error", errorWords(error));
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
    for (const person of welcome.participants ?? []) this.#calls.person(person);
    this.#calls.reset(welcome.calls ?? []);
    this.#sides.welcome(welcome);
    this.#view = "";
    this.#sayState();
    this.#changed();
    this.#watch.reset();
    if (before && before !== welcome.id) void this.#media.rebuild();
    else if (before && this.#media.state !== "connected") void this.#media.offer("restart");
  }

  /** @param {Connection} [signalled] news from the socket */
  #connection(signalled = this.#standing.signalled) {
    if (this.#left) return;
    if (signalled !== "connected" && this.#standing.signalled === "connected") this.#media.lost();
    const state = this.#standing.update(signalled, this.#media?.state === "connected", this.#signal?.failures ?? 0);
    if (this.#calls) this.#calls.ready = state === "connected";
    this.#changed();
  }

  #networkChanged() {
    this.#signal.check();
    if (this.#standing.signalled === "connected" && this.#id) void this.#media.offer("restart");
  }

  #sayState() {
    const { state, camera } = this.#sending;
    this.#signal.send({ type: "state", ...state });
    this.#o.visit.switched(this.#sending.switches);
    showSwitches(this.#toolbar, state, camera);
    this.#keys.show(state);
    this.#notices.set("sharing", state.screen ? t(SHARED[this.#sending.surface] ?? "room.sharing") : "",
      { name: t("bar.screen-off"), icon: "screen-off", press: () => void this.#sending.useScreen(null) });
    this.#meter.follow(this.#sending.microphone, !state.audio);
    this.#people.camera = camera;
    this.#people.mine(state);
    this.#sides?.mine(state);
  }

  #pictures() {
    this.#people.pictures((id, kind) => this.#media.picture(id, kind));
  }

  /** Who is here, or what is shown, has changed. */
  #changed() {
    if (this.#left || !this.#calls || !this.#people) return;
    const unread = this.#sides?.unread ?? 0;
    document.title = (unread > 0 ? `(${unread}) ` : "") + (this.#calls.headline || this.#o.link.room) + " · Dialroom";
    this.#viewSoon();
  }

  /** The tiles stand elsewhere, or have another size. */
  #arranged() {
    this.#people.arranged();
    this.#calls.arranged();
    this.#viewSoon();
  }

  #viewSoon() {
    clearTimeout(this.#viewTimer);
    this.#viewTimer = setTimeout(() => this.#sayView(), this.#looked ? VIEW_REST : UNSEEN_REST);
  }

  /** Whether anybody sees pictures: on the page, or in its small window. */
  get #looked() {
    return !document.hidden || Boolean(document.pictureInPictureElement); // not every browser has such windows
  }

  #sayView() {
    const video = this.#people.wanted(!document.hidden);
    if (video.length === 0 && this.#view === "" && !document.hidden) return; // while no tile has a place the server chooses
    this.#media.fit(video.length);
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
