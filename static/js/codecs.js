/** Which codecs a line of the PeerConnection has, and what of them is sent. */

/** @typedef {import("../protocol").PhoneCodec} PhoneCodec */

/**
 * Narrows a line to codecs, one form of each, in this order. CN and
 * telephone-event fall away with it, so the telephone rendition has a packet
 * every 20 ms.
 *
 * @param {RTCRtpTransceiver} line
 * @param {string[]} names
 * @param {"audio" | "video"} [medium]
 */
export function prefer(line, names, medium = "audio") {
  const known = RTCRtpReceiver.getCapabilities(medium)?.codecs.filter(everywhere) ?? [];
  const chosen = names.flatMap((name) => known.find((c) => c.mimeType.toLowerCase() === `${medium}/${name.toLowerCase()}`) ?? []);
  if (chosen.length > 0) line.setCodecPreferences?.(chosen);
}

/**
 * Whether every browser that has the codec has this form of it: H.264 in its
 * baseline profile (RFC 7742 §6.2), the others in their first.
 *
 * @param {RTCRtpCodec} codec
 */
function everywhere({ mimeType, sdpFmtpLine = "" }) {
  if (/h264$/i.test(mimeType)) return /profile-level-id=42/i.test(sdpFmtpLine) && /packetization-mode=1/.test(sdpFmtpLine);
  return !/profile(-id)?=[1-9]/.test(sdpFmtpLine);
}

/**
 * The codecs of the telephone rendition, the wanted one first.
 *
 * @param {PhoneCodec} first
 * @returns {PhoneCodec[]}
 */
export function phoneCodecs(first) {
  /** @type {PhoneCodec[]} */
  const both = ["PCMA", "PCMU"];
  return [first, ...both.filter((c) => c !== first)];
}

/**
 * What to put into the encoding so that `codec` is sent; null when it is sent already.
 *
 * @param {RTCRtpSendParameters} parameters
 * @param {PhoneCodec} codec
 * @returns {RTCRtpCodec | null}
 */
export function codecToSet(parameters, codec) {
  const mimeType = "audio/" + codec;
  const same = (/** @type {{mimeType: string} | undefined} */ c) => c?.mimeType.toLowerCase() === mimeType.toLowerCase();
  if (parameters.codecs.length === 0) return null; // before the first answer
  if (same(parameters.encodings[0].codec ?? parameters.codecs[0])) return null;
  return { mimeType, clockRate: 8000, channels: 1 };
}

/**
 * The certificate of the other side, by its fingerprint.
 *
 * @param {string | undefined} sdp
 */
export function fingerprint(sdp) {
  return /^a=fingerprint:(.*)$/m.exec(sdp ?? "")?.[1].trim() ?? "";
}
