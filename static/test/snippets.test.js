import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import linksEn from "../js/texts/links.en.js";
import siteEn from "../js/texts/site.en.js";
import { parseLink } from "../js/link.js";
import { crmTemplate, emailButton, frame, inkOn, templates, toElement, toText, webButton } from "../js/snippets.js";

const link = "https://call.example.org/room.html?room=r&dial=%2B4930123456";
const look = { label: "Call me", colour: "#0f766e" };

test("the email button is a table with inline styles and no script", () => {
  const text = toText(emailButton(link, look));
  assert.match(text, /^<table role="presentation"[^>]*>[\s\S]*<td align="center" bgcolor="#0f766e" style="background-color:#0f766e;[^"]*padding:10px 18px">/);
  assert.match(text, /<a href="https:\/\/call\.example\.org\/room\.html\?room=r&amp;dial=%2B4930123456" target="_blank" style="[^"]*text-decoration:none"><span style="color:#ffffff">Call me<\/span><\/a>/);
  assert.doesNotMatch(text, /<(script|style|link|img|button|div)|class=|\son\w+=/);
  // What Outlook's Word and Gmail drop would change the look.
  assert.doesNotMatch(text, /flex|grid|var\(|position|float|url\(|rgba?\(/);
});

test("what a person types as a label is text, in every piece", () => {
  const evil = { label: `</a><script>alert("1")</script>`, colour: "#ffffff" };
  for (const piece of [emailButton(link, evil), webButton(link, evil), frame(link, evil.label)]) {
    const text = toText(piece);
    assert.doesNotMatch(text, /<script/);
    assert.match(text, /&lt;script&gt;alert\(&quot;1&quot;\)/);
  }
});

test("a link is one attribute, whatever is in it", () => {
  const text = toText(webButton(`https://call.example.org/room.html?room="><b>`, look));
  assert.match(text, /href="https:\/\/call\.example\.org\/room\.html\?room=&quot;&gt;&lt;b&gt;"/);
});

test("the pop-up is a link that also works without its script", () => {
  const text = toText(webButton(link, look, { popup: true }));
  assert.match(text, /href="https[^"]*" target="_blank" rel="noopener" onclick="window\.open\(this\.href,'dialroom','popup,[^"]*return false"/);
});

test("a frame is given what a call needs", () => {
  for (const right of ["camera", "microphone", "autoplay", "display-capture"]) assert.match(toText(frame(link, "Call")), new RegExp(`allow="[^"]*\\b${right}\\b`));
});

test("the words on a button have enough contrast on every colour", () => {
  const channel = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = (colour) => [1, 3, 5].reduce((sum, at, i) => sum + [0.2126, 0.7152, 0.0722][i] * channel(parseInt(colour.slice(at, at + 2), 16)), 0);
  for (let n = 0; n < 4096; n++) {
    const colour = "#" + [n >> 8, (n >> 4) & 15, n & 15].map((c) => (c * 17).toString(16).padStart(2, "0")).join("");
    const [a, b] = [light(colour), light(inkOn(colour))];
    assert.ok((Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) >= 4.5, colour);
  }
});

test("the preview is made of the same tree, without its handlers", () => {
  const made = (tag) => ({
    tag, attributes: {}, styles: {}, children: [],
    setAttribute(key, value) { this.attributes[key] = value; },
    style: { setProperty(key, value) { this.owner.styles[key] = value; } },
    append(...nodes) { this.children.push(...nodes); },
  });
  globalThis.document = {
    createElement: (tag) => { const e = made(tag); e.style.owner = e; return e; },
    createTextNode: (text) => ({ text }),
  };
  const shown = toElement(webButton(link, look, { popup: true }));
  assert.deepEqual([shown.tag, shown.attributes.href, shown.styles["background-color"], shown.children[0].text], ["a", link, "#0f766e", "Call me"]);
  assert.ok(!("onclick" in shown.attributes));
});

const wish = { room: "k3v9-q2xd", name: "", number: "+4930123456", trunk: "tr_1", camera: false, lang: "" };

test("a CRM's template has a place for the number and a room for every contact", () => {
  for (const id of templates) assert.match(crmTemplate("https://call.example.org/", wish, id), /room=k3v9-q2xd-.+&dial=.+&trunk=tr_1&cam=off/, id);
  assert.equal(crmTemplate("https://call.example.org/", wish, "plain"), "https://call.example.org/room.html?room=k3v9-q2xd-{{id}}&dial={{phone}}&trunk=tr_1&cam=off");
});

test("a CRM that does not encode the number's plus calls the right number", () => {
  const filled = crmTemplate("https://call.example.org/", wish, "plain").replace("{{id}}", "42").replace("{{phone}}", "+49 30 123456");
  assert.equal(parseLink(new URL(filled).search).number, "+49 30 123456");
  assert.equal(parseLink(new URL(filled).search).room, "k3v9-q2xd-42");
});

test("a spreadsheet's template is a formula whose quotes are closed", () => {
  const formula = crmTemplate("https://call.example.org/", { ...wish, name: `A "B"` }, "sheet");
  assert.match(formula, /^=HYPERLINK\("https:[^"]*"&ENCODEURL\(A2\)&"[^"]*"&ENCODEURL\(B2\)&"[^"]*"\)$/);
});

const here = new URL("../", import.meta.url);
const read = (name) => readFileSync(new URL(name, here), "utf8");
const english = { ...siteEn, ...linksEn };
test("what the pages say before their texts are loaded is the English text", () => {
  for (const page of ["shell.html", "index.html", "links.html"]) {
    for (const [, key, text] of read(page).matchAll(/data-t="([^"]+)"[^>]*>([^<]*)</g)) assert.equal(text, english[key], `${page}: ${key}`);
    for (const [, label, key] of read(page).matchAll(/aria-label="([^"]*)" data-t-label="([^"]+)"/g)) assert.equal(label, english[key], `${page}: ${key}`);
  }
});

test("every text that the pages and modules of the site name is there", () => {
  const used = new Set(templates.map((id) => "links.crm." + id));
  const modules = readdirSync(new URL("js", here)).filter((f) => /^(links|landing|site|docs)[\w-]*\.js$/.test(f));
  for (const file of modules) for (const [, key] of read("js/" + file).matchAll(/"((?:links|site|landing)\.[\w.-]*[\w-])"/g)) used.add(key);
  for (const file of modules) for (const [, id] of read("js/" + file).matchAll(/new Card\("(\w+)"/g)) used.add(`links.piece.${id}`).add(`links.piece.${id}.about`);
  for (const page of ["shell.html", "index.html", "links.html"]) for (const [, key] of read(page).matchAll(/data-t(?:-\w+)?="([^"]+)"/g)) used.add(key);
  for (const problem of ["empty", "character", "length", "country"]) used.add("links.number." + problem);
  for (const state of ["valid", "expired", "used", "revoked"]) used.add("links.state." + state);
  for (const key of used) if (!/^site\.(en|de)$|^links\.(en|de)$/.test(key)) assert.ok(key in english || key + ".other" in english, key);
  for (const key of Object.keys(english)) assert.ok(used.has(key) || used.has(key.replace(/\.(one|other)$/, "")), key + " is used nowhere");
});
