/** A short melody out of a chosen speaker, to hear whether it is the right one and loud enough. */

/** C major upwards: pleasant, and nothing that a telephone does. Hertz. */
const NOTES = [523.25, 659.25, 783.99, 1046.5];
/** Each note, and the fading of the last one; seconds. */
const NOTE = 0.22;
const FADE = 0.6;
const GAIN = 0.2;

/**
 * Plays it; call from a press. A speaker that is not there any more gives way to the usual one.
 *
 * @param {string} speaker id of the device, "" for the usual one
 * @returns {Promise<void>} when it is over
 */
export async function playMelody(speaker) {
  if (typeof AudioContext !== "function") return;
  const context = new AudioContext();
  // An element can be sent to any speaker in every browser that can choose one; a context cannot.
  const out = new MediaStreamAudioDestinationNode(context);
  const element = document.createElement("audio");
  element.srcObject = out.stream;
  try {
    await context.resume();
    if (speaker) await element.setSinkId?.(speaker).catch(() => {});
    await element.play();
    await melody(context, out);
  } catch {
    // Without sound there is nothing to hear, and that is the answer.
  } finally {
    element.srcObject = null;
    await context.close();
  }
}

/**
 * @param {AudioContext} context
 * @param {AudioNode} out
 * @returns {Promise<void>}
 */
function melody(context, out) {
  return new Promise((resolve) => {
    NOTES.forEach((frequency, i) => {
      const start = context.currentTime + 0.05 + i * NOTE;
      const end = start + NOTE + (i === NOTES.length - 1 ? FADE : 0.05);
      const gain = new GainNode(context, { gain: 0 });
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(GAIN, start + 0.02);
      gain.gain.linearRampToValueAtTime(0, end);
      const tone = new OscillatorNode(context, { frequency });
      tone.connect(gain).connect(out);
      tone.start(start);
      tone.stop(end);
      if (i === NOTES.length - 1) tone.onended = () => resolve();
    });
  });
}
