import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { capture, captureOne, list, otherSide, remember, replacement } from "../js/devices.js";

let asked, microphones, memory;

/** A machine whose microphone and camera answer so: "ok", or the name of the error. */
function machine({ audio = "ok", video = "ok", message = "", secure = true, media = true, framed = false } = {}) {
  asked = [];
  microphones = [{ kind: "audioinput", deviceId: "m1", label: "Desk" }];
  globalThis.window = { isSecureContext: secure };
  window.top = framed ? {} : window;
  globalThis.document = { featurePolicy: { allowsFeature: () => !framed } };
  const track = (kind, wanted) => ({ kind, label: kind === "audio" ? "Desk" : "Front", wanted });
  const mediaDevices = {
    async getUserMedia(wanted) {
      asked.push(wanted);
      for (const [kind, answer] of [["audio", audio], ["video", video]]) {
        if (wanted[kind] && answer !== "ok") throw Object.assign(new Error(message), { name: answer });
      }
      const tracks = ["audio", "video"].filter((kind) => wanted[kind]).map((kind) => track(kind, wanted[kind]));
      return { getTracks: () => tracks, getAudioTracks: () => tracks.filter((t) => t.kind === "audio"), getVideoTracks: () => tracks.filter((t) => t.kind === "video") };
    },
    enumerateDevices: async () => [...microphones, { kind: "audioinput", deviceId: "communications", label: "Desk" }, { kind: "audiooutput", deviceId: "s1", label: "Box" }],
  };
  Object.defineProperty(globalThis, "navigator", { value: media ? { mediaDevices } : {}, configurable: true });
}

beforeEach(() => {
  memory = new Map();
  globalThis.localStorage = { getItem: (k) => memory.get(k) ?? null, setItem: (k, v) => memory.set(k, v) };
});

const both = { microphone: true, camera: true };
const unheard = " You can listen, but nobody hears you.";

test("microphone and camera are one question", async () => {
  machine();
  const { microphone, camera, problem } = await capture(both);
  assert.equal(asked.length, 1);
  assert.deepEqual([microphone.kind, camera.kind, problem], ["audio", "video", ""]);
});

test("a link without a camera asks for none", async () => {
  machine();
  const { microphone, camera, problem } = await capture({ microphone: true, camera: false });
  assert.deepEqual([microphone.kind, camera, problem], ["audio", null, ""]);
  assert.equal(asked[0].video, undefined);
});

const failures = [
  ["both are denied", { audio: "NotAllowedError", video: "NotAllowedError" }, null, null,
    "The browser does not allow this page to use the microphone and camera. Allow them at the symbol beside the address." + unheard],
  ["the system denies the microphone", { audio: "NotAllowedError", message: "Permission denied by system" }, null, "video",
    "This device's settings do not allow the browser to use the microphone." + unheard],
  ["a page around this one keeps them", { audio: "NotAllowedError", video: "NotAllowedError", framed: true }, null, null,
    "The page around this one does not pass the microphone and camera on. Open the link in a tab of its own." + unheard],
  ["there is no camera", { video: "NotFoundError" }, "audio", null, "No camera was found. You take part with sound only."],
  ["there is nothing at all", { audio: "NotFoundError", video: "NotFoundError" }, null, null,
    "No microphone and no camera were found. Connect a microphone and try again." + unheard],
  ["another program has the microphone", { audio: "NotReadableError" }, null, "video",
    "Another program seems to be using the microphone. Close it and try again." + unheard],
  ["the microphone is missing and the camera busy", { audio: "NotFoundError", video: "AbortError" }, null, null,
    "No microphone was found. Connect one and try again." + unheard + " Another program seems to be using the camera. Close it and try again."],
  ["the page came without https", { media: false, secure: false }, null, null,
    "This page was not opened over https, so the browser gives no microphone. Put https:// in front of the address, or ask for such a link." + unheard],
  ["the browser has no such thing", { media: false }, null, null,
    "This browser cannot use a microphone. Try a current Chrome, Edge, Firefox or Safari." + unheard],
];
for (const [name, how, mic, cam, words] of failures) {
  test(`when ${name}, what is there is used and the rest is told`, async () => {
    machine(how);
    const { microphone, camera, problem } = await capture(both);
    assert.deepEqual([microphone?.kind ?? null, camera?.kind ?? null, problem], [mic, cam, words]);
  });
}

test("a device that was chosen before is wished for, and another is taken when it is gone", async () => {
  machine();
  remember("microphone", "m7");
  await capture(both);
  assert.deepEqual(asked[0].audio.deviceId, { ideal: "m7" });
  assert.equal(asked[0].video.facingMode, "user");
});

test("a device that is chosen now is taken, or nothing", async () => {
  machine({ audio: "NotReadableError" });
  const { track, problem } = await captureOne("microphone", { id: "m2" });
  assert.deepEqual(asked[0].audio.deviceId, { exact: "m2" });
  assert.deepEqual([track, problem], [null, "Another program seems to be using the microphone. Close it and try again."]);
});

test("a microphone that was pulled out gives way to another", async () => {
  machine();
  const { track, problem } = await replacement();
  assert.equal(track.kind, "audio");
  assert.equal(problem, "The microphone was disconnected. “Desk” is used now.");
});

test("without another microphone nobody is asked, and it is told", async () => {
  machine();
  microphones = [];
  const { track, problem } = await replacement();
  assert.deepEqual([track, problem, asked.length], [null, "The microphone was disconnected. Nobody hears you now.", 0]);
});

test("one microphone is listed once, whatever else the system calls it", async () => {
  machine();
  const devices = await list();
  assert.deepEqual(devices.microphone.map((d) => d.deviceId), ["m1"]);
  assert.deepEqual([devices.camera.length, devices.speaker.length], [0, 1]);
});

test("a browser without devices lists none", async () => {
  machine({ media: false });
  assert.deepEqual(await list(), { microphone: [], camera: [], speaker: [] });
});

for (const [facing, other] of [["user", "environment"], ["environment", "user"], [undefined, null]]) {
  test(`the other side of ${facing ?? "a desk's camera"} is ${other}`, () => assert.equal(otherSide({ getSettings: () => ({ facingMode: facing }) }), other));
}
