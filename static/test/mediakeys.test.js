import assert from "node:assert/strict";
import { test } from "node:test";
import { MediaKeys } from "../js/mediakeys.js";

const browser = (mediaSession) => Object.defineProperty(globalThis, "navigator", { value: { mediaSession }, configurable: true });

test("the browser's own buttons mute, switch the camera and leave, show how things stand, and go with the room", () => {
  const [buttons, shown, pressed] = [new Map(), {}, []];
  browser({
    setActionHandler: (action, press) => (press ? buttons.set(action, press) : buttons.delete(action)),
    setMicrophoneActive: (on) => (shown.microphone = on),
    setCameraActive: (on) => (shown.camera = on),
  });
  const keys = new MediaKeys({ mute: () => pressed.push("mute"), camera: () => pressed.push("camera"), leave: () => pressed.push("leave") });
  for (const action of ["togglemicrophone", "togglecamera", "hangup"]) buttons.get(action)();
  assert.deepEqual(pressed, ["mute", "camera", "leave"]);
  keys.show({ audio: false, video: true, screen: false });
  assert.deepEqual(shown, { microphone: false, camera: true });
  keys.close();
  assert.equal(buttons.size, 0);
});

test("a browser without such buttons, or with others only, has none", () => {
  const refuses = { setActionHandler: () => { throw new TypeError("unknown action"); } };
  for (const session of [undefined, {}, refuses]) {
    browser(session);
    const keys = new MediaKeys({ mute() {}, camera() {}, leave() {} });
    keys.show({ audio: true, video: true, screen: false });
    keys.close();
  }
});
