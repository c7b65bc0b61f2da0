/** Which codecs a line of the PeerConnection has, and what of them is sent, how much of it. */

/** @typedef {import("../protocol").PhoneCodec} PhoneCodec */

/**
 * What every browser can both send and show. The server takes the first of
 * them; each further one would make an offer with many pictures much longer.
 */
export const PICTURES = ["VP8", "H264"];

/**
 * Narrows a line to codecs, in this order. CN and telephone-event fall away
 * with it, so the telephone rendition has a packet every 20 ms.
 *
 * @param {RTCRtpTransceiver} line
 * @param {string[]} names
 */
export function prefer(line, names) {
  const { kind } = line.receiver.track;
  const known = RTCRtpReceiver.getCapabilities(kind)?.codecs ?? [];
  const chosen = names.flatMap((name) => known.filter((c) => c.mimeType.toLowerCase() === `${kind}/${name}`.toLowerCase() && common(c)));
  if (chosen.length > 0) line.setCodecPreferences?.(chosen);
}

/**
 * Whether it is a profile that all browsers share: RFC 7742 §6.2, constrained
 * baseline in packets of any size.
 *
 * @param {RTCRtpCodec} codec
 */
function common({ mimeType, sdpFmtpLine = "" }) {
  if (!/h264/i.test(mimeType)) return true;
  return /packetization-mode=1/.test(sdpFmtpLine) && /profile-level-id=42e0/i.test(sdpFmtpLine);
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
