import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { install } from "./dom.js";

install();
const { Watch } = await import("../js/watch.js");

let shown, notices, now, people, watch, sent;

const ada = { id: "a", name: "Ada", kind: "browser", audio: true, video: false, screen: false };
const me = { ...ada, id: "me", name: "Me" };

beforeEach(() => {
  [shown, notices, people, sent] = [new Map(), new Map(), [ada, me], 0];
  now = { me: "me", connected: true, audio: true, systemMuted: false };
  watch = new Watch({
    health: () => Promise.reject(new Error("asked by tests only")),
    show: (id, quality) => shown.set(id, quality),
    people: () => people,
    now: () => now,
    notice: (key, text) => notices.set(key, text),
  });
});
afterEach(() => watch.close());

/** Readings of Ada's voice, two seconds apart: packets that came and were lost since the one before. */
function read(...deltas) {
  let [packets, lost] = [1000, 0];
  watch.take(health(packets, lost));
  for (const [came, gone] of deltas) watch.take(health((packets += came), (lost += gone)));
}
function health(packets, lost, more = {}) {
  return { rtt: 30, wanted: true, sent: (sent += 100), voices: new Map([["a", { packets, lost, jitter: 8 }]]), ...more };
}

test("a clean voice is good, with its figures", () => {
  watch.receive({ type: "uplink", id: "a", loss: 0, jitter: 5, rtt: 20 });
  read([100, 0], [100, 0]);
  const { grade, rtt, loss, jitter, problem } = shown.get("a");
  assert.deepEqual({ grade, rtt, loss, problem }, { grade: "good", rtt: 50, loss: 0, problem: undefined });
  assert.equal(Math.round(jitter), 8);
});

test("lasting loss is bad, a hiccup is not", () => {
  read([100, 0], [95, 5], [100, 0], [100, 0]);
  assert.equal(shown.get("a").grade, "good");
  read([75, 25], [75, 25], [75, 25], [75, 25]);
  assert.equal(shown.get("a").grade, "poor");
});

test("who is not muted and sends nothing is named", () => {
  read([100, 0], [0, 0], [0, 0]);
  assert.equal(shown.get("a").problem, undefined);
  read([100, 0], [0, 0], [0, 0], [0, 0]);
  assert.equal(shown.get("a").problem, "No sound arrives from Ada.");
  assert.equal(shown.get("a").grade, "poor");
});

test("who is muted is not expected to send", () => {
  people = [{ ...ada, audio: false }, me];
  read([0, 0], [0, 0], [0, 0], [0, 0]);
  assert.equal(shown.get("a"), null);
});

test("when the server hears nothing of us we are told, and told again when it does", () => {
  watch.receive({ type: "unheard", unheard: true });
  assert.match(notices.get("unheard"), /no packets are arriving/);
  watch.receive({ type: "unheard", unheard: false });
  assert.equal(notices.get("unheard"), "");
});

test("when nothing leaves the browser we are told without the server", () => {
  for (let i = 0; i < 3; i++) watch.take(health(1000, 0, { sent: 7 }));
  assert.equal(notices.get("unheard"), "");
  watch.take(health(1000, 0, { sent: 7 }));
  assert.match(notices.get("unheard"), /no packets are arriving/);
});

test("nothing needs to leave the browser while nobody listens, or while muted", () => {
  for (let i = 0; i < 6; i++) watch.take(health(1000, 0, { sent: 7, wanted: false }));
  assert.equal(notices.get("unheard"), "");
  now.audio = false;
  for (let i = 0; i < 6; i++) watch.take(health(1000, 0, { sent: 7 }));
  watch.receive({ type: "unheard", unheard: true });
  assert.equal(notices.get("unheard"), "");
});

test("a microphone that the device has muted is told apart", () => {
  now.systemMuted = true;
  watch.take(health(1000, 0));
  assert.match(notices.get("unheard"), /muted on this device/);
});

test("a bad way up is said once it lasts, and is ours", () => {
  watch.receive({ type: "uplink", id: "me", loss: 0.1, jitter: 30, rtt: 80 });
  watch.take(health(1000, 0));
  watch.take(health(1100, 0));
  assert.equal(notices.get("line"), "");
  watch.take(health(1200, 0));
  assert.match(notices.get("line"), /others may hear gaps/);
  assert.notEqual(shown.get("me").grade, "good");
  watch.receive({ type: "uplink", id: "me", loss: 0, jitter: 3, rtt: 30 });
  watch.take(health(1300, 0));
  assert.equal(notices.get("line"), "");
});

test("a bad way down is told apart from somebody else's bad way up", () => {
  watch.receive({ type: "uplink", id: "a", loss: 0.25, jitter: 5 });
  read(...Array(8).fill([75, 25]));
  assert.equal(notices.get("line"), "");
  watch.receive({ type: "uplink", id: "a", loss: 0, jitter: 5 });
  read(...Array(8).fill([75, 25]));
  assert.match(notices.get("line"), /you may hear gaps/);
});

test("another connection begins with a clean sheet", () => {
  watch.receive({ type: "unheard", unheard: true });
  watch.reset();
  assert.equal(notices.get("unheard"), "");
  watch.take(health(5, 0));
  watch.take(health(105, 0));
  assert.equal(shown.get("a").grade, "good");
});
