import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

const { Meter } = await import("../js/meter.js");

let now, read, stopped, told, meter;
performance.now = () => now;

const track = () => ({ enabled: false, clone: () => ({ enabled: false, stop: () => { stopped = true; } }) });

beforeEach(() => {
  [now, stopped, told] = [1000, false, []];
  meter = new Meter({
    level: (level) => told.push(["level", level]),
    silent: (silent) => told.push(["silent", silent]),
    talking: (talking) => told.push(["talking", talking]),
  }, undefined, (ear, callback) => {
    assert.equal(ear.enabled, true, "the clone hears although the track is muted");
    read = callback;
    return { close() {} };
  });
});

afterEach(() => meter.close());

/** A level for some time, read every 100 ms. */
function hear(level, ms) {
  for (const end = now + ms; now < end; now += 100) read(level);
}
const said = (what) => told.filter(([kind]) => kind === what).map(([, value]) => value);

test("who speaks while muted is told so, once", () => {
  meter.follow(track(), true);
  hear(0.002, 2000);
  hear(0.1, 3000);
  assert.deepEqual(said("talking"), [true]);
});

test("a cough is not speech", () => {
  meter.follow(track(), true);
  hear(0.002, 2000);
  hear(0.2, 300);
  hear(0.002, 2000);
  assert.deepEqual(said("talking"), []);
});

test("a noisy room is not speech", () => {
  meter.follow(track(), true);
  hear(0.03, 20_000);
  assert.deepEqual(said("talking"), []);
});

test("the word is taken back after a pause, and when unmuted", () => {
  const mic = track();
  meter.follow(mic, true);
  hear(0.002, 1000);
  hear(0.1, 1000);
  hear(0.002, 5000);
  assert.deepEqual(said("talking"), [true, false]);
  hear(0.1, 1000);
  meter.follow(mic, false);
  assert.deepEqual(said("talking"), [true, false, true, false]);
});

test("who is not muted is only metered", () => {
  meter.follow(track(), false);
  hear(0.002, 1000);
  hear(0.25, 2000);
  assert.deepEqual(said("talking"), []);
  assert.equal(said("level").at(-1), 0.5);
});

test("while muted no level is shown", () => {
  meter.follow(track(), true);
  hear(0.25, 1000);
  assert.deepEqual(said("level"), [0]);
});

test("exact silence for eight seconds is a dead microphone, until there is a sound", () => {
  meter.follow(track(), false);
  hear(0, 7500);
  assert.deepEqual(said("silent"), []);
  hear(0, 1500);
  assert.deepEqual(said("silent"), [true]);
  hear(0.001, 200);
  assert.deepEqual(said("silent"), [true, false]);
});

test("without a microphone nothing is metered and the clone is let go", () => {
  meter.follow(track(), false);
  meter.follow(null, false);
  assert.equal(stopped, true);
});
