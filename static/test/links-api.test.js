import assert from "node:assert/strict";
import { test } from "node:test";
import { start, useTexts } from "../js/i18n.js";
import { Refused, words } from "../js/links-api.js";
import german from "../js/texts/links.de.js";

globalThis.document = { documentElement: {}, querySelectorAll: () => [] };
await start({ search: "", wanted: ["de"] });
useTexts(german);

const answers = [
  ["a field that the form has", 400, "expires_at: expected a time to come", "Der Server nimmt nicht an, was bei „Gültig“ steht. Seine Antwort auf Englisch: expected a time to come"],
  ["a field that it has not", 400, "body: expected one JSON object", "Der Server lehnt ab. Seine Antwort auf Englisch: body: expected one JSON object"],
  ["a link that somebody else has revoked", 404, "There is nothing with this id.", "Diesen Link gibt es auf dem Server nicht mehr."],
  ["something that broke", 500, "Something went wrong here.", "Auf dem Server ist etwas schiefgegangen. Seine Antwort auf Englisch: Something went wrong here."],
  ["an answer without words", 418, "", "Der Server lehnt ab. Seine Antwort auf Englisch: 418"],
  ["no answer at all", 0, "", "Der Server antwortet nicht."],
];

for (const [name, status, text, want] of answers) {
  test(`an operator who reads German is told in German: ${name}`, () => assert.equal(words(new Refused(status, text)), want));
}
