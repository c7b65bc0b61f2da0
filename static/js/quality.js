/**
 * How a connection is: arithmetic on figures that the browser and the server
 * measure, and the words for them.
 *
 * The grade is that of a listener: loss, jitter and delay go into the E-model
 * (ITU-T G.107, in the short form of its annexes) and come out as a mean
 * opinion score from 1 to 4.5.
 */

import { t } from "./i18n.js";

/**
 * @typedef {object} Quality
 * @property {"good" | "fair" | "poor"} grade
 * @property {number} mos     1 to 4.5
 * @property {number} loss    share of packets, 0 to 1
 * @property {number} jitter  milliseconds
 * @property {number} [rtt]   there and back, milliseconds
 * @property {string} [codec]
 * @property {boolean} [secure] whether a phone's line is encrypted
 * @property {string} [problem] a sentence on what is wrong beyond that
 */

/** R of a perfect narrow-band call (G.107 §7.7), less the loudness and echo that nobody measures here. */
const R0 = 93.2;
/** How badly a codec takes random loss (Bpl) and how it sounds without (Ie): G.113 appendix I; Opus by its own loss concealment. */
const OPUS = { ie: 0, bpl: 20 };
const G711 = { ie: 0, bpl: 25.1 };
/** Frame and look-ahead at both ends, milliseconds. */
const FIXED_DELAY = 40;
/** G.107 annex B: above 4 nearly all are satisfied, below 3.1 nearly all are not. */
const GOOD = 4;
const FAIR = 3.1;

/**
 * Mean opinion score of a stream.
 *
 * @param {{loss: number, jitter: number, rtt?: number, phone?: boolean}} figures loss 0 to 1, times in ms
 * @returns {number} 1 to 4.5
 */
export function opinion({ loss, jitter, rtt = 0, phone = false }) {
  const { ie, bpl } = phone ? G711 : OPUS;
  const percent = 100 * Math.min(Math.max(loss, 0), 1);
  // A receiver waits for about twice the jitter before it plays.
  const delay = rtt / 2 + 2 * jitter + FIXED_DELAY;
  const id = 0.024 * delay + (delay > 177.3 ? 0.11 * (delay - 177.3) : 0);
  const r = R0 - id - (ie + (95 - ie) * (percent / (percent + bpl)));
  if (r <= 0) return 1;
  if (r >= 100) return 4.5;
  return Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}

/**
 * @param {number} mos
 * @returns {Quality["grade"]}
 */
export function grade(mos) {
  return mos >= GOOD ? "good" : mos >= FAIR ? "fair" : "poor";
}

/**
 * The way from somebody to us, out of what arrives here and what arrives at the server.
 *
 * @param {{loss: number, jitter: number} | null} here  figures of the slot that carries them, null when none does
 * @param {import("../protocol").Uplink | null} there as the server receives them
 * @param {number} rtt our own, to the server and back, ms; 0 while unknown
 * @returns {Quality | null} null while nothing is known
 */
export function way(here, there, rtt) {
  if (!here && !there) return null;
  // What is lost on their way is a gap on ours too, so the larger figure is the whole way's.
  const loss = Math.max(here?.loss ?? 0, there?.loss ?? 0);
  const jitter = Math.max(here?.jitter ?? 0, there?.jitter ?? 0);
  const both = there?.rtt !== undefined && rtt > 0 ? there.rtt + rtt : undefined;
  const mos = opinion({ loss, jitter, rtt: both ?? rtt });
  return { grade: grade(mos), mos, loss, jitter, ...(both ? { rtt: both } : {}) };
}

/**
 * A phone's line as the server measures it, which has been through the E-model there.
 *
 * @param {import("../protocol").Line} line
 * @returns {Quality}
 */
export function lineQuality(line) {
  const silent = line.mute || line.deaf;
  return {
    grade: silent ? "poor" : grade(line.mos),
    mos: line.mos,
    loss: Math.max(line.loss ?? 0, line.far_loss ?? 0),
    jitter: Math.max(line.jitter ?? 0, line.far_jitter ?? 0),
    ...(line.rtt ? { rtt: line.rtt } : {}),
    ...(line.codec ? { codec: line.codec, secure: line.secure === true } : {}),
  };
}

/**
 * Rows for the eye: what, and how much.
 *
 * @param {Quality} quality
 * @returns {[string, string][]}
 */
export function connectionFacts(quality) {
  const tenths = (/** @type {number} */ n) => Math.round(10 * n) / 10;
  const ms = (/** @type {number} */ n) => t("quality.ms", { value: Math.round(n) });
  /** @type {[string, string][]} */
  const rows = [
    [t("quality.sound"), t("quality.mos", { grade: t("quality.is-" + quality.grade), mos: tenths(quality.mos) })],
    [t("quality.loss"), t("quality.percent", { value: tenths(100 * quality.loss) })],
    [t("quality.jitter"), ms(quality.jitter)],
  ];
  if (quality.rtt !== undefined) rows.push([t("quality.rtt"), ms(quality.rtt)]);
  if (quality.codec) rows.push([t("quality.codec"), quality.codec]);
  if (quality.secure !== undefined) rows.push([t("quality.line"), t(quality.secure ? "quality.secure" : "quality.plain")]);
  return rows;
}
