/**
 * Microphone, camera and screen: asking for them, choosing among several, and
 * saying in plain words what is missing and what to do about it. Nothing here
 * throws: a room works without any of them.
 *
 * Which device was chosen is remembered in this browser and wished for the
 * next time; when it is not there, the browser takes another.
 */

import { t } from "./i18n.js";
import { recall, store } from "./visit.js";

/**
 * @typedef {object} Captured
 * @property {MediaStreamTrack | null} microphone
 * @property {MediaStreamTrack | null} camera
 * @property {string} problem what a person should know, "" when all is well
 */

/** @typedef {"microphone" | "camera" | "speaker"} DeviceKind */
/** @typedef {Record<DeviceKind, MediaDeviceInfo[]>} Devices */
/** @typedef {{stream?: MediaStream, error?: string}} Answer */

/** Speech: the browser's own echo canceller, noise filter and level control. */
const MICROPHONE = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const CAMERA = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };

/** @type {Record<string, DeviceKind>} */
const KINDS = { audioinput: "microphone", videoinput: "camera", audiooutput: "speaker" };

/**
 * Asks for the microphone and, when wanted, the camera: both in one question
 * if possible, and each for itself when that fails.
 *
 * @param {{microphone: boolean, camera: boolean}} wanted
 * @returns {Promise<Captured>}
 */
export async function capture(wanted) {
  if (!navigator.mediaDevices?.getUserMedia) {
    const why = window.isSecureContext ? t("devices.unsupported") : t("devices.insecure");
    return { microphone: null, camera: null, problem: why + " " + t("devices.unheard") };
  }
  const [audio, video] = [microphone(), camera()];
  if (wanted.microphone && wanted.camera) {
    const { stream } = await ask({ audio, video });
    if (stream) return { microphone: stream.getAudioTracks()[0] ?? null, camera: stream.getVideoTracks()[0] ?? null, problem: "" };
  }
  const mic = wanted.microphone ? await ask({ audio }) : null;
  const cam = wanted.camera ? await ask({ video }) : null;
  return {
    microphone: mic?.stream?.getAudioTracks()[0] ?? null,
    camera: cam?.stream?.getVideoTracks()[0] ?? null,
    problem: problems(mic, cam),
  };
}

/**
 * Asks for one certain microphone or camera.
 *
 * @param {"microphone" | "camera"} kind
 * @param {{id: string} | {facing: "user" | "environment"}} which
 * @returns {Promise<{track: MediaStreamTrack | null, problem: string}>}
 */
export async function captureOne(kind, which) {
  const exact = "id" in which ? { deviceId: { exact: which.id } } : { facingMode: { exact: which.facing } };
  const answer = await ask(kind === "microphone" ? { audio: { ...MICROPHONE, ...exact } } : { video: { ...CAMERA, ...exact } });
  const track = answer.stream?.getTracks()[0] ?? null;
  return { track, problem: track ? "" : missing(kind === "microphone" ? "mic" : "cam", answer.error) };
}

/**
 * What takes the place of a microphone that was pulled out: any other one, without a question.
 *
 * @returns {Promise<{track: MediaStreamTrack | null, problem: string}>} the problem says what happened in any case
 */
export async function replacement() {
  const others = (await list()).microphone;
  const { stream } = others.length > 0 ? await ask({ audio: MICROPHONE }) : { stream: undefined };
  const track = stream?.getAudioTracks()[0] ?? null;
  return { track, problem: track ? t("devices.replaced", { name: track.label }) : t("devices.lost") };
}

/** The constraints of the microphone that was chosen before, if it is there. */
function microphone() {
  return wish(MICROPHONE, "microphone");
}

function camera() {
  const id = remembered("camera");
  return id ? wish(CAMERA, "camera") : { ...CAMERA, facingMode: "user" };
}

/**
 * @param {MediaTrackConstraints} constraints
 * @param {DeviceKind} kind
 * @returns {MediaTrackConstraints}
 */
function wish(constraints, kind) {
  const id = remembered(kind);
  return id ? { ...constraints, deviceId: { ideal: id } } : constraints;
}

