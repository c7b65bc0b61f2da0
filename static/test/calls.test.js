import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Clock } from "./clock.js";
import { install } from "./dom.js";

install();
const { Calls } = await import("../js/calls.js");

let clock, stage, sent, ringback, problems, online, calls;

/** A room whose link has a number; `dialled` is what the visit remembers. */
function room({ number = "610", trunk = "", microphone = true, dialled = [] } = {}) {
  stage = fakeStage();
  [sent, ringback, problems, online] = [[], [], [], true];
  const remembered = new Set(dialled);
  calls = new Calls({
    stage, number, trunk, microphone,
    visit: { dialled: (n) => remembered.has(n), markDialled: (n) => remembered.add(n) },
    send: (m) => online && sent.push(m) > 0,
    sound: { ringback: (on) => ringback.push(on), key() {}, allow() {} },
    problem: (text) => problems.push(text),
    changed() {},
  });
}

/** A stage that keeps the tiles in the order they came. */
function fakeStage() {
  const tiles = new Map();
  return {
    tiles, pinned: "", focused: "",
    put(key, kind, element) {
      assert.equal(kind, "phone");
      tiles.set(key, element);
    },
    drop(key) { tiles.delete(key); },
    focus(key) { this.focused = key; },
    pin(key) { this.pinned = key; },
  };
}

const cards = () => [...stage.tiles.values()].map((tile) => tile.byTestId("call-state"));
const card = (i = 0) => cards()[i];
const state = (i = 0) => card(i).dataset.state;
const words = (i = 0) => card(i).byTestId("call-text").textContent;
const call = (state, more = {}) => calls.update({ id: "c_1", number: "610", state, ...more });

beforeEach(() => {
  clock = new Clock();
  clock.install();
});
afterEach(() => {
  calls.close();
  clock.uninstall();
});

test("with a microphone the number is dialled once, as soon as media flows", () => {
  room({ trunk: "tr_1" });
  assert.deepEqual(sent, []);
  calls.ready = true;
  calls.ready = true;
  calls.microphone = true;
  assert.deepEqual(sent, [{ type: "dial", number: "610", trunk: "tr_1" }]);
});

test("a link without a number dials nothing and has no card", () => {
  room({ number: "" });
  calls.ready = true;
  assert.deepEqual(sent, []);
  assert.equal(cards().length, 0);
});

test("without a microphone nothing is dialled until the button is pressed", () => {
  room({ microphone: false });
  calls.ready = true;
  assert.deepEqual(sent, []);
  card().button("Call 610").click();
  assert.deepEqual(sent, [{ type: "dial", number: "610" }]);
});

test("a press before media flows is kept until it does", () => {
  room({ microphone: false });
  card().button("Call 610").click();
  assert.deepEqual(sent, []);
  calls.ready = true;
  assert.deepEqual(sent, [{ type: "dial", number: "610" }]);
});

test("a microphone granted later dials too", () => {
  room({ microphone: false });
  calls.ready = true;
  calls.microphone = true;
  assert.equal(sent.length, 1);
});

test("a reload dials nothing and offers to call again", () => {
  room({ dialled: ["610"] });
  calls.reset([]);
  calls.ready = true;
  assert.deepEqual(sent, []);
  assert.equal(state(), "ended");
  card().button("Call again").click();
  assert.deepEqual(sent, [{ type: "dial", number: "610", again: true }]);
});

test("a reload during a call shows the call and its time", () => {
  room({ dialled: ["610"] });
  calls.reset([{ id: "c_1", number: "610", state: "answered", answeredAt: Date.now() - 65_000 }]);
  calls.ready = true;
  assert.equal(state(), "answered");
  assert.equal(card().byTestId("call-clock").textContent, "1:05");
  assert.equal(cards().length, 1);
});

test("the card shows every state of the protocol", () => {
  room();
  calls.ready = true;
  for (const s of ["dialing", "ringing", "early", "answered"]) {
    call(s);
    assert.equal(state(), s);
    assert.ok(card().button("Hang up"), s);
    assert.equal(card().button("Call again"), undefined);
  }
  call("ended", { reason: "busy", text: "The line is busy." });
  assert.equal(state(), "ended");
  assert.equal(card().dataset.reason, "busy");
  assert.match(words(), /^The line is busy\./);
  assert.equal(card().button("Hang up"), undefined);
  assert.ok(card().button("Call again"));
});

