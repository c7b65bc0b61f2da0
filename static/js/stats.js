/** The numbers of one received slot or one sent line, out of what the browser's getStats says. */

/**
 * @typedef {object} Received
 * @property {string} participant
 * @property {string} kind     voice, phone, camera, screen, screen-audio
 * @property {string} mid
 * @property {string} codec    MIME type, "" before the first packet
 * @property {number} packets
 * @property {number} lost
 * @property {number} jitter   seconds
 * @property {number} samples  audio played out, in samples
 * @property {number} concealed audio samples that had to be made up
 * @property {number} silentConcealed those of them that were silence
 * @property {number} energy   sum of squares of the played audio, level = √(energy / seconds)
 * @property {number} seconds  of audio played out
 * @property {number} delay    seconds a sample waited in the jitter buffer, on average
 * @property {number} frames   pictures decoded
 * @property {number} width    of the last picture, in pixels
 */

/**
 * @param {{line: RTCRtpTransceiver, use: {id: string, kind: string} | null}} slot
 * @returns {Promise<Received>}
 */
export async function slotStats(slot) {
  const report = await slot.line.receiver.getStats();
  const rtp = find(report, "inbound-rtp");
  return {
    participant: slot.use?.id ?? "",
    kind: slot.use?.kind ?? "",
    mid: slot.line.mid ?? "",
    codec: codecOf(report, rtp),
    packets: rtp.packetsReceived ?? 0,
    lost: rtp.packetsLost ?? 0,
    jitter: rtp.jitter ?? 0,
    samples: rtp.totalSamplesReceived ?? 0,
    concealed: rtp.concealedSamples ?? 0,
    silentConcealed: rtp.silentConcealedSamples ?? 0,
    energy: rtp.totalAudioEnergy ?? 0,
    seconds: rtp.totalSamplesDuration ?? 0,
    delay: rtp.jitterBufferEmittedCount ? rtp.jitterBufferDelay / rtp.jitterBufferEmittedCount : 0,
    frames: rtp.framesDecoded ?? 0,
    width: rtp.frameWidth ?? 0,
  };
}

/**
 * @param {string} kind
 * @param {RTCRtpTransceiver} line
 */
export async function senderStats(kind, line) {
  const report = await line.sender.getStats();
  const streams = [...report.values()].filter((entry) => entry.type === "outbound-rtp"); // a picture may have one for each size
  const sum = (/** @type {string} */ key) => streams.reduce((all, rtp) => all + (rtp[key] ?? 0), 0);
  return {
    kind,
    mid: line.mid ?? "",
    active: line.sender.getParameters().encodings.some((encoding) => encoding.active),
    codec: codecOf(report, streams[0] ?? {}),
    packets: sum("packetsSent"),
    bytes: sum("bytesSent"),
  };
}

/**
 * What tells whether all is well, out of one report for the whole connection.
 *
 * @typedef {object} Health
 * @property {number} rtt   to the server and back, ms; 0 while unknown
 * @property {boolean} wanted whether somebody listens to our microphone
 * @property {number} sent  packets of our microphone so far, in either rendition
 * @property {Map<string, {packets: number, lost: number, jitter: number}>} voices what arrives, by participant; jitter in ms
 */

/**
 * @param {RTCStatsReport} report
 * @param {Map<string, string>} voices participants by the mid of the slot they are in
 * @param {Set<string>} microphone mids of the lines that send it
 * @returns {Omit<Health, "wanted">}
 */
export function healthOf(report, voices, microphone) {
  /** @type {Omit<Health, "wanted">} */
  const health = { rtt: 0, sent: 0, voices: new Map() };
  for (const entry of report.values()) {
    if (entry.type === "candidate-pair" && entry.nominated && entry.currentRoundTripTime) health.rtt = 1000 * entry.currentRoundTripTime;
    if (entry.type === "outbound-rtp" && microphone.has(entry.mid)) health.sent += entry.packetsSent ?? 0;
    const id = entry.type === "inbound-rtp" && voices.get(entry.mid);
    if (id) health.voices.set(id, { packets: entry.packetsReceived ?? 0, lost: entry.packetsLost ?? 0, jitter: 1000 * (entry.jitter ?? 0) });
  }
  return health;
}

/**
 * @param {RTCStatsReport} report
 * @param {string} type
 * @returns {any} an empty object when there is none
 */
function find(report, type) {
  for (const entry of report.values()) if (entry.type === type) return entry;
  return {};
}

/**
 * @param {RTCStatsReport} report
 * @param {any} rtp
 * @returns {string}
 */
function codecOf(report, rtp) {
  return report.get(rtp.codecId)?.mimeType ?? "";
}
