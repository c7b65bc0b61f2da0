import assert from "node:assert/strict";
import { test } from "node:test";
import { Sending } from "../js/sending.js";

class Track extends EventTarget {
  enabled = true;
  stopped = false;
  constructor(kind) { super(); this.kind = kind; }
  stop() { this.stopped = true; }
}

class Screen {
  constructor(...tracks) { this.tracks = tracks; }
  getTracks() { return this.tracks; }
  getVideoTracks() { return this.tracks.filter((t) => t.kind === "video"); }
  getAudioTracks() { return this.tracks.filter((t) => t.kind === "audio"); }
}

function sending() {
  const seen = { lines: {}, states: [], problems: [] };
  const s = new Sending({
    track: async (kind, track) => { seen.lines[kind] = track; },
    changed: (state) => seen.states.push(state),
    problem: (text) => seen.problems.push(text),
  });
  return { s, seen, last: () => seen.states.at(-1) };
}

test("a muted microphone stays open and gives silence", async () => {
  const { s, last } = sending();
  const mic = new Track("audio");
  await s.useMicrophone(mic);
  assert.deepEqual(last(), { audio: true, video: false, screen: false });
  await s.toggleMute();
  assert.equal(last().audio, false);
  assert.equal(mic.enabled, false);
  assert.equal(mic.stopped, false);
  await s.toggleMute();
  assert.equal(mic.enabled, true);
});

test("the space bar lifts the mute as long as it is held, and only the mute", async () => {
  const { s, seen, last } = sending();
  const mic = new Track("audio");
  assert.equal(s.talk(true), false, "without a microphone");
  await s.useMicrophone(mic);
  assert.equal(s.talk(true), false, "while nothing is muted");
  s.mute(true);
  assert.equal(s.talk(true), true);
  assert.equal(last().audio, true);
  assert.equal(mic.enabled, true);
  const told = seen.states.length;
  s.talk(true);
  assert.equal(seen.states.length, told, "a key that repeats says nothing new");
  s.talk(false);
  assert.equal(last().audio, false);
  assert.equal(s.muted, true);
});

test("somebody muted by the host while holding the space bar is muted", async () => {
  const { s, last } = sending();
  await s.useMicrophone(new Track("audio"));
  s.mute(true);
  s.talk(true);
  s.mute(true);
  assert.equal(last().audio, false);
});

test("another microphone takes the place of the one before, and is as muted as that was", async () => {
  const { s, seen } = sending();
  const [first, second] = [new Track("audio"), new Track("audio")];
  await s.useMicrophone(first);
  s.mute(true);
  await s.useMicrophone(second);
  assert.equal(first.stopped, true);
  assert.equal(second.enabled, false);
  assert.equal(seen.lines.mic, second);
});

test("a camera that is switched off is let go", async () => {
  const { s, seen, last } = sending();
  const camera = new Track("video");
  await s.useCamera(camera);
  assert.equal(last().video, true);
  await s.toggleCamera();
  assert.equal(camera.stopped, true);
  assert.equal(seen.lines.camera, null);
  assert.equal(last().video, false);
});

test("a screen that the browser stops sharing is over for everybody, its sound too", async () => {
  const { s, seen, last } = sending();
  const [video, audio] = [new Track("video"), new Track("audio")];
  await s.useScreen(new Screen(video, audio));
  assert.deepEqual([seen.lines.screen, seen.lines["screen-audio"]], [video, audio]);
  video.dispatchEvent(new Event("ended"));
  await new Promise(setImmediate);
  assert.equal(last().screen, false);
  assert.equal(audio.stopped, true);
  assert.deepEqual([seen.lines.screen, seen.lines["screen-audio"]], [null, null]);
});

test("leaving lets everything go", async () => {
  const { s } = sending();
  const tracks = [new Track("audio"), new Track("video"), new Track("video")];
  await s.useMicrophone(tracks[0]);
  await s.useCamera(tracks[1]);
  await s.useScreen(new Screen(tracks[2]));
  s.close();
  assert.ok(tracks.every((t) => t.stopped));
});
