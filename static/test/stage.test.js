import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { Clock } from "./clock.js";
import { Element, install } from "./dom.js";

install();
globalThis.Element ??= Element;
globalThis.MediaStream = class {};
globalThis.devicePixelRatio = 2;
globalThis.innerWidth = 1280;

let frames, resize;
globalThis.requestAnimationFrame = (call) => frames.push(call);
globalThis.ResizeObserver = class {
  constructor(call) { resize = (width, height) => call([{ contentRect: { width, height } }]); }
  observe() {}
  disconnect() {}
};

const { Stage } = await import("../js/stage.js");
const { People } = await import("../js/people.js");

/** A list that can be put in order, and elements with places of their own. */
class Tiles extends Element {
  insertBefore(node, before) {
    node.parent = this;
    this.children.splice(this.children.indexOf(before), 0, node);
  }
}

let clock, list, stage, arranged;
const frame = () => frames.splice(0).forEach((call) => call());
const keys = () => list.children.map((tile) => tile.dataset.participant ?? tile.key);
const who = (id, more = {}) => ({ id, name: id, kind: "browser", audio: true, video: false, screen: false, ...more });

function tile(key) {
  const element = new Element("li");
  element.key = key;
  return Object.assign(element, { style: {}, querySelectorAll: () => [] });
}

beforeEach(() => {
  clock = new Clock();
  clock.install();
  [frames, arranged] = [[], 0];
  list = new Tiles("ul");
  stage = new Stage(list, () => arranged++);
  resize(1200, 700);
  frame();
});
afterEach(() => {
  stage.close();
  clock.uninstall();
});

test("phones come first, then screens, then people as they came, and ourselves last", () => {
  for (const [key, kind] of [["me", "own"], ["a", "person"], ["s", "screen"], ["c", "phone"], ["b", "person"], ["d", "phone"]]) stage.put(key, kind, tile(key));
  assert.deepEqual(keys(), ["c", "d", "s", "a", "b", "me"]);
  stage.drop("a");
  assert.deepEqual(keys(), ["c", "d", "s", "b", "me"]);
});

test("a crowd that comes at once is arranged once", () => {
  arranged = 0;
  for (let i = 0; i < 25; i++) stage.put("p" + i, "person", tile("p" + i));
  assert.equal(frames.length, 1);
  frame();
  assert.equal(arranged, 1);
  assert.ok(stage.width("p7") > 100);
});

test("people come and go in a page nobody looks at, too", () => {
  document.hidden = true;
  stage.put("a", "person", tile("a"));
  assert.equal(frames.length, 0);
  clock.tick(10);
  assert.ok(stage.width("a") > 0);
  document.hidden = false;
});

test("a shared screen is large until somebody makes it small", () => {
  for (const [key, kind] of [["a", "person"], ["me", "own"], ["s", "screen"]]) stage.put(key, kind, tile(key));
  assert.equal(stage.main, "s");
  stage.pin("s");
  assert.equal(stage.main, "");
  stage.pin("s");
  assert.equal(stage.main, "s");
});

test("what is pinned goes before a screen, and an open keypad before both", () => {
  for (const [key, kind] of [["c", "phone"], ["a", "person"], ["me", "own"], ["s", "screen"]]) stage.put(key, kind, tile(key));
  stage.pin("a");
  assert.equal(stage.main, "a");
  stage.focus("c");
  assert.deepEqual([stage.main, stage.pinned], ["c", "a"]);
  stage.focus("");
  assert.equal(stage.main, "a");
});

test("who is pinned and leaves is pinned no more", () => {
  for (const [key, kind] of [["a", "person"], ["me", "own"]]) stage.put(key, kind, tile(key));
  stage.pin("a");
  stage.drop("a");
  assert.equal(stage.main, "");
});

test("an open keypad has all of a telephone's screen", () => {
  resize(366, 640);
  for (const [key, kind] of [["c", "phone"], ["a", "person"], ["b", "person"], ["me", "own"]]) stage.put(key, kind, tile(key));
  stage.focus("c");
  frame();
  assert.equal(stage.width("c"), 366);
  assert.equal(list.classList.contains("one-thing"), true);
});

/** People on a stage that shows every tile 100 pixels wide. */
function people() {
  const shown = new Map();
  const fake = {
    main: "", pinned: "", shown,
    put: (key, kind) => shown.set(key, kind),
    drop: (key) => shown.delete(key),
    pin() {},
    width: (key) => (shown.has(key) ? 100 : 0),
  };
  const all = new People(fake, () => {});
  all.reset("me", [who("me"), who("a", { video: true }), who("b", { video: true, screen: true }), who("c"), who("p", { kind: "phone" })]);
  return { all, fake };
}