test("the canonical number takes over the card of the number as it was written", () => {
  room({ number: "0049 30 123456" });
  calls.ready = true;
  call("dialing", { number: "+4930123456" });
  assert.equal(cards().length, 1);
  assert.equal(words(), "Calling…");
});

test("a refusal is told in words", () => {
  room();
  calls.ready = true;
  call("refused", { id: "", reason: "not-allowed" });
  assert.equal(state(), "refused");
  assert.equal(words(), "This number is not one this site may call.");
});

test("who comes second sees the running call and no refusal", () => {
  room();
  calls.reset([{ id: "c_1", number: "610", state: "ringing" }]);
  calls.ready = true;
  calls.update({ id: "", number: "610", state: "refused", reason: "already-dialed" });
  assert.equal(cards().length, 1);
  assert.equal(state(), "ringing");
});

test("calling again uses the same card", () => {
  room();
  calls.ready = true;
  call("ended", { reason: "no-answer" });
  card().button("Call again").click();
  assert.equal(state(), "waiting");
  calls.update({ id: "c_2", number: "610", state: "dialing" });
  assert.equal(cards().length, 1);
  card().button("Hang up").click();
  assert.deepEqual(sent.at(-1), { type: "hangup", call: "c_2" });
});

test("a call that a script placed gets a card of its own", () => {
  room();
  calls.ready = true;
  call("answered");
  calls.update({ id: "c_9", number: "+4930123456", state: "dialing" });
  assert.equal(cards().length, 2);
  assert.equal(state(0), "answered");
  assert.equal(state(1), "dialing");
});

test("another call of the room does not take the card of ours", () => {
  room();
  calls.reset([{ id: "c_9", number: "+4930123456", state: "answered" }]);
  calls.ready = true;
  assert.equal(state(0), "waiting");
  assert.equal(state(1), "answered");
  call("dialing");
  assert.equal(state(0), "dialing");
  assert.equal(cards().length, 2);
});

test("a number that the server writes quite differently is ours still", () => {
  room({ number: "６１０" });
  calls.ready = true;
  call("dialing");
  assert.equal(cards().length, 1);
  assert.equal(state(), "dialing");
});

test("calls that ended before we came are no news", () => {
  room({ number: "" });
  calls.reset([{ id: "c_1", number: "610", state: "ended", reason: "busy" }]);
  assert.equal(cards().length, 0);
});

test("ringback plays while it rings, and never over the network's own sound", () => {
  room();
  calls.ready = true;
  const heard = {};
  for (const s of ["dialing", "ringing", "early", "answered", "ended"]) {
    call(s);
    heard[s] = ringback.at(-1);
  }
  assert.deepEqual(heard, { dialing: false, ringing: true, early: false, answered: false, ended: false });
});

test("no ringback for a second phone while the first is talked to", () => {
  room();
  calls.ready = true;
  call("answered");
  calls.update({ id: "c_9", number: "611", state: "ringing" });
  assert.equal(ringback.at(-1), false);
});

test("keys are sent one by one, pressed or typed", () => {
  room();
  calls.ready = true;
  call("answered");
  card().button("Keypad").click();
  card().button("4").click();
  document.type("#");
  document.type("x");
  assert.deepEqual(sent.slice(1), [
    { type: "dtmf", call: "c_1", digits: "4" },
    { type: "dtmf", call: "c_1", digits: "#" },
  ]);
  assert.equal(card().byTestId("digits").textContent, "4#");
});

test("digits typed with the keypad closed are nobody's", () => {
  room();
  calls.ready = true;
  call("answered");
  document.type("5");
  assert.equal(sent.length, 1);
});

test("a lost dial is not waited for for ever", () => {
  room();
  calls.ready = true;
  assert.equal(state(), "waiting");
  clock.tick(10_000);
  assert.equal(state(), "ended");
  assert.ok(card().button("Call again"));
});

test("a call that a restarted server does not know is over", () => {
  room();
  calls.ready = true;
  call("answered");
  calls.reset([]);
  assert.equal(state(), "ended");
});

test("calling again without a connection says so", () => {
  room();
  calls.ready = true;
  call("ended", { reason: "busy" });
  online = false;
  card().button("Call again").click();
  assert.equal(problems.length, 1);
  assert.equal(state(), "ended");
});

test("a card that is over can be closed", () => {
  room();
  calls.ready = true;
  call("ended", { reason: "busy" });
  card().button("Close").click();
  assert.equal(cards().length, 0);
});