/**
 * The device of that kind chosen before, "" for the system's choice.
 *
 * @param {DeviceKind} kind
 */
export function remembered(kind) {
  return recall("device:" + kind);
}

/**
 * @param {DeviceKind} kind
 * @param {string} id
 */
export function remember(kind, id) {
  store("device:" + kind, id);
}

/**
 * The devices that this page may know of; without a permission only that there are some.
 *
 * @returns {Promise<Devices>}
 */
export async function list() {
  /** @type {Devices} */
  const devices = { microphone: [], camera: [], speaker: [] };
  const all = await navigator.mediaDevices?.enumerateDevices?.().catch(() => []);
  for (const device of all ?? []) {
    // Chromium's name on Windows for one of the others.
    if (device.deviceId !== "communications") devices[KINDS[device.kind]]?.push(device);
  }
  return devices;
}

/** Whether this browser lets the page choose where its sound comes out. */
export function canChooseSpeaker() {
  return typeof HTMLMediaElement.prototype.setSinkId === "function";
}

/**
 * The other side of a phone that has cameras on both.
 *
 * @param {MediaStreamTrack | null} track
 * @returns {"user" | "environment" | null} null where there are no sides
 */
export function otherSide(track) {
  const facing = track?.getSettings().facingMode;
  if (facing === "user") return "environment";
  return facing === "environment" ? "user" : null;
}

/**
 * Calls back when the person allows the microphone after all, in the browser's own settings.
 *
 * @param {() => void} allowed
 */
export async function whenAllowed(allowed) {
  try {
    const status = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("microphone") });
    status.onchange = () => status.state === "granted" && allowed();
  } catch {
    // A browser that does not tell: there is a button to try again.
  }
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
 * @returns {Promise<Answer>}
 */
async function ask(constraints) {
  try {
    return { stream: await navigator.mediaDevices.getUserMedia(constraints) };
  } catch (error) {
    if (!(error instanceof Error)) return { error: "" };
    if (error.name !== "NotAllowedError") return { error: error.name };
    // Chromium's words where the operating system is what forbids it.
    return { error: /system/i.test(error.message) ? "system" : withheld(constraints) ? "framed" : error.name };
  }
}

/**
 * Whether this page stands in another one's frame that does not pass on what is asked for.
 *
 * @param {MediaStreamConstraints} constraints
 */
function withheld({ audio, video }) {
  // Not in the compiler's library, and not in every browser: W3C Permissions Policy §introspection.
  const policy = /** @type {{featurePolicy?: {allowsFeature(name: string): boolean}}} */ (/** @type {unknown} */ (document)).featurePolicy;
  if (!policy || window.top === window) return false;
  return (Boolean(audio) && !policy.allowsFeature("microphone")) || (Boolean(video) && !policy.allowsFeature("camera"));
}

/**
 * @param {Answer | null} mic null when it was not asked for
 * @param {Answer | null} cam
 */
function problems(mic, cam) {
  const noMic = mic?.stream ? undefined : mic?.error;
  const noCam = cam?.stream ? undefined : cam?.error;
  if (noMic !== undefined && noMic === noCam) return missing("both", noMic) + " " + t("devices.unheard");
  const sentences = [];
  if (noMic !== undefined) sentences.push(missing("mic", noMic), t("devices.unheard"));
  if (noCam !== undefined) sentences.push(missing("cam", noCam), ...(mic?.stream ? [t("devices.sound-only")] : []));
  return sentences.join(" ");
}

/**
 * @param {"mic" | "cam" | "both"} what
 * @param {string | undefined} error name of a DOMException
 */
function missing(what, error) {
  return t(`devices.${reason(error)}.${what}`);
}

/** @param {string | undefined} error */
function reason(error) {
  switch (error) {
    case "NotFoundError":
    case "OverconstrainedError":
      return "absent";
    case "NotReadableError":
    case "AbortError":
      return "busy";
    case "system":
    case "framed":
      return error;
    default:
      return "denied";
  }
}
