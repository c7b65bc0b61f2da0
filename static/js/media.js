/**
 * The one PeerConnection of the page.
 *
 * Its offer has the lines the page sends on (microphone as Opus, the same
 * microphone once more in a telephone codec, camera, later a screen) and a
 * pool of receive slots. The server puts people into slots; nothing is
 * negotiated again when they come and go. Which of the sending lines run is
 * the server's wish too ({@link Media.want}).
 *
 * The page offers again only to publish something new, to change the phone
 * codec where the browser cannot do it in place, and to restart ICE.
 */

import { fingerprint, phoneCodecs, PICTURES, prefer } from "./codecs.js";
import { encodingsOf, tune } from "./encodings.js";
import { healthOf, senderStats, slotStats } from "./stats.js";

/** @typedef {import("../protocol").TrackKind} TrackKind */
/** @typedef {import("../protocol").PhoneCodec} PhoneCodec */
/** @typedef {import("../protocol").SlotUse} SlotUse */
/** @typedef {Omit<import("../protocol").Send, "type">} Want */
/** @typedef {{pool: "voice" | "phone" | "video", line: RTCRtpTransceiver, use: SlotUse | null}} Slot */

/**
 * @typedef {object} Callbacks
 * @property {(sdp: string, tracks: Record<string, TrackKind>) => void} offer to be sent
 * @property {() => boolean} online whether an offer would reach the server now
 * @property {(state: RTCPeerConnectionState) => void} state
 * @property {(key: string, track: MediaStreamTrack) => void} sound a slot's audio, once per slot
 * @property {() => void} slots what flows in the slots has changed
 */

/** How many people are heard, phones heard and pictures seen at once; the server chooses which. */
const POOL = { voice: 4, phone: 2, video: 6 };
/** The pool of pictures grows by so many, up to so many: an offer stays well below the 64 KiB the server takes. */
const MORE_PICTURES = 3;
const MOST_PICTURES = 24;

/** A silent connection often comes back by itself within a second or two. */
const FIRST_REPAIR = 1500;
const LAST_REPAIR = 20_000;
/** An offer that has led to nothing by then got lost, or its path is blocked. */
const OFFER_PATIENCE = 8000;
/** So many ICE restarts are tried before everything is built anew. */
const RESTARTS = 2;

export class Media {
  #on;
  /** @type {RTCPeerConnection} */
  #pc;
  /** @type {Map<TrackKind, RTCRtpTransceiver>} */
  #lines = new Map();
  /** @type {Slot[]} */
  #slots = [];
  /** @type {Map<TrackKind, MediaStreamTrack | null>} */
  #tracks = new Map();
  /** @type {RTCIceServer[]} */
  #iceServers = [];
  /** @type {Want} */
  #want = { mic: true, camera: true, screen: true, screenAudio: true, phone: false };
  #tuning = Promise.resolve();
  #waiting = false; // for an answer
  /** @type {"" | "plain" | "restart"} */
  #next = "";
  #closed = false;
  #repairs = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #repair;
  /** @type {PhoneCodec} */
  #preferred = "PCMA";
  #pictures = POOL.video;
  /** Sizes of the camera's picture that somebody gets, null for all. @type {string[] | null} */
  #layers = null;
  #wished = 0;

  /** @param {Callbacks} on */
  constructor(on) {
    this.#on = on;
    this.#pc = this.#build();
  }

  /** @returns {RTCPeerConnection} */
  #build() {
    const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: this.#iceServers });
    this.#lines.clear();
    this.#slots = [];
    this.#waiting = false;
    this.#next = "";

