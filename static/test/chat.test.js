import assert from "node:assert/strict";
import { test } from "node:test";
import { typed } from "../js/addphone.js";
import { split } from "../js/chat.js";
import { inviteLink } from "../js/invite.js";

const addresses = [
  ["plain words are one piece", "see you at 10:30", ["see you at 10:30"]],
  ["an address in a sentence ends before its full stop", "look at https://example.org/a?b=c.", ["look at ", "https://example.org/a?b=c", "."]],
  ["brackets around an address are no part of it", "(http://example.org)", ["(", "http://example.org", ")"]],
  ["brackets within an address are", "https://example.org/a_(b)", ["https://example.org/a_(b)"]],
  ["two addresses", "https://a.example https://b.example", ["https://a.example", " ", "https://b.example"]],
  ["markup is text", "<a href=javascript:alert(1)>x</a>", ["<a href=javascript:alert(1)>x</a>"]],
  ["other schemes stay text", "javascript:alert(1) data:text/html,x file:///etc/passwd", ["javascript:alert(1) data:text/html,x file:///etc/passwd"]],
  ["an address ends where markup would begin", 'https://example.org/"><script>alert(1)</script>', ["https://example.org/", '"><script>alert(1)</script>']],
  ["what only begins as an address stays text", "https:// and http://", ["https:// and http://"]],
  ["nothing", "", []],
];

for (const [name, text, want] of addresses) {
  test(`chat: ${name}`, () => {
    const parts = split(text);
    assert.deepEqual(parts.map((p) => p.text), want);
    assert.equal(parts.map((p) => p.text).join(""), text);
    for (const { href } of parts) if (href) assert.match(href, /^https?:\/\//);
  });
}

const numbers = [
  ["+49 30 123456", "+4930123456"],
  ["+49 (0)30 / 123-456", "+4930123456"],
  ["0049 30 123456", "004930123456"],
  ["tel:+4930123456", "+4930123456"],
  ["＋４９３０１２３４５６", "+4930123456"],
  ["610", "610"],
  ["", ""],
  ["7", ""],
  ["call me", ""],
  ["+49 30 123456;ext=5", ""],
  ["610@example.org", ""],
];

for (const [text, want] of numbers) {
  test(`a number typed as "${text}" is ${want ? want : "no number"}`, () => assert.equal(typed(text), want));
}

test("an invitation has the room and neither a name nor a number", () => {
  const link = { room: "Friday call & more", token: "" };
  assert.equal(inviteLink("https://x.example/a/room.html?room=r&name=Ann&dial=610#h", link, false), "https://x.example/a/room.html?room=Friday%20call%20%26%20more");
});

test("an invitation passes a guest's signed link on, and an owner's never", () => {
  const link = { room: "r", token: "abc" };
  assert.equal(inviteLink("https://x.example/room.html", link, false), "https://x.example/room.html?room=r&link=abc");
  assert.equal(inviteLink("https://x.example/room.html", link, true), "https://x.example/room.html?room=r");
});