test("everybody has a tile, shared screens too, and phones have theirs elsewhere", () => {
  const { all, fake } = people();
  assert.deepEqual([...fake.shown], [["me", "own"], ["a", "person"], ["b", "person"], ["b screen", "screen"], ["c", "person"]]);
  assert.equal(all.count, 5);
  all.put(who("b", { video: true }));
  all.remove("a");
  assert.deepEqual([...fake.shown.keys()], ["me", "b", "c"]);
});

test("our own screen has no tile: it would show itself without end", () => {
  const { all, fake } = people();
  all.mine({ audio: true, video: false, screen: true });
  assert.equal(fake.shown.has("me screen"), false);
});

test("screens are wanted first, then the large tile, then who spoke last", () => {
  const { all, fake } = people();
  all.put(who("c", { video: true }));
  all.speaking(new Set(["a"]));
  all.speaking(new Set(["c"]));
  const ids = () => all.wanted(true).map(({ id, kind }) => `${id} ${kind}`);
  assert.deepEqual(ids(), ["b screen", "c camera", "a camera", "b camera"]);
  fake.main = "a";
  assert.deepEqual(ids(), ["b screen", "a camera", "c camera", "b camera"]);
  assert.equal(all.wanted(true)[0].width, 200);
});

test("a page that nobody looks at wants no pictures", () => {
  const { all } = people();
  assert.deepEqual(all.wanted(false), []);
});

/** Small windows as browsers have them; the page has at most one. */
function windows() {
  document.body = new Element("body");
  document.pictureInPictureElement = null;
  document.exitPictureInPicture = async () => (document.pictureInPictureElement = null);
  globalThis.MediaStream = class { constructor(tracks) { this.tracks = tracks; } };
  Element.prototype.play = async () => {};
  Element.prototype.requestPictureInPicture = async function () {
    document.pictureInPictureElement = this;
    this.dispatchEvent({ type: "enterpictureinpicture", pictureInPictureWindow: { width: 300 } });
  };
  return () => document.pictureInPictureElement?.srcObject.tracks[0] ?? "";
}

test("the small window shows who speaks, and asks for their picture alone when nobody looks at the page", async () => {
  const { all, fake } = people();
  const shown = windows();
  const pictures = new Map();
  const flow = () => all.pictures((id, kind) => pictures.get(id + " " + kind) ?? null);
  all.put(who("b", { video: true })); // no longer shares a screen
  assert.equal(await all.window(), false, "there is no picture yet");
  pictures.set("a camera", "Ann").set("b camera", "Bob");
  flow();
  all.speaking(new Set(["b"]));
  assert.equal(await all.window(), true);
  assert.equal(shown(), "Bob");
  all.speaking(new Set([]));
  all.speaking(new Set(["a", "b"]));
  assert.equal(shown(), "Bob", "who is in it stays while they speak, too");
  all.speaking(new Set(["a"]));
  assert.equal(shown(), "Ann");
  assert.deepEqual(all.wanted(false), [{ id: "a", kind: "camera", width: 600 }]);

  pictures.delete("b camera"); // nobody has asked for it while the page was hidden
  flow();
  all.speaking(new Set(["b"]));
  assert.equal(shown(), "Ann", "until Bob's picture comes");
  assert.deepEqual(all.wanted(false).map(({ id }) => id), ["b"]);
  pictures.set("b camera", "Bob again");
  flow();
  assert.equal(shown(), "Bob again");

  all.put(who("c", { screen: true }));
  fake.main = "c screen";
  pictures.set("c screen", "slides");
  flow();
  assert.equal(shown(), "slides", "a shared screen goes before faces");
  await all.window();
  assert.equal(shown(), "");
});

test("the small window of one person's tile shows that person until their picture ends", async () => {
  const { all } = people();
  const shown = windows();
  all.pictures((id) => (id === "me" ? null : id));
  await all.window("a");
  all.speaking(new Set(["b"]));
  assert.equal(shown(), "a");
  all.put(who("a"));
  all.pictures((id) => id);
  assert.equal(shown(), "b");
});

test("who comes back after a lost connection finds the room as it is", () => {
  const { all, fake } = people();
  all.reset("me", [who("me"), who("c"), who("d")]);
  assert.deepEqual([...fake.shown.keys()], ["me", "c", "d"]);
});
