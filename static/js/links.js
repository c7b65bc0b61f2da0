/**
 * The page /links.html: a form for every parameter of a link, and what comes
 * of it, live: the address, what it does, its QR code and pieces to paste.
 *
 * What was typed is read by makelink.js, signed by the server (links-sign.js),
 * and shown by links-pieces.js.
 */

import { byId, make } from "./dom.js";
import { language, t } from "./i18n.js";
import { cleanName } from "./link.js";
import { Pieces } from "./links-pieces.js";
import { Signing } from "./links-sign.js";
import { isGuessable, makeLink, readNumber, readServer, withExtras } from "./makelink.js";
import { speak, wireCopy } from "./site.js";
import { slug } from "./slug.js";
import en from "./texts/links.en.js";

/** @typedef {import("./makelink.js").Wish} Wish */

/** The QR code follows what is typed, but not every letter of it. Milliseconds. */
const PAUSE = 350;
/** Until a screen reader is told what the field's explanation says now. Milliseconds. */
const SILENCE = 900;
/** As much as the server draws; far more than a phone's camera reads. */
const QR_MAX = 2000;
/** As the settings have them. */
const TRUNK = /^[A-Za-z0-9._-]*$/;

/** @type {Signing} */
let signing;
/** @type {Pieces} */
let pieces;
let drawing = 0;
let saying = 0;
/** The link as it stands, "" when something is missing. */
let link = "";

/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ (byId(id));

/** What the form says so far, or the sentence on what is wrong with it. */
function read() {
  const number = readNumber(input("number").value);
  /** @type {Wish} */
  const wish = {
    room: clean(input("room").value), name: cleanName(input("name").value), number: number.number,
    trunk: input("trunk").value.trim(), camera: input("camera").checked, lang: input("lang").value,
  };
  const server = readServer(input("server").value);
  // Nobody is told that half a number is wrong while typing the other half.
  const unfinished = ["length", "country"].includes(number.problem) && document.activeElement === byId("number");
  let problem = "";
  if (unfinished) problem = t("links.unfinished");
  else if (number.problem && number.problem !== "empty") problem = t("links.number." + number.problem);
  else if (!wish.room) problem = t("links.room.empty");
  else if (!TRUNK.test(wish.trunk)) problem = t("links.trunk.bad");
  else if (!server) problem = t("links.server.bad");
  return { wish, number, server, problem, unfinished };
}

/** @param {string} text a room's name, as the server cleans it */
function clean(text) {
  return text.replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, "").trim();
}

function update() {
  const { wish, number, server, problem, unfinished } = read();
  explain(wish, number, server, unfinished);
  byId("broken").hidden = !problem;
  byId("broken").textContent = problem;
  byId("broken").classList.toggle("bad", !unfinished);
  byId("ready").hidden = !!problem;
  byId("pieces").hidden = !!problem;
  signing.usable(!problem);
  if (problem || !server) {
    link = "";
    return;
  }
  const signed = signing.linkFor(wish);
  link = signed ? withExtras(signed.url, wish) : makeLink(server, wish);
  showLink(link);
  showWhatItDoes(wish, signed);
  draw();
  pieces.update(link, server, wish, !!signed);
}

/**
 * The sentence below every field.
 *
 * @param {Wish} wish
 * @param {import("./makelink.js").Reading} number
 * @param {string | null} server
 * @param {boolean} unfinished
 */
function explain(wish, number, server, unfinished) {
  const bad = !!number.problem && number.problem !== "empty" && !unfinished;
  const about = number.extension ? "links.number.extension" : number.number ? "links.number.ok" : "links.number." + number.problem;
  hint("number", t(about, { number: number.number, written: encodeURIComponent(number.number) }), bad);
  const room = !wish.room ? "links.room.empty" : isGuessable(wish.room) ? "links.room.guess" : "links.room.ok";
  hint("room", t(room), !wish.room);
  hint("name", t(wish.name ? "links.name.ok" : "links.name.empty", { name: wish.name }));
  hint("camera", t(wish.camera ? "links.camera.on" : "links.camera.off"));
  const trunkBad = !TRUNK.test(wish.trunk);
  const trunk = trunkBad ? "links.trunk.bad" : !wish.trunk ? "links.trunk.empty" : wish.number ? "links.trunk.ok" : "links.trunk.unused";
  hint("trunk", t(trunk), trunkBad);
  hint("lang", t(wish.lang ? "links.lang.fixed" : "links.lang.free"));
  hint("server", t(server ? "links.server.ok" : "links.server.bad"), !server);
}

