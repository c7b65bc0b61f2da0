import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLink } from "../js/link.js";
import { encode, isGuessable, makeLink, readNumber, readServer, withExtras } from "../js/makelink.js";
import { slug } from "../js/slug.js";

const numbers = [
  ["E.164", "+4930123456", "+4930123456"],
  ["spaces, slashes and hyphens serve the eye", "+49 30 / 123-456", "+4930123456"],
  ["00 is the plus", "0049 30 123456", "+4930123456"],
  ["the national zero in brackets is not dialled", "+49 (0)30 123456", "+4930123456"],
  ["a number copied out of a link", "%2B4930123456", "+4930123456"],
  ["tel:", "tel:+49-30-123456", "+4930123456"],
  ["full-width digits and plus", "＋４９３０１２３４５６", "+4930123456"],
  ["Arabic digits", "+٤٩٣٠١٢٣٤٥٦", "+4930123456"],
  ["marks that come along when copied from a page", "\u202a+4930123456\u202c", "+4930123456"],
  ["spaces around it", "  +4930123456 ", "+4930123456"],
  ["an extension", "610", "610"],
  ["an extension with a zero in front", "0610", "0610"],
  ["nothing", "  ", "empty"],
  ["one digit", "6", "length"],
  ["too short for the world", "+49 30", "length"],
  ["too long for the world", "+4930123456789012", "length"],
  ["a national number has no country", "030 1234567", "country"],
  ["no country code begins with zero", "+030 123456", "country"],
  ["letters", "+49 30 CALL ME", "character"],
  ["a SIP address", "610@example.org", "character"],
  ["two numbers", "+4930123456,+4930123457", "character"],
  ["a plus in the middle", "49+30123456", "character"],
  ["markup", "<b>610</b>", "character"],
  ["a lone plus", "+", "character"],
];

for (const [name, text, want] of numbers) {
  test("number: " + name, () => {
    const { number, problem, extension } = readNumber(text);
    assert.equal(number || problem, want);
    assert.equal(extension, /^\d/.test(number));
  });
}

const base = "https://call.example.org/";
const nothing = { room: "r", name: "", number: "", trunk: "", camera: true, lang: "" };

const links = [
  ["a meeting", {}, "room=r"],
  ["a number has its plus escaped", { number: "+4930123456" }, "room=r&dial=%2B4930123456"],
  ["a trunk without a number is left out", { trunk: "tr_1" }, "room=r"],
  ["all of it", { number: "610", trunk: "tr_1", name: "John Doe", camera: false, lang: "de" }, "room=r&dial=610&trunk=tr_1&name=John%20Doe&cam=off&lang=de"],
  ["a name with everything that ends a link elsewhere", { name: `a&b=c#d+e'f)g"h<i>` }, "room=r&name=a%26b%3Dc%23d%2Be%27f%29g%22h%3Ci%3E"],
  ["umlauts and emoji", { name: "Zoë 🙂" }, "room=r&name=Zo%C3%AB%20%F0%9F%99%82"],
];

for (const [name, wish, query] of links) {
  test("link: " + name, () => {
    const link = makeLink(base, { ...nothing, ...wish });
    assert.equal(link, base + "room.html?" + query);
    const { room, name: who, number, camera } = parseLink(new URL(link).search);
    const want = { ...nothing, ...wish };
    assert.deepEqual({ room, who, number, camera }, { room: want.room, who: want.name, number: want.number, camera: want.camera });
  });
}

test("link: a server below a path keeps it", () => assert.equal(makeLink("https://example.org/call/", nothing), "https://example.org/call/room.html?room=r"));

test("link: half a character does not break it", () => assert.equal(encode("a\ud83d"), "a%EF%BF%BD"));

test("link: what no signature pins is added to a signed one", () => {
  assert.equal(withExtras(base + "room.html?room=r&link=abc", { ...nothing, camera: false, lang: "de" }), base + "room.html?room=r&link=abc&cam=off&lang=de");
});

test("room: random names are not guessed, words are", () => {
  for (let i = 0; i < 50; i++) assert.match(slug(), /^[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}$/);
  assert.equal(isGuessable("k3v9-q2xd-7mfa"), false);
  for (const room of ["support", "standup-2027", "besprechungsraum", "4711", "12345678901"]) assert.equal(isGuessable(room), room !== "standup-2027");
});

const servers = [
  ["https://call.example.org", "https://call.example.org/"],
  [" https://call.example.org:8443/x/ ", "https://call.example.org:8443/x/"],
  ["http://localhost:8080/room.html", "http://localhost:8080/"],
  ["call.example.org", null],
  ["javascript:alert(1)", null],
  ["https://me@call.example.org/", null],
  ["https://call.example.org/?x=1", null],
  ["", null],
];
for (const [text, want] of servers) test(`server: ${text || "nothing"}`, () => assert.equal(readServer(text), want));
