/**
 * The page /room.html: reads the link, asks for what is missing (a name, the
 * microphone), and opens the room. Whoever brings a name is in without a press.
 *
 * `window.dialroom` is for operators at the browser's console and for tests:
 * `await dialroom.stats()` says what is received and sent, with losses and
 * levels; `dialroom.tracks("phone")` are the tracks that are heard now.
 */

import { capture } from "./devices.js";
import { byId } from "./dom.js";
import { start, t } from "./i18n.js";
import { ownRoom, parseLink } from "./link.js";
import { PreJoin } from "./prejoin.js";
import { Room } from "./room.js";
import { slug } from "./slug.js";
import { claim, Visit } from "./visit.js";

/** A permission that was given before is there at once; only a real question needs an explanation. Milliseconds. */
const QUESTION = 700;

/** @type {Room | null} */
let room = null;

/**
 * Shows one of the page's views and hides the others.
 *
 * @param {"room" | "asking" | "permission" | "left" | "broken" | "unable"} name
 */
function show(name) {
  for (const view of document.querySelectorAll("[data-view]")) {
    if (view instanceof HTMLElement) view.hidden = view.dataset.view !== name;
  }
}

async function main() {
  const page = document.documentElement;
  page.dataset.connection = "connecting";
  page.dataset.started = "";
  await start();
  const own = ownRoom(location.href, slug);
  if (own) history.replaceState(history.state, "", own); // a reload stays in it, and others can be asked in
  const link = parseLink(location.search);
  for (const place of document.querySelectorAll("[data-room-name]")) place.textContent = link.room;
  if (!link.room) return show("broken");
  document.title = link.room + " · Dialroom";
  if (typeof RTCPeerConnection !== "function" || typeof WebSocket !== "function") return show("unable");
  const visit = Visit.here(link.room);
  const name = link.name || visit.memory?.name;
  if (name) return enter(link, before(link, name, visit), visit);
  show("asking");
  const joining = await new PreJoin(link).ask();
  const { muted, camera } = joining;
  visit.switched({ muted, ...(camera === undefined ? {} : { camera }) });
  await enter(link, joining, visit);
}

/**
 * Joining with what was switched before: by the link, or by the person in this visit.
 *
 * @param {import("./link.js").Link} link
 * @param {string} name
 * @param {Visit} visit
 * @returns {import("./prejoin.js").Joining}
 */
function before(link, name, visit) {
  const { muted = false, camera = link.camera } = visit.switches;
  return { name, muted, captured: capture({ microphone: true, camera }) };
}

/**
 * @param {import("./link.js").Link} link
 * @param {import("./prejoin.js").Joining} joining
 * @param {Visit} visit
 */
async function enter(link, { name, captured: asked, muted }, visit) {
  show("room");
  const question = setTimeout(() => show("permission"), QUESTION);
  const captured = await Promise.race([asked, listening(asked)]);
  clearTimeout(question);
  const memory = visit.memory;
  const resume = memory && (await claim(memory.id)) ? memory.token : undefined;
  show("room");
  room = new Room({ link, name, visit, captured, muted, resume, left: (why, entered) => left(link, why, entered) });
  byId("rejoin").onclick = () => {
    visit.again = true; // coming back rings nobody by itself
    void enter(link, before(link, name, visit), visit);
  };
}

/**
 * Somebody who would rather not answer the browser's question listens only.
 *
 * @param {Promise<import("./devices.js").Captured>} asked
 * @returns {Promise<import("./devices.js").Captured>}
 */
function listening(asked) {
  return new Promise((resolve) => {
    byId("listen").onclick = () => {
      // An answer that comes later would open a microphone that nobody expects.
      void asked.then(({ microphone, camera }) => [microphone, camera].forEach((track) => track?.stop()));
      resolve({ microphone: null, camera: null, problem: t("devices.unheard") });
    };
  });
}

/** Coming back leads nowhere: another window has the visit, somebody was taken out, or the link is spent. */
const FINAL = new Set(["removed", "link-expired", "link-used", "link-invalid", "bad-room"]);

/**
 * The page after the room.
 *
 * @param {import("./link.js").Link} link
 * @param {import("./signal.js").Why} why
 * @param {boolean} entered whether we ever were in the room
 */
function left(link, { code, text }, entered) {
  room = null;
  const title = code === "removed" ? "left.removed" : !code || code === "left" ? "left.left" : entered ? "left.lost" : "left.barred";
  byId("left-title").textContent = t(title);
  byId("left-why").textContent = code && code !== "left" ? text : link.number ? t("left.calls") : "";
  const rejoin = byId("rejoin");
  rejoin.hidden = FINAL.has(code);
  rejoin.textContent = t(entered || !code ? "left.rejoin" : "left.again");
  show("left");
  (rejoin.hidden ? byId("left-title") : rejoin).focus();
}

Object.defineProperty(window, "dialroom", {
  value: Object.freeze({
    stats: async () => (room ? room.stats() : null),
    tracks: (/** @type {import("../protocol").Kind} */ kind) => room?.tracks(kind) ?? [],
  }),
});

// A page that comes out of the back-forward cache has lost its socket and its media.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

void main();
