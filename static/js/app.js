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
import { start } from "./i18n.js";
import { cleanName, ownRoom, parseLink } from "./link.js";
import { Room } from "./room.js";
import { slug } from "./slug.js";
import { claim, recall, store, Visit } from "./visit.js";

/** A permission that was given before is there at once; only a real question needs an explanation. Milliseconds. */
const QUESTION = 700;

/** @type {Room | null} */
let room = null;

/**
 * Shows one of the page's views and hides the others.
 *
 * @param {"room" | "asking" | "permission" | "left" | "broken"} name
 */
function show(name) {
  for (const view of document.querySelectorAll("[data-view]")) {
    if (view instanceof HTMLElement) view.hidden = view.dataset.view !== name;
  }
}

async function main() {
  document.documentElement.dataset.connection = "connecting";
  await start();
  const own = ownRoom(location.href, slug);
  if (own) history.replaceState(history.state, "", own); // a reload stays in it, and others can be asked in
  const link = parseLink(location.search);
  for (const place of document.querySelectorAll("[data-room-name]")) place.textContent = link.room;
  if (!link.room) {
    show("broken");
    return;
  }
  document.title = link.room + " · Dialroom";
  const visit = Visit.here(link.room);
  const name = link.name || visit.memory?.name || (await askName());
  await enter(link, name, visit);
}

/**
 * @param {import("./link.js").Link} link
 * @param {string} name
 * @param {Visit} visit
 */
async function enter(link, name, visit) {
  show("room");
  const question = setTimeout(() => show("permission"), QUESTION);
  const captured = await capture({ microphone: true, camera: link.camera });
  clearTimeout(question);
  const memory = visit.memory;
  const resume = memory && (await claim(memory.id)) ? memory.token : undefined;
  show("room");
  room = new Room({
    link, name, visit, captured, resume,
    left: (why, entered) => {
      room = null;
      byId("left-title").textContent = !why ? "You have left the room" : entered ? "You are not in the room any more" : "You cannot join this room";
      byId("left-why").textContent = why || "Calls that nobody else is in have been hung up.";
      show("left");
      byId("rejoin").focus();
    },
  });
  byId("rejoin").onclick = () => {
    visit.again = true; // coming back rings nobody by itself
    void enter(link, name, visit);
  };
}

/** @returns {Promise<string>} what the person typed */
function askName() {
  const input = /** @type {HTMLInputElement} */ (byId("name"));
  const form = /** @type {HTMLFormElement} */ (byId("name-form"));
  show("asking");
  input.value = recall("name");
  input.focus();
  return new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const name = cleanName(input.value);
      input.setAttribute("aria-invalid", String(!name));
      if (!name) {
        input.focus();
        return;
      }
      store("name", name);
      resolve(name);
    };
  });
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
