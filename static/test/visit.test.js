import assert from "node:assert/strict";
import { test } from "node:test";
import { recall, store, Visit } from "../js/visit.js";

/** A sessionStorage of one tab. */
class Tab {
  #items = new Map();
  get length() { return this.#items.size; }
  key(i) { return [...this.#items.keys()][i] ?? null; }
  getItem(key) { return this.#items.get(key) ?? null; }
  setItem(key, value) { this.#items.set(key, value); }
  removeItem(key) { this.#items.delete(key); }
}

test("a reload remembers who we were and what was dialled", () => {
  const tab = new Tab();
  const first = new Visit("r", tab, false);
  first.remember({ id: "p_1", token: "t", name: "Ada" });
  first.markDialled("610");
  const reloaded = new Visit("r", tab, true);
  assert.deepEqual(reloaded.memory, { id: "p_1", token: "t", name: "Ada" });
  assert.equal(reloaded.dialled("610"), true);
  assert.equal(reloaded.dialled("611"), false);
});

test("the link clicked again in the same tab is a new visit", () => {
  const tab = new Tab();
  const first = new Visit("r", tab, false);
  first.remember({ id: "p_1", token: "t", name: "Ada" });
  first.markDialled("610");
  const again = new Visit("r", tab, false);
  assert.equal(again.memory, null);
  assert.equal(again.dialled("610"), false);
});

test("the link in another tab is a new visit", () => {
  new Visit("r", new Tab(), false).markDialled("610");
  assert.equal(new Visit("r", new Tab(), false).dialled("610"), false);
});

test("rooms do not share their memory, whatever they are called", () => {
  const tab = new Tab();
  new Visit("r", tab, false).markDialled("610");
  new Visit("r:dialled:610", tab, false).markDialled("611");
  assert.equal(new Visit("r", tab, true).dialled("610"), true);
  assert.equal(new Visit("r:dialled:610", tab, true).dialled("610"), false);
});

test("after leaving nobody is resumed, and what was dialled stays dialled", () => {
  const visit = new Visit("r", new Tab(), false);
  visit.remember({ id: "p_1", token: "t", name: "Ada" });
  visit.markDialled("610");
  visit.forget();
  assert.equal(visit.memory, null);
  assert.equal(visit.dialled("610"), true);
});

test("who left, came back and reloads is still known to have been both", () => {
  const tab = new Tab();
  const visit = new Visit("r", tab, false);
  for (const id of ["p_1", "p_2"]) {
    visit.remember({ id, token: "t", name: "Ada" });
    visit.forget();
  }
  for (const v of [visit, new Visit("r", tab, true)]) assert.deepEqual(["p_1", "p_2", "p_3", ""].map((id) => v.was(id)), [true, true, false, false]);
  assert.equal(new Visit("r", tab, false).was("p_1"), false, "a new click is a new visit");
});

test("spoiled memory is no memory", () => {
  const tab = new Tab();
  for (const spoiled of ["", "{", "null", "7", '{"token":1}']) {
    tab.setItem("dialroom:r", spoiled);
    assert.equal(new Visit("r", tab, true).memory, null);
  }
});

test("a browser that forbids storage still gets a visit", () => {
  const visit = new Visit("r", null, true);
  visit.remember({ id: "p_1", token: "t", name: "Ada" });
  visit.markDialled("610");
  visit.forget();
  assert.equal(visit.memory, null);
});

test("what was switched off is off after a reload, and forgotten by a new visit", () => {
  const tab = new Tab();
  const first = new Visit("r", tab, false);
  assert.deepEqual(first.switches, { muted: false });
  first.switched({ muted: true });
  first.switched({ camera: false });
  assert.deepEqual(new Visit("r", tab, true).switches, { muted: true, camera: false });
  assert.deepEqual(new Visit("r", tab, false).switches, { muted: false });
});

test("a browser that keeps nothing asks again", () => {
  assert.equal(recall("name"), ""); // there is no localStorage here
  store("name", "Ada");
  assert.deepEqual(new Visit("r", null, true).switches, { muted: false });
});