/**
 * @param {string} id of the field
 * @param {string} text
 * @param {boolean} [bad]
 */
function hint(id, text, bad = false) {
  const place = byId(id + "-hint");
  if (place.textContent !== text) place.textContent = text;
  place.classList.toggle("bad", bad);
  byId(id).setAttribute("aria-invalid", String(bad));
}

/**
 * Reads an explanation out when nothing was typed for a moment; at every letter
 * it would be in the way.
 *
 * @param {string} id
 */
function saySoon(id) {
  clearTimeout(saying);
  saying = setTimeout(() => (byId("said").textContent = document.getElementById(id)?.textContent ?? ""), SILENCE);
}

/** @param {string} url its parameters' names stand out, and it may break before them */
function showLink(url) {
  const [address, query] = url.split("?");
  const parts = (query ?? "").split("&").flatMap((pair, i) => {
    const at = pair.indexOf("=");
    return [make("wbr"), i ? "&" : "?", make("b", {}, pair.slice(0, at)), pair.slice(at)];
  });
  const shown = byId("url");
  shown.replaceChildren(address, ...parts);
  for (const place of [shown, byId("open")]) place.setAttribute("href", url);
}

/**
 * @param {Wish} wish
 * @param {import("./links-sign.js").Signed | null} signed
 */
function showWhatItDoes(wish, signed) {
  const room = wish.room;
  const says = [
    signed?.own ? t("links.does.own") : t("links.does.room", { room }),
    wish.name ? t("links.does.name", { name: wish.name }) : t("links.does.ask"),
    !wish.number ? t("links.does.nobody") : t(wish.trunk ? "links.does.call.trunk" : "links.does.call", { number: wish.number, trunk: wish.trunk }),
    t(wish.camera ? "links.does.camera" : "links.does.no-camera"),
  ];
  if (signed?.owner) says.push(t("links.does.owner"));
  if (signed) {
    const until = signed.expires ? new Intl.DateTimeFormat(language, { dateStyle: "long" }).format(signed.expires) : "";
    says.push(t(until ? "links.does.until" : "links.does.ever", { until }));
    if (signed.uses) says.push(t("links.does.uses", { n: signed.uses }));
  } else if (wish.number) says.push(t("links.does.unsigned"));
  byId("does").replaceChildren(...says.map((text) => make("li", {}, text)));
}

/** The QR code, when nothing was typed for a moment. */
function draw() {
  clearTimeout(drawing);
  drawing = setTimeout(() => {
    const text = link.slice(0, QR_MAX + 1);
    const fits = text.length <= QR_MAX;
    const url = (/** @type {string} */ ending) => `qr.${ending}?text=${encodeURIComponent(text)}`;
    const picture = /** @type {HTMLImageElement} */ (byId("qr"));
    picture.hidden = !fits;
    if (!fits || !link) return;
    picture.src = url("svg");
    byId("qr-svg").setAttribute("href", url("svg"));
    byId("qr-png").setAttribute("href", url("png"));
  }, PAUSE);
}

async function main() {
  await speak(en, { de: () => import("./texts/links.de.js").then((m) => m.default) });
  document.title = t("links.title") + " · Dialroom";
  byId("qr").setAttribute("alt", t("links.qr.alt"));
  input("room").value ||= slug();
  input("server").value = new URL("./", document.baseURI).href;
  input("label").value = t("links.label.default");
  signing = new Signing({ read, changed: update });
  pieces = new Pieces(byId("pieces"));
  byId("random").addEventListener("click", () => {
    input("room").value = slug();
    update();
  });
  byId("wish").addEventListener("submit", (event) => event.preventDefault());
  byId("main").addEventListener("input", (event) => {
    update();
    if (event.target instanceof HTMLElement) saySoon(event.target.id + "-hint");
  });
  byId("number").addEventListener("blur", update);
  wireCopy(byId("copy-url"), () => link);
  update();
}

void main();
