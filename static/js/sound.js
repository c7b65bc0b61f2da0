/**
 * What comes out of the loudspeaker: the audio slots, and the tones the page
 * makes itself (ringback, keys). Browsers may forbid sound before the person
 * has touched the page; then {@link Sound} says so, and {@link Sound.allow} is
 * called from a press.
 */

/** Ringback as most of the world knows it: 425 Hz, one second on, four off. */
const RINGBACK = { hertz: 425, on: 1, period: 5, gain: 0.12 };
/** The lowest rate that every browser takes. */
const RATE = 22_050;
/** Ramp at the edges of a tone, in seconds, so that it does not click. */
const RAMP = 0.01;
/** Key tones: ITU-T Q.23 rows and columns, in hertz. */
const ROWS = [697, 770, 852, 941];
const COLUMNS = [1209, 1336, 1477, 1633];
const KEYS = "123A456B789C*0#D";
const KEY = { seconds: 0.12, gain: 0.06 };

export class Sound {
  #blocked;
  /** @type {Map<string, HTMLAudioElement>} */
  #elements = new Map();
  /** @type {Set<HTMLAudioElement>} */
  #refused = new Set();
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {{source: AudioBufferSourceNode, gain: GainNode} | null} */
  #ringback = null;
  #speaker = "";

  /** @param {(blocked: boolean) => void} blocked told whenever sound is or is no longer held back */
  constructor(blocked) {
    this.#blocked = blocked;
  }

  /**
   * Plays a slot's track. The element is made once per slot and stays.
   *
   * @param {string} key of the slot
   * @param {MediaStreamTrack} track
   */
  play(key, track) {
    let element = this.#elements.get(key);
    if (!element) {
      element = document.createElement("audio");
      element.autoplay = true;
      element.dataset.slot = key;
      document.body.append(element);
      this.#elements.set(key, element);
      void this.#send(element);
    }
    element.srcObject = new MediaStream([track]);
    void this.#start(element);
  }

  /**
   * Chooses the speaker for everything that is heard.
   *
   * @param {string} speaker id of the device, "" for the usual one
   */
  output(speaker) {
    this.#speaker = speaker;
    for (const element of this.#elements.values()) void this.#send(element);
    if (this.#context) void this.#send(this.#context);
  }

  /** @param {HTMLAudioElement | AudioContext} source */
  async #send(source) {
    // Not yet in the compiler's library: a context's setSinkId. Some browsers have neither.
    const sink = /** @type {{setSinkId?: (id: string) => Promise<void>}} */ (/** @type {unknown} */ (source));
    try {
      await sink.setSinkId?.(this.#speaker);
    } catch {
      // It is gone or forbidden: the usual one goes on.
    }
  }

  /** @param {HTMLAudioElement} element */
  async #start(element) {
    try {
      await element.play();
      this.#refused.delete(element);
    } catch (error) {
      // Anything else (the source was replaced, the page is going) is not for the person to solve.
      if (error instanceof DOMException && error.name === "NotAllowedError") this.#refused.add(element);
    }
    this.#tell();
  }

  /** Call from a press: everything that was held back is started. */
  allow() {
    for (const element of this.#refused) void this.#start(element);
    if (this.#context) void this.#context.resume();
  }

  /**
   * Starts or stops ringback.
   *
   * @param {boolean} on
   */
  ringback(on) {
    if (on === (this.#ringback !== null)) return;
    const context = this.#audio();
    if (!context) return;
    if (this.#ringback) {
      const { source, gain } = this.#ringback;
      this.#ringback = null;
      gain.gain.setTargetAtTime(0, context.currentTime, RAMP);
      source.stop(context.currentTime + 10 * RAMP);
    } else {
      const source = new AudioBufferSourceNode(context, { buffer: ringbackBuffer(), loop: true });
      const gain = new GainNode(context, { gain: RINGBACK.gain });
      source.connect(gain).connect(context.destination);
      source.start();
      this.#ringback = { source, gain };
    }
    this.#tell();
  }

  /** Whether ringback plays, or would if the browser let it. */
  get ringing() {
    return this.#ringback !== null;
  }

  /**
   * The short tone of a key, for the person who pressed it only.
   *
   * @param {string} digit
   */
  key(digit) {
    const at = KEYS.indexOf(digit);
    const context = this.#audio();
    if (at < 0 || !context) return;
    const gain = new GainNode(context, { gain: KEY.gain });
    gain.connect(context.destination);
    for (const frequency of [ROWS[at >> 2], COLUMNS[at & 3]]) {
      const tone = new OscillatorNode(context, { frequency });
      tone.connect(gain);
      tone.start();
      tone.stop(context.currentTime + KEY.seconds);
    }
  }

  #audio() {
    if (!this.#context && typeof AudioContext === "function") {
      this.#context = new AudioContext();
      this.#context.onstatechange = () => this.#tell();
      void this.#send(this.#context);
      void this.#context.resume();
    }
    return this.#context;
  }

  #tell() {
    const tones = this.#ringback !== null && this.#context?.state !== "running";
    this.#blocked(tones || this.#refused.size > 0);
  }

  /** Silence, and no elements left. */
  close() {
    for (const element of this.#elements.values()) {
      element.srcObject = null;
      element.remove();
    }
    this.#elements.clear();
    this.#refused.clear();
    this.#ringback = null;
    void this.#context?.close();
    this.#context = null;
  }
}

/** One period of ringback with soft edges. */
function ringbackBuffer() {
  const buffer = new AudioBuffer({ length: RATE * RINGBACK.period, sampleRate: RATE });
  const samples = buffer.getChannelData(0);
  const on = RATE * RINGBACK.on;
  const ramp = RATE * RAMP;
  for (let i = 0; i < on; i++) {
    const edge = Math.min(1, i / ramp, (on - i) / ramp);
    samples[i] = edge * Math.sin((2 * Math.PI * RINGBACK.hertz * i) / RATE);
  }
  return buffer;
}
