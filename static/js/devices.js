/**
 * Microphone and camera: asking for them, and saying in plain words what is
 * missing. Nothing here throws: a room works without either.
 */

/**
 * @typedef {object} Captured
 * @property {MediaStreamTrack | null} microphone
 * @property {MediaStreamTrack | null} camera
 * @property {string} problem what a person should know, "" when all is well
 */

/** Speech: the browser's own echo canceller, noise filter and level control. */
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 }, facingMode: "user" };

/**
 * Asks for the microphone and, when wanted, the camera: both in one question
 * if possible, and each for itself when that fails.
 *
 * @param {{microphone: boolean, camera: boolean}} wanted
 * @returns {Promise<Captured>}
 */
export async function capture(wanted) {
  if (!navigator.mediaDevices?.getUserMedia) {
    const problem = window.isSecureContext
      ? "This browser cannot use a microphone. You can listen, but nobody hears you."
      : "This page was not opened over https, so the browser gives no microphone. You can listen, but nobody hears you.";
    return { microphone: null, camera: null, problem };
  }
  if (wanted.microphone && wanted.camera) {
    const both = await ask({ audio: MICROPHONE, video: CAMERA });
    if (both.stream) return { ...tracks(both.stream), problem: "" };
  }
  const mic = wanted.microphone ? await ask({ audio: MICROPHONE }) : null;
  const cam = wanted.camera ? await ask({ video: CAMERA }) : null;
  const problem = problems(mic, cam);
  return {
    microphone: mic?.stream?.getAudioTracks()[0] ?? null,
    camera: cam?.stream?.getVideoTracks()[0] ?? null,
    problem,
  };
}

/**
 * @param {{stream?: MediaStream, error?: string} | null} mic null when it was not asked for
 * @param {{stream?: MediaStream, error?: string} | null} cam
 */
function problems(mic, cam) {
  const unheard = " You can listen, but nobody hears you.";
  const noMic = mic?.stream ? undefined : mic?.error;
  const noCam = cam?.stream ? undefined : cam?.error;
  if (noMic !== undefined && noMic === noCam) return missing("microphone and camera", noMic) + unheard;
  const sentences = [];
  if (noMic !== undefined) sentences.push(missing("microphone", noMic) + unheard);
  if (noCam !== undefined) sentences.push(missing("camera", noCam) + (mic?.stream ? " You take part with sound only." : ""));
  return sentences.join(" ");
}

/**
 * Asks for a screen, a window or a tab to show.
 *
 * @returns {Promise<MediaStream | null>} null when the person thought better of it
 */
export async function captureScreen() {
  try {
    return await navigator.mediaDevices.getDisplayMedia({ video: { frameRate: { max: 15 } }, audio: true });
  } catch {
    return null;
  }
}

/** Whether this browser can show its screen at all; phones cannot. */
export function canShareScreen() {
  return typeof navigator.mediaDevices?.getDisplayMedia === "function";
}

/**
 * @param {MediaStreamConstraints} constraints
 * @returns {Promise<{stream?: MediaStream, error?: string}>}
 */
async function ask(constraints) {
  try {
    return { stream: await navigator.mediaDevices.getUserMedia(constraints) };
  } catch (error) {
    return { error: error instanceof Error ? error.name : "" };
  }
}

/** @param {MediaStream} stream */
function tracks(stream) {
  return { microphone: stream.getAudioTracks()[0] ?? null, camera: stream.getVideoTracks()[0] ?? null };
}

/**
 * @param {"microphone" | "camera" | "microphone and camera"} what
 * @param {string} error name of a DOMException
 */
function missing(what, error) {
  switch (error) {
    case "NotFoundError":
    case "OverconstrainedError":
      return what === "microphone and camera" ? "No microphone and no camera were found." : `No ${what} was found.`;
    case "NotReadableError":
    case "AbortError":
      return `Another program seems to be using the ${what}.`;
    default:
      return `The browser does not allow this page to use the ${what}.`;
  }
}
