import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { choose, t, translate, useTexts } from "../js/i18n.js";

const here = new URL("../", import.meta.url);
const read = (name) => readFileSync(new URL(name, here), "utf8");
const load = async (name) => (await import(`../js/texts/${name}.js`)).default;
const places = (text) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();

/** The rooms' texts, and those of other pages: ["en", "de"], ["links.en", "links.de"], … */
const pairs = readdirSync(new URL("js/texts", here)).map((f) => f.replace(/\.js$/, "")).filter((f) => /\bde$/.test(f)).map((f) => [f.replace(/de$/, "en"), f]);
/** Every English text by its key. */
const known = {};

for (const [name, translated] of pairs) {
  const [en, de] = [await load(name), await load(translated)];
  Object.assign(known, en);

  test(`${translated} has the same keys as ${name}, in the same order`, () => {
    assert.deepEqual(Object.keys(de), Object.keys(en));
  });

  test(`${translated} fills the same places as ${name}`, () => {
    for (const key of Object.keys(en)) {
      // "one" may say the number in a word, in every language for itself.
      if (!key.endsWith(".one")) assert.deepEqual(places(de[key]), places(en[key]), key);
    }
  });

  test(`no text of ${name} and ${translated} is empty or has spaces around it`, () => {
    for (const texts of [en, de]) for (const [key, text] of Object.entries(texts)) assert.ok(text && text.trim() === text, key);
  });

  test(`${translated} says Sie to everybody`, () => {
    for (const [key, text] of Object.entries(de)) assert.doesNotMatch(text, /\b(du|dich|dir|dein\w*)\b/i, key);
  });
}

test("every text that a page or module names is there", () => {
  const used = new Set();
  for (const file of readdirSync(new URL("js", here)).filter((f) => f.endsWith(".js"))) {
    const text = read("js/" + file).replace(/^\s*\*.*|\/\*\*.*/gm, "");
    for (const [, key] of text.matchAll(/\bt\("([\w.-]+)"\s*[,)]/g)) used.add(key);
  }
  for (const page of readdirSync(here).filter((f) => f.endsWith(".html"))) {
    for (const [, key] of read(page).matchAll(/\sdata-t(?:-\w+)?="([^"]+)"/g)) used.add(key);
  }
  for (const key of used) assert.ok(key in known || key + ".other" in known, key);
});

test("no text is left over that nothing names", () => {
  const code = readdirSync(new URL("js", here)).filter((f) => f.endsWith(".js")).map((f) => read("js/" + f)).join("\n");
  const pages = readdirSync(here).filter((f) => f.endsWith(".html")).map(read).join("\n");
  const made = [...code.matchAll(/["`]([\w.-]+[.-])(?:"\s*\+|\$\{)/g)].map((m) => m[1]); // "reason." + …
  for (const key of Object.keys(known)) {
    const name = key.replace(/\.(zero|one|two|few|many|other)$/, "");
    const named = [key, name].some((k) => code.includes(`"${k}"`) || pages.includes(`"${k}"`));
    assert.ok(named || made.some((start) => key.startsWith(start)), key);
  }
});

test("a plural's form is chosen by the number", () => {
  useTexts({ "test.apples.one": "an apple", "test.apples.other": "{n} apples, {who}" });
  assert.equal(t("test.apples", { n: 1 }), "an apple");
  assert.equal(t("test.apples", { n: 2000, who: "Ada" }), "2,000 apples, Ada");
});

test("what is filled in is not read as a place again", () => {
  useTexts({ "test.say": "{name} says {text}" });
  assert.equal(t("test.say", { name: "{text}", text: "$& $1" }), "{text} says $& $1");
});

test("a name written from right to left does not turn the sentence around", () => {
  useTexts({ "test.say": "{name} says {text}" });
  assert.equal(t("test.say", { name: "\u05d0\u05d3\u05d4", text: "hi" }), "\u2068\u05d0\u05d3\u05d4\u2069 says hi");
});

test("a text that is missing shows its key", () => assert.equal(t("test.never"), "test.never"));

const wishes = [[["de-CH", "en"], "de"], [["fr", "de_AT"], "de"], [["fr"], "en"], [[], "en"], [["constructor"], "en"], [["en-GB", "de"], "en"]];
for (const [wanted, want] of wishes) test(`who wishes ${wanted.join(", ") || "nothing"} reads ${want}`, () => assert.equal(choose(wanted), want));

test("a document is filled by its attributes", () => {
  const element = (attributes) => ({
    attributes, textContent: "",
    getAttribute: (key) => attributes[key] ?? null,
    setAttribute: (key, value) => (attributes[key] = value),
  });
  const [heading, input] = [element({ "data-t": "call.answered" }), element({ "data-t-label": "line.bad" })];
  translate({ querySelectorAll: (q) => [heading, input].filter((e) => q.slice(1, -1) in e.attributes) });
  assert.equal(heading.textContent, "Connected");
  assert.equal(input.attributes["aria-label"], "The phone line is bad.");
});
