import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { install } from "./dom.js";

install();
const { Chat } = await import("../js/chat.js");
const { Participants } = await import("../js/participants.js");

beforeEach(() => {
  document.hidden = false;
  document.activeElement = null;
});

const line = (id, text, at = 0, name = id) => ({ id, name, text, at });

function chat() {
  const seen = { unread: [], news: [], sent: [] };
  const c = new Chat({ mine: (id) => id === "me" || id === "me before", send: (text) => { seen.sent.push(text); return true; }, unread: (n) => seen.unread.push(n), news: (l) => seen.news.push(l.text) });
  const texts = () => [...c.element.all()].filter((e) => e.getAttribute("class") === "chat-text").map((e) => e.textContent);
  return { c, seen, texts };
}

test("what was written before one came is there and is not unread", () => {
  const { c, seen, texts } = chat();
  c.reset([line("ann", "one", 1), line("bob", "two", 2)]);
  assert.deepEqual(texts(), ["one", "two"]);
  assert.deepEqual(seen.unread, []);
});

test("after a break only what came meanwhile is added, and counts as unread", () => {
  const { c, seen, texts } = chat();
  c.reset([line("ann", "one", 1)]);
  c.add(line("ann", "two", 2));
  c.reset([line("ann", "one", 1), line("ann", "two", 2), line("bob", "three", 3), line("me", "four", 4)]);
  assert.deepEqual(texts(), ["one", "two", "three", "four"]);
  assert.deepEqual(seen.unread, [1, 2]);
  assert.deepEqual(seen.news, ["two"]);
});

test("our own line is nothing new to us", () => {
  const { c, seen } = chat();
  c.reset([]);
  c.add(line("me", "hello", 1));
  assert.deepEqual([seen.unread, seen.news], [[], []]);
});

test("what we wrote before leaving and coming back is ours and nothing new", () => {
  const { c, seen } = chat();
  c.reset([]);
  c.reset([line("me before", "hello", 1, "Ada"), line("ann", "hi", 2)]);
  assert.deepEqual(seen.unread, [1]);
  assert.match(c.element.textContent, /Ada \(you\)/);
});

test("an open chat is read unless the page is hidden", () => {
  const { c, seen } = chat();
  c.reset([]);
  c.shown = true;
  c.add(line("ann", "one", 1));
  assert.deepEqual(seen.unread, []);
  document.hidden = true;
  c.add(line("ann", "two", 2));
  assert.deepEqual(seen.unread, [1]);
  document.hidden = false;
  c.look();
  assert.deepEqual(seen.unread, [1, 0]);
});

test("what somebody writes stays text", () => {
  const { c, texts } = chat();
  c.reset([]);
  c.add(line("ann", "<img src=x onerror=alert(1)>", 1, "<b>Ann</b>"));
  assert.deepEqual(texts(), ["<img src=x onerror=alert(1)>"]);
  assert.equal([...c.element.all()].some((e) => e.tag === "img"), false);
});

test("a chat that goes on for days stays small", () => {
  const { c, texts } = chat();
  c.reset([]);
  for (let i = 0; i < 1000; i++) c.add(line("ann", "line " + i, i));
  assert.equal(texts().length, 400);
  assert.equal(texts().at(-1), "line 999");
});

const person = (id, more = {}) => ({ id, name: id, kind: "browser", audio: true, video: false, screen: false, ...more });

function people(moderate) {
  const seen = { sent: [], said: [] };
  const p = new Participants({ send: (m) => { seen.sent.push(m); return true; }, changed: () => {}, say: (text) => seen.said.push(text) }, []);
  p.reset("me", [person("me"), person("ann"), person("+4930123456", { kind: "phone", call: "c_1" })], moderate);
  return { p, seen, rows: () => [...p.element.all()].filter((e) => e.tag === "li") };
}

test("a guest sees everybody and can switch off nobody", () => {
  const { p, rows } = people(false);
  assert.equal(rows().length, 3);
  assert.equal(p.count, 3);
  for (const name of ["Mute ann", "Remove ann", "Mute me", "Hang up +4930123456"]) assert.equal(p.element.button(name), undefined, name);
});

test("an owner mutes and removes others, phones too, and not oneself", () => {
  const { p, seen } = people(true);
  p.element.button("Mute ann").click();
  p.element.button("Mute +4930123456").click();
  assert.deepEqual(seen.sent, [{ type: "mute", id: "ann" }, { type: "mute", id: "+4930123456" }]);
  assert.ok(p.element.button("Remove ann"));
  assert.ok(p.element.button("Hang up +4930123456"));
  assert.equal(p.element.button("Mute me"), undefined);
  assert.equal(p.element.button("Remove me"), undefined);
});

test("a muted phone can be let speak again; a muted person decides alone", () => {
  const { p, seen } = people(true);
  p.put(person("ann", { audio: false }));
  p.put(person("+4930123456", { kind: "phone", audio: false }));
  assert.equal(p.element.button("Mute ann"), undefined);
  assert.equal(p.element.button("Let ann speak again"), undefined);
  p.element.button("Let +4930123456 speak again").click();
  assert.deepEqual(seen.sent, [{ type: "mute", id: "+4930123456", muted: false }]);
});

test("who comes and goes in a rush is told in one sentence each", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { p, seen } = people(false);
  p.put(person("bob"));
  p.put(person("bob", { audio: false }));
  t.mock.timers.tick(5000);
  for (let i = 0; i < 3; i++) p.put(person("x" + i));
  p.remove("ann");
  t.mock.timers.tick(5000);
  assert.deepEqual(seen.said, ["bob has joined.", "3 people have joined. ann has left."]);
  p.close();
});
