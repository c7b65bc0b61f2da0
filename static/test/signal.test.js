import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Signal } from "../js/signal.js";
import { Clock } from "./clock.js";

/** The server's end of the page's sockets. */
class FakeSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static all = [];
  readyState = FakeSocket.CONNECTING;
  sent = [];
  constructor() { FakeSocket.all.push(this); }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }
  open() { this.readyState = FakeSocket.OPEN; this.onopen?.(); }
  say(message) { this.onmessage?.({ data: JSON.stringify(message) }); }
  die(code = 1006, reason = "") { this.readyState = 3; this.onclose?.({ code, reason }); }
}

const welcome = { type: "welcome", id: "p_1", resume: "token-1", room: "r" };
const random = Math.random;
let clock, states, messages, refusals, joins, signal;

const latest = () => FakeSocket.all.at(-1);

beforeEach(() => {
  clock = new Clock();
  clock.install();
  Math.random = () => 1; // the longest wait
  globalThis.WebSocket = FakeSocket;
  FakeSocket.all = [];
  [states, messages, refusals, joins] = [[], [], [], 0];
  signal = new Signal("ws://x/ws", { room: "r", name: "Ada" }, {
    state: (s) => states.push(s),
    joined: () => joins++,
    message: (m) => messages.push(m),
    refused: (why) => refusals.push(why),
  });
});

afterEach(() => {
  signal.close();
  clock.uninstall();
  Math.random = random;
});

test("it joins as soon as the socket opens", () => {
  latest().open();
  assert.deepEqual(latest().sent, [{ type: "join", room: "r", name: "Ada" }]);
  assert.equal(joins, 1);
  assert.equal(signal.welcomed, false);
});

test("it is connected with the welcome", () => {
  latest().open();
  latest().say(welcome);
  assert.deepEqual(states, ["connecting", "connected"]);
  assert.equal(signal.welcomed, true);
  assert.deepEqual(messages, [welcome]);
});

test("a lost socket is followed by another that resumes", () => {
  latest().open();
  latest().say(welcome);
  latest().die();
  assert.equal(states.at(-1), "reconnecting");
  assert.equal(signal.send({ type: "ping" }), false);
  clock.tick(300);
  latest().open();
  assert.deepEqual(latest().sent, [{ type: "join", room: "r", name: "Ada", resume: "token-1" }]);
});

test("waits double up to eight seconds and start over after a welcome", () => {
  for (const wait of [300, 600, 1200, 2400, 4800, 8000, 8000]) {
    const count = FakeSocket.all.length;
    latest().die();
    clock.tick(wait - 1);
    assert.equal(FakeSocket.all.length, count);
    clock.tick(1);
    assert.equal(FakeSocket.all.length, count + 1);
  }
  latest().open();
  latest().say(welcome);
  latest().die();
  const count = FakeSocket.all.length;
  clock.tick(300);
  assert.equal(FakeSocket.all.length, count + 1);
});

test("a socket on which nothing comes after a ping is given up", () => {
  latest().open();
  latest().say(welcome);
  clock.tick(10_000);
  assert.deepEqual(latest().sent.at(-1), { type: "ping" });
  latest().say({ type: "pong" });
  clock.tick(10_000);
  assert.equal(states.at(-1), "connected");
  clock.tick(10_000);
  assert.equal(states.at(-1), "reconnecting");
});

test("a socket that never opens is given up", () => {
  clock.tick(8000 + 300);
  assert.equal(FakeSocket.all.length, 2);
});

test("a changed network opens a socket at once instead of waiting", () => {
  latest().die();
  signal.check();
  assert.equal(FakeSocket.all.length, 2);
  clock.tick(300);
  assert.equal(FakeSocket.all.length, 2);
});

test("a visit that goes on elsewhere does not come back", () => {
  latest().open();
  latest().say(welcome);
  latest().die(4001, "this visit continues in another window");
  clock.tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual(refusals, [{ code: "elsewhere", text: "This visit goes on in another window." }]);
});

test("a room that is full says so and is not tried again", () => {
  latest().open();
  latest().say({ type: "error", code: "room-full", text: "The room is full." });
  latest().die(1008, "The room is full.");
  clock.tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual(refusals, [{ code: "room-full", text: "The room is full. Try again when somebody has left." }]);
});

test("a page that is shut out is told so, without the server's shorthand", () => {
  latest().open();
  latest().die(1008, "too many messages");
  assert.deepEqual(refusals, [{ code: "refused", text: "The server does not let this page in." }]);
});

test("who was taken out stays out", () => {
  latest().open();
  latest().die(4003, "removed");
  clock.tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
  assert.equal(refusals[0].code, "removed");
});

test("sockets that lead to no welcome are counted until one does", () => {
  latest().open();
  latest().die(1006, "");
  clock.tick(300);
  latest().die(1006, "");
  assert.equal(signal.failures, 2);
  clock.tick(600);
  latest().open();
  latest().say({ type: "welcome", id: "p_1", resume: "t", room: "r" });
  assert.equal(signal.failures, 0);
});

test("a restarting server is tried again", () => {
  latest().open();
  latest().die(1001, "the server is shutting down");
  clock.tick(300);
  assert.equal(FakeSocket.all.length, 2);
});

test("what is no JSON is passed over", () => {
  latest().open();
  latest().onmessage({ data: "{" });
  latest().say(welcome);
  assert.equal(states.at(-1), "connected");
});

test("leaving says so and ends it, twice is once", () => {
  latest().open();
  const socket = latest();
  signal.close();
  signal.close();
  assert.deepEqual(socket.sent.at(-1), { type: "leave" });
  assert.deepEqual(states, ["connecting", "left"]);
  clock.tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
});