    this.#publish(pc, "mic", "audio");
    this.#publish(pc, "phone", "audio");
    this.#publish(pc, "camera", "video");
    if (this.#tracks.get("screen")) this.#publish(pc, "screen", "video");
    if (this.#tracks.get("screen-audio")) this.#publish(pc, "screen-audio", "audio");

    this.#receive(pc, "voice", "audio", ["opus"], POOL.voice);
    this.#receive(pc, "phone", "audio", ["PCMA", "PCMU", "G722"], POOL.phone);
    this.#receive(pc, "video", "video", PICTURES, this.#pictures);
    pc.onconnectionstatechange = () => this.#changed(pc);
    return pc;
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {TrackKind} kind
   * @param {"audio" | "video"} medium
   */
  #publish(pc, kind, medium) {
    const line = pc.addTransceiver(this.#tracks.get(kind) ?? medium, { direction: "sendonly", sendEncodings: encodingsOf(kind) });
    prefer(line, medium === "video" ? PICTURES : kind === "phone" ? phoneCodecs(this.#preferred) : ["opus"]);
    this.#lines.set(kind, line);
    return line;
  }

  /**
   * @param {RTCPeerConnection} pc
   * @param {Slot["pool"]} pool
   * @param {"audio" | "video"} medium
   * @param {string[]} names of codecs
   * @param {number} count
   */
  #receive(pc, pool, medium, names, count) {
    for (let i = 0; i < count; i++) {
      const line = pc.addTransceiver(medium, { direction: "recvonly" });
      prefer(line, names);
      this.#slots.push({ pool, line, use: null });
      if (medium === "audio") this.#on.sound(pool + i, line.receiver.track);
    }
  }

  /**
   * Makes an offer. While an earlier one waits for its answer, one more is kept in mind.
   *
   * @param {"plain" | "restart"} [how] restart asks for new ICE credentials
   */
  async offer(how = "plain") {
    if (this.#closed) return;
    if (this.#waiting) {
      if (this.#next !== "restart") this.#next = how;
      return;
    }
    this.#waiting = true;
    const pc = this.#pc;
    if (how === "restart") pc.restartIce();
    await pc.setLocalDescription();
    if (pc !== this.#pc || this.#closed || !pc.localDescription) return;
    /** @type {Record<string, TrackKind>} */
    const tracks = {};
    for (const [kind, line] of this.#lines) if (line.mid !== null) tracks[line.mid] = kind;
    this.#on.offer(pc.localDescription.sdp, tracks);
    if (pc.connectionState !== "connected") this.repairSoon(OFFER_PATIENCE);
  }

  /** @param {string} sdp the server's answer to the last offer */
  async answer(sdp) {
    const pc = this.#pc;
    if (pc.signalingState !== "have-local-offer") return;
    const known = fingerprint(pc.currentRemoteDescription?.sdp);
    if (known && known !== fingerprint(sdp)) return this.rebuild(); // another DTLS peer than the one we talked to
    try {
      await pc.setRemoteDescription({ type: "answer", sdp });
    } catch (error) {
      if (pc !== this.#pc || this.#closed) return;
      console.error("dialroom: the server's answer does not fit", error);
    }
    if (pc !== this.#pc) return;
    this.#waiting = false;
    this.#apply();
    this.#on.slots();
    const next = this.#next;
    this.#next = "";
    if (next) void this.offer(next);
    else this.#grow();
  }

  /** The socket is gone, and with it any answer that was to come. */
  lost() {
    this.#waiting = false;
    this.#next = "";
  }

  /** @param {RTCIceServer[]} servers */
  setIceServers(servers) {
    this.#iceServers = servers;
    this.#pc.setConfiguration({ ...this.#pc.getConfiguration(), iceServers: servers });
  }

  /** Starts over with another PeerConnection and offers it: the server does not know this one. */
  async rebuild() {
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
    this.#pc = this.#build();
    this.#on.state(this.#pc.connectionState);
    this.#on.slots();
    await this.offer();
  }

  /**
   * Puts a track on a line, or takes it off with null. Only a screen needs another offer.
   *
   * @param {TrackKind} kind
   * @param {MediaStreamTrack | null} track
   */
  async setTrack(kind, track) {
    // What a screen shows is mostly still and must be sharp; what it sounds like is not speech.
    if (track && kind.startsWith("screen")) track.contentHint = track.kind === "video" ? "detail" : "music";
    this.#tracks.set(kind, track);
    const line = this.#lines.get(kind);
    if (line) {
      await line.sender.replaceTrack(track);
      this.#apply();
    } else if (track) {
      this.#publish(this.#pc, kind, track.kind === "video" ? "video" : "audio");
      await this.offer();
    }
    if (kind === "mic") await this.setTrack("phone", track);
  }

  /** @param {Want} want which lines somebody listens to */
  want(want) {
    this.#want = want;
    this.#apply();
  }

  /** @param {string[]} layers sizes of the camera's picture that somebody gets */
  wantLayers(layers) {
    this.#layers = layers;
    this.#apply();
  }

  #apply() {
    const { mic, camera, screen, screenAudio, phone } = this.#want;
    /** @type {[TrackKind, boolean][]} */
    const active = [["mic", mic], ["camera", camera], ["screen", screen], ["screen-audio", screenAudio], ["phone", phone !== false]];
    for (const [kind, on] of active) {
      const line = this.#lines.get(kind);
      if (!line) continue;
      const wanted = { active: on, layers: kind === "camera" ? this.#layers : null, codec: kind === "phone" && phone };
      // One change at a time: a second setParameters on stale parameters would be refused.
      this.#tuning = this.#tuning.then(async () => {
        if (!(await tune(line.sender, wanted))) await this.#renegotiate(wanted.codec);
      });
    }
  }

  /** @param {false | PhoneCodec} codec */
  async #renegotiate(codec) {
    const line = this.#lines.get("phone");
    if (!codec || !line || this.#preferred === codec) return;
    this.#preferred = codec;
    prefer(line, phoneCodecs(codec));
    await this.offer();
  }

  /**
   * Makes room for pictures. It needs another offer, so it goes in steps.
   *
   * @param {number} pictures we would like to see at once
   */
  fit(pictures) {
    this.#wished = Math.min(pictures, MOST_PICTURES);
    this.#grow();
  }

  /** One step at a time, so that the page stays quick: the next one follows the answer. */
  #grow() {
    if (this.#wished <= this.#pictures || this.#waiting || this.#pc.connectionState !== "connected" || !this.#on.online()) return;
    this.#pictures += MORE_PICTURES;
    this.#receive(this.#pc, "video", "video", PICTURES, MORE_PICTURES);
    void this.offer();
  }

  /** @param {Record<string, SlotUse | null>} slots by mid; a slot that is not named stays as it is */
  assign(slots) {
    for (const slot of this.#slots) {
      const mid = slot.line.mid;
      if (mid !== null && mid in slots) slot.use = slots[mid];
    }
    this.#on.slots();
  }

  /**
   * The track of somebody's picture, when a slot carries it.
   * @param {string} id
   * @param {"camera" | "screen"} kind
   * @returns {MediaStreamTrack | null}
   */
  picture(id, kind) {
    const slot = this.#slots.find((s) => s.use?.id === id && s.use.kind === kind);
    return slot?.line.receiver.track ?? null;
  }

  /** @param {RTCPeerConnection} pc whose state is another */
  #changed(pc) {
    if (pc !== this.#pc || this.#closed) return;
    this.#on.state(pc.connectionState);
    if (pc.connectionState === "connected") {
      this.#repairs = 0;
      clearTimeout(this.#repair);
    } else if (pc.connectionState === "disconnected" || pc.connectionState === "failed") {
      this.repairSoon(pc.connectionState === "failed" ? 0 : FIRST_REPAIR);
    }
  }

  /**
   * Restarts ICE unless the connection comes back by itself before, again and
   * again, less often as time goes by.
   *
   * @param {number} ms
   */
  repairSoon(ms) {
    clearTimeout(this.#repair);
    this.#repair = setTimeout(() => {
      // Without a socket there is nobody to offer to; the next welcome leads to an offer anyway.
      if (this.#closed || this.#pc.connectionState === "connected" || !this.#on.online()) return;
      this.#repairs++;
      this.lost(); // an answer that has not come by now will not help
      const offered = this.#repairs > RESTARTS ? this.rebuild() : this.offer("restart");
      void offered.then(() => this.repairSoon(Math.min(LAST_REPAIR, FIRST_REPAIR * 2 ** this.#repairs)));
    }, ms);
  }

  get state() {
    return this.#pc.connectionState;
  }

  /** How loud the microphone is, 0 to 1; null when the browser does not say. */
  async level() {
    const sender = this.#lines.get("mic")?.sender;
    if (!sender?.track) return null;
    for (const entry of (await sender.getStats()).values()) {
      if (entry.type === "media-source" && typeof entry.audioLevel === "number") return entry.audioLevel;
    }
    return null;
  }

  /** Whether all is well, as numbers. */
  async health() {
    const voices = new Map();
    for (const { use, line } of this.#slots) if (use?.kind === "voice") voices.set(line.mid, use.id);
    const microphone = new Set(["mic", "phone"].map((kind) => this.#lines.get(/** @type {TrackKind} */ (kind))?.mid ?? ""));
    const wanted = this.#want.mic || this.#want.phone !== false;
    return { wanted, ...healthOf(await this.#pc.getStats(), voices, microphone) };
  }

  /** Everything that is received and sent now, as numbers. */
  async stats() {
    const received = await Promise.all(this.#slots.filter((s) => s.use).map(slotStats));
    const sent = await Promise.all([...this.#lines].filter(([, l]) => l.sender.track).map(([kind, line]) => senderStats(kind, line)));
    return { connection: this.#pc.connectionState, received, sent };
  }

  /**
   * The tracks that carry a kind now.
   *
   * @param {SlotUse["kind"]} kind
   */
  tracksOf(kind) {
    return this.#slots.filter((s) => s.use?.kind === kind).map((s) => s.line.receiver.track);
  }

  /** Ends it for good. Safe to call twice. */
  close() {
    this.#closed = true;
    clearTimeout(this.#repair);
    this.#pc.onconnectionstatechange = null;
    this.#pc.close();
  }
}
