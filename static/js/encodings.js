/**
 * How the page's sending lines are encoded: in which sizes, with how many bits,
 * which of it runs, and in which telephone codec.
 */

import { codecToSet } from "./codecs.js";

/** @typedef {import("../protocol").TrackKind} TrackKind */
/** @typedef {import("../protocol").PhoneCodec} PhoneCodec */

/**
 * The camera in three sizes, smallest first: a tile among many, among a few,
 * and the whole stage. The server says which are wanted; a browser whose line is
 * too thin leaves the largest out by itself. The largest is enough for 720p of a face.
 */
const CAMERA = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 120_000 },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 400_000 },
  { rid: "f", scaleResolutionDownBy: 1, maxBitrate: 1_300_000 },
];
/** Text on a screen needs more than a face, at fewer frames. */
const SCREEN = { maxBitrate: 2_500_000 };

/**
 * What a line begins with.
 *
 * @param {TrackKind} kind
 * @returns {RTCRtpEncodingParameters[]}
 */
export function encodingsOf(kind) {
  switch (kind) {
    case "camera": return CAMERA.map((layer) => ({ ...layer }));
    case "screen": return [{ ...SCREEN }];
    case "phone": return [{ active: false }];
    default: return [{}];
  }
}

/**
 * Sets a sender to what is wanted now. Does nothing when it is so already.
 *
 * @param {RTCRtpSender} sender
 * @param {{active: boolean, layers?: string[] | null, codec?: false | PhoneCodec}} wanted layers by name, null for all
 * @returns {Promise<boolean>} false when the browser cannot change the codec in place
 */
export async function tune(sender, { active, layers = null, codec = false }) {
  const parameters = sender.getParameters();
  const { encodings } = parameters;
  if (encodings.length === 0) return true;
  const other = codec !== false && codecToSet(parameters, codec);
  let changed = false;
  for (const encoding of encodings) {
    const on = active && (!layers || encodings.length === 1 || layers.includes(encoding.rid ?? ""));
    changed ||= encoding.active !== on;
    encoding.active = on;
  }
  if (!changed && !other) return true;
  if (other) encodings[0].codec = other;
  try {
    await sender.setParameters(parameters);
  } catch {
    return !other;
  }
  // A browser that does not know encodings[].codec ignores it.
  return !other || sender.getParameters().encodings[0]?.codec?.mimeType === other.mimeType;
}
