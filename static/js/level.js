/**
 * How loud a microphone is now, read from the device's track itself: before a
 * room is entered, and while what is sent is muted. A track that is not
 * enabled gives silence, so meter a clone of it where that matters.
 */

/** How often the level is read: fast enough to look alive. Milliseconds. */
const PERIOD = 100;
/** Samples that are looked at each time: some 20 ms of speech. */
const WINDOW = 1024;

export class Level {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #resume = () => void this.#context?.resume().catch(() => {});

  /**
   * @param {MediaStreamTrack} track
   * @param {(level: number) => void} told the root mean square, 0 to 1, several times a second
   */
  constructor(track, told) {
    if (typeof AudioContext !== "function") return;
    this.#context = new AudioContext();
    const analyser = new AnalyserNode(this.#context, { fftSize: WINDOW });
    this.#context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(WINDOW);
    this.#timer = setInterval(() => {
      // A context that waits for a touch of the page hears nothing, which is not the same as silence.
      if (document.hidden || this.#context?.state !== "running") return;
      analyser.getFloatTimeDomainData(samples);
      told(Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / WINDOW));
    }, PERIOD);
    // Browsers that want a touch of the page before any sound want it for this too.
    document.addEventListener("pointerdown", this.#resume);
    document.addEventListener("keydown", this.#resume);
  }

  close() {
    clearInterval(this.#timer);
    document.removeEventListener("pointerdown", this.#resume);
    document.removeEventListener("keydown", this.#resume);
    void this.#context?.close();
    this.#context = null;
  }
}
