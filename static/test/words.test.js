import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { callWords, clock, errorWords, hue, initials, lineWords, masked } from "../js/words.js";

test("an ending that the page has no words for is told in the server's sentence", () => {
  assert.equal(callWords({ state: "ended", reason: "new-reason", text: "Something new." }), "Something new.");
});

test("an ending is told in the page's own words, which are in the reader's language", () => {
  assert.equal(callWords({ state: "ended", reason: "busy", text: "from the server" }), "The line is busy.");
  assert.equal(callWords({ state: "refused", reason: "never-heard-of" }), "The call was not placed.");
});

/** What the servers' own source names, so that no word of theirs is without ours. */
const source = (name, pattern) => [...readFileSync(new URL("../../" + name, import.meta.url), "utf8").matchAll(pattern)].map((m) => m[1]);

test("no ending and no refusal of the servers is without words", () => {
  const reasons = source("shared/wire/wire.go", /\b(?:Ending|Refusal)\s+= "([a-z-]+)"/g);
  assert.ok(reasons.length > 20, "reasons are found");
  for (const reason of reasons) assert.notEqual(callWords({ state: "ended", reason }), "The call has ended.", reason);
});

test("no error of the server is without words, but those that only programs make", () => {
  const codes = source("sfu/signal/errors.go", /\{[\w.]+, "([a-z-]+)", "/g);
  assert.ok(codes.length > 10, "codes are found");
  const programs = new Set(["bad-message", "unknown-type", "not-joined", "already-joined", "no-such-call", "bad-offer"]);
  for (const code of codes.filter((c) => !programs.has(c))) assert.notEqual(errorWords({ code, text: "" }), "", code);
});

test("what is not allowed in a room is no matter of numbers", () => {
  assert.equal(errorWords({ code: "not-allowed", text: "" }), "You may not do this in this room.");
});

test("the server's no is told in the page's words where it has some", () => {
  assert.equal(errorWords({ code: "room-full", text: "x" }), "The room is full. Try again when somebody has left.");
  assert.equal(errorWords({ code: "link-expired", text: "x" }), "This link has expired.");
  assert.equal(errorWords({ code: "never-heard-of", text: "Something new." }), "Something new.");
});

const numbers = [
  ["+4915112345183", "+49 151 •••• 183"], ["0049 151 12345183", "+49 151 •••• 183"], ["+1 (212) 555-0123", "+1 212 •••• 123"],
  ["+352123456", "+352 12 •••• 56"], ["+390612345678", "+39 061 •••• 678"], ["030 1234567", "030 •••• 567"], ["610", "610"], ["", ""],
];
for (const [number, want] of numbers) test(`strangers see “${number}” as “${want}”`, () => assert.equal(masked(number), want));

test("a line is talked of only when something is wrong with it", () => {
  assert.equal(lineWords({ mos: 4.3 }), "");
  assert.equal(lineWords({ mos: 3.2 }), "The phone line is bad.");
  assert.equal(lineWords({ mos: 1 }), "The phone line is very bad.");
  assert.equal(lineWords({ mos: 1, mute: true }), "No sound comes from the phone.");
  assert.equal(lineWords({ mos: 1, deaf: true }), "The phone does not hear this room.");
});

const clocks = [[0, "0:00"], [-5, "0:00"], [7_999, "0:07"], [754_000, "12:34"], [3_723_000, "1:02:03"]];
for (const [ms, want] of clocks) test(`${ms} ms are ${want}`, () => assert.equal(clock(ms), want));

const names = [["Ada", "A"], ["Ada Lovelace", "AL"], ["ada king, countess of lovelace", "AL"], ["山田 太郎", "山太"], ["ß", "SS"], ["!!", "?"], ["", "?"]];
for (const [name, want] of names) test(`the initials of “${name}” are ${want}`, () => assert.equal(initials(name), want));

test("a name keeps its colour", () => {
  assert.equal(hue("Ada", 8), hue("Ada", 8));
  for (const [name] of names) assert.ok(hue(name, 8) >= 0 && hue(name, 8) < 8);
});