test("a number somebody has typed is dialled at once, and told apart from the link's", () => {
  room();
  calls.ready = true;
  call("answered");
  calls.add("+4930123456");
  assert.deepEqual(sent.at(-1), { type: "dial", number: "+4930123456", add: true });
  assert.equal(state(1), "waiting");
  calls.update({ id: "c_2", number: "+4930123456", state: "ringing" });
  assert.equal(cards().length, 2);
});

test("a number that is being called already is not called twice", () => {
  room();
  calls.ready = true;
  call("ringing");
  calls.add("610");
  assert.equal(sent.length, 1);
});

test("typing a number whose call is over calls it again", () => {
  room({ number: "" });
  calls.reset([]);
  calls.add("611");
  calls.update({ id: "c_1", number: "611", state: "dialing" });
  calls.update({ id: "c_1", number: "611", state: "ended", reason: "busy" });
  calls.add("611");
  assert.deepEqual(sent.at(-1), { type: "dial", number: "611", again: true, add: true });
  assert.equal(cards().length, 1);
});

test("a call that comes in is worded as one", () => {
  room({ number: "" });
  calls.update({ id: "c_3", number: "+4930123456", state: "ringing", direction: "in" });
  assert.equal(words(), "Calling this room…");
  assert.equal(card().getAttribute("aria-label"), "Phone call from +4930123456");
  calls.update({ id: "c_3", number: "+4930123456", state: "ended", reason: "hangup-phone", direction: "in" });
  assert.equal(words(), "The person on the phone hung up.");
  assert.ok(card().button("Call back"));
});

test("who hides the number cannot be called back", () => {
  room({ number: "" });
  calls.update({ id: "c_3", number: "", state: "answered", direction: "in" });
  assert.equal(card().getAttribute("aria-label"), "Phone call from Unknown number");
  calls.update({ id: "c_3", number: "", state: "ended", reason: "hangup-phone", direction: "in" });
  assert.equal(card().button("Call back"), undefined);
  assert.ok(card().button("Close"));
});

test("a phone with a name shows it, and its number below", () => {
  room();
  calls.ready = true;
  call("answered");
  calls.person({ id: "p_9", name: "Front desk", kind: "phone", audio: true, video: false, screen: false, call: "c_1" });
  assert.equal(card().getAttribute("aria-label"), "Phone call to Front desk");
  assert.match(card().textContent, /Front desk.*610/);
});

test("an open keypad has the stage, until it is closed or the call ends", () => {
  room();
  calls.ready = true;
  call("answered");
  card().button("Keypad").click();
  assert.notEqual(stage.focused, "");
  card().button("Keypad").click();
  assert.equal(stage.focused, "");
  card().button("Keypad").click();
  call("ended", { reason: "busy" });
  assert.equal(stage.focused, "");
});

test("what is wrong with the line is said, and its figures are there for who asks", () => {
  room();
  calls.ready = true;
  call("answered");
  calls.quality({ call: "c_1", mos: 4.3, loss: 0, far_loss: 0, jitter: 10, far_jitter: 0 });
  assert.equal(card().byTestId("call-line").hidden, true);
  calls.quality({ call: "c_1", mos: 4.3, loss: 0, far_loss: 0, jitter: 10, far_jitter: 0, deaf: true });
  assert.equal(card().byTestId("call-line").textContent, "The phone does not hear this room.");
});

test("what is not a number is shown as it was written, and not called again", () => {
  room({ number: "12ab" });
  calls.ready = true;
  calls.update({ id: "", number: "", state: "refused", reason: "bad-number" });
  assert.equal(cards().length, 1);
  assert.equal(card().getAttribute("aria-label"), "Phone call to 12ab");
  assert.equal(words(), "This is not a phone number.");
  assert.equal(card().button("Call again"), undefined);
});

test("keys pressed on a phone are shown, those of one go together", () => {
  room();
  calls.ready = true;
  call("answered");
  calls.keys({ call: "c_1", digits: "4" });
  calls.keys({ call: "c_1", digits: "2" });
  clock.tick(9000);
  calls.keys({ call: "c_1", digits: "#" });
  calls.keys({ call: "c_unknown", digits: "9" });
  assert.deepEqual(problems, ["4", "42", "#"].map((digits) => `Pressed on the phone 610: ${digits}`));
});
