import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanName, MAX_NAME, ownRoom, parseLink, sameNumber } from "../js/link.js";

const empty = { room: "", name: "", number: "", trunk: "", camera: true, token: "" };

/** Every row of the link table, and the slips that people make. */
const links = [
  ["two people meet without any dialling", "?room=standup&name=Ada", { room: "standup", name: "Ada" }],
  ["an escaped plus is a plus", "?room=r&dial=%2B4930123456", { room: "r", number: "+4930123456" }],
  ["a forgotten escape arrives as a space and is the plus it was", "?room=r&dial=+4930123456", { room: "r", number: "+4930123456" }],
  ["a forgotten escape in a number with spaces", "?room=r&dial=+49%2030%20123456", { room: "r", number: "+49 30 123456" }],
  ["a forgotten escape in a number with plus signs for spaces", "?room=r&dial=+49+30+123456", { room: "r", number: "+49 30 123456" }],
  ["a plus escaped twice by two tools", "?room=r&dial=+%2B4930123456", { room: "r", number: "+4930123456" }],
  ["an extension is left alone", "?room=r&dial=610", { room: "r", number: "610" }],
  ["a padded extension stays an extension", "?room=r&dial=%20610%20", { room: "r", number: "610" }],
  ["six digits after a space are an extension still", "?room=r&dial=+123456", { room: "r", number: "123456" }],
  ["seven digits after a space are a number of the world", "?room=r&dial=+6834000", { room: "r", number: "+6834000" }],
  ["an international prefix is the server's to understand", "?room=r&dial=004930123456", { room: "r", number: "004930123456" }],
  ["a space before a zero was no plus", "?room=r&dial=+0301234567", { room: "r", number: "0301234567" }],
  ["a trunk is pinned", "?room=r&dial=610&trunk=tr_4194b9eab3de", { room: "r", number: "610", trunk: "tr_4194b9eab3de" }],
  ["cam=off starts without a camera", "?room=r&cam=off", { room: "r", camera: false }],
  ["cam=OFF too", "?room=r&cam=OFF", { room: "r", camera: false }],
  ["cam=on starts with one", "?room=r&cam=on", { room: "r" }],
  ["nocam=1 is the same as cam=off", "?room=r&nocam=1", { room: "r", camera: false }],
  ["nocam=0 is nothing", "?room=r&nocam=0", { room: "r" }],
  ["a plus in a name is a space", "?room=r&name=John+Doe", { room: "r", name: "John Doe" }],
  ["%20 in a name is a space", "?room=r&name=John%20Doe", { room: "r", name: "John Doe" }],
  ["%2B in a name is a plus", "?room=r&name=A%2BB", { room: "r", name: "A+B" }],
  ["a name in another script", "?room=r&name=%E5%B1%B1%E7%94%B0", { room: "r", name: "山田" }],
  ["&amp; left over from HTML", "?room=r&amp;name=Ada&amp;dial=610", { room: "r", name: "Ada", number: "610" }],
  ["the first of two values counts", "?room=a&room=b", { room: "a" }],
  ["an empty value gives way to a later one", "?room=&dial=&room=a&dial=+4930123456", { room: "a", number: "+4930123456" }],
  ["a value of spaces is empty", "?room=a&dial=+&name=%20", { room: "a" }],
  ["a long room name is the server's to refuse", "?room=" + "r".repeat(2000), { room: "r".repeat(2000) }],
  ["a long name is cut", "?room=r&name=" + "n".repeat(2000), { room: "r", name: "n".repeat(MAX_NAME) }],
  ["a name with markup is a name", "?room=r&name=%3Cscript%3Ealert(1)%3C/script%3E", { room: "r", name: "<script>alert(1)</script>" }],
  ["an emoji and umlauts are a name", "?room=r&name=J%C3%BCrgen%20%F0%9F%91%8B", { room: "r", name: "Jürgen 👋" }],
  ["a signed link carries its token", "?room=r&link=abc.def", { room: "r", token: "abc.def" }],
  ["broken percent signs are text", "?room=100%&name=%zz", { room: "100%", name: "%zz" }],
  ["no question mark", "room=r", { room: "r" }],
  ["nothing at all", "", {}],
  [
    "the full one-shot link",
    "?room=9f3c-x7&name=John+Doe&dial=%2B4915112345678&trunk=tr_1&nocam=1",
    { room: "9f3c-x7", name: "John Doe", number: "+4915112345678", trunk: "tr_1", camera: false },
  ],
];

for (const [name, search, want] of links) {
  test("link: " + name, () => assert.deepEqual(parseLink(search), { ...empty, ...want }));
}

const rooms = [
  ["a signed link for every click gets a room of its own", "?room=sales-*&dial=%2B4930123456&link=abc", "?room=sales-k3v9&dial=%2B4930123456&link=abc"],
  ["a number whose escape was forgotten survives that", "?room=sales-*&dial=+4930123456&link=abc", "?room=sales-k3v9&dial=+4930123456&link=abc"],
  ["a link without a signature opens the room it says", "?room=sales-*", null],
  ["a signed link to one room opens that", "?room=sales&link=abc", null],
];

for (const [name, search, want] of rooms) {
  test("own room: " + name, () => {
    const got = ownRoom("https://call.example.org/room.html" + search, () => "k3v9");
    assert.equal(got, want && "https://call.example.org/room.html" + want);
  });
}

test("name: control characters and runs of spaces disappear", () => {
  assert.equal(cleanName(" A\u0000da \n\t  L\u202eovelace "), "A da L ovelace");
});

test("name: it is cut by characters, not by halves of them", () => {
  assert.equal(cleanName("🙂".repeat(MAX_NAME + 5)), "🙂".repeat(MAX_NAME));
});

const numbers = [
  ["the same spelling", "+4930123456", "+4930123456", true],
  ["with and without separators", "+49 30 / 123-456", "+4930123456", true],
  ["00 instead of the plus", "004930123456", "+4930123456", true],
  ["a national number and its canonical form", "030 123456", "+4930123456", true],
  ["two numbers", "+4930123456", "+4930123457", false],
  ["an extension and itself", "610", "610", true],
  ["an extension is no end of a number", "123456", "+4930123456", false],
  ["nothing is not everything", "", "+4930123456", false],
  ["words without digits are only themselves", "nobody", "somebody", false],
];

for (const [name, a, b, want] of numbers) {
  test("same number: " + name, () => {
    assert.equal(sameNumber(a, b), want);
    assert.equal(sameNumber(b, a), want);
  });
}
