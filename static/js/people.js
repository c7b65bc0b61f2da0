/**
 * The people in the room: a tile each, with their picture or their initials,
 * and marks for who is muted and who speaks. A shared screen is a tile too.
 * Phones have cards instead (calls.js).
 */

import { icon, make } from "./dom.js";
import { hue, initials } from "./words.js";

/** @typedef {import("../protocol").Participant} Participant */
/** @typedef {import("../protocol").Wanted} Wanted */
/** @typedef {(id: string, kind: "camera" | "screen") => MediaStreamTrack | null} Pictures */

/** Colours of initials; base.css has as many. */
const HUES = 8;
/** Gap between tiles in CSS pixels, as in room.css. */
const GAP = 12;
/** Tiles are as wide as a camera's picture at most; only a phone's screen makes them upright. */
const WIDEST = 16 / 9;
const NARROWEST = { phone: 0.75, desktop: 1.25 };
const PHONE_WIDTH = 720;
/** A tile shows at least a face and a name. */
const MIN_HEIGHT = 132;

class Tile {
  #video = make("video", { autoplay: true, playsinline: true, hidden: true });
  #face = make("div", { class: "face", "aria-hidden": "true" });
  #name = make("span", { class: "name-text" });
  #muted = make("span", { class: "muted-mark", title: "Muted", role: "img", "aria-label": "muted", hidden: true }, icon("mic-off"));
  /** @type {MediaStreamTrack | null} */
  #track = null;
  element;

  /** @param {string} className */
  constructor(className) {
    this.#video.muted = true; // sound has elements of its own
    this.element = make("li", { class: "tile " + className }, this.#face, this.#video,
      make("div", { class: "name" }, this.#muted, this.#name));
  }

  /**
   * @param {string} label
   * @param {Participant} who
   */
  show(label, who) {
    this.#name.textContent = label;
    this.#face.textContent = initials(who.name);
    this.#face.className = "face hue-" + hue(who.name, HUES);
    this.#muted.hidden = who.audio;
    this.element.dataset.participant = who.id;
    this.element.dataset.muted = String(!who.audio);
  }

  /** @param {MediaStreamTrack | null} track */
  picture(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.#video.srcObject = track ? new MediaStream([track]) : null;
    this.#video.hidden = !track;
    this.element.classList.toggle("with-video", track !== null);
    // A muted video may always play; it fails only when the source is replaced meanwhile.
    if (track) this.#video.play().catch(() => {});
  }
}

export class People {
  #list;
  #changed;
  /** @type {Map<string, Participant>} */
  #people = new Map();
  /** Tiles by participant, and by participant and " screen". @type {Map<string, Tile>} */
  #tiles = new Map();
  #me = "";
  /** @type {MediaStreamTrack | null} */
  #camera = null;
  #size;

  /**
   * @param {HTMLElement} list a `ul`
   * @param {() => void} changed called when who is here, or how large they are shown, has changed
   */
  constructor(list, changed) {
    this.#list = list;
    this.#changed = changed;
    this.#size = new ResizeObserver(() => this.#layout());
    this.#size.observe(list);
  }

  /**
   * Starts anew with everybody the server knows.
   *
   * @param {string} me
   * @param {Participant[]} people
   */
  reset(me, people) {
    this.#me = me;
    const here = new Set(people.map((p) => p.id));
    for (const id of [...this.#people.keys()]) if (!here.has(id)) this.remove(id);
    for (const person of people) this.put(person);
  }

  /** @param {Participant} person new or changed */
  put(person) {
    this.#people.set(person.id, person);
    if (person.kind === "phone") {
      this.#changed();
      return;
    }
    const mine = person.id === this.#me;
    const label = person.name || "Guest";
    const tile = this.#tile(person.id, mine ? "mine" : "");
    if (mine) tile.picture(this.#camera);
    tile.show(mine ? label + " (you)" : label, person);
    if (person.screen && !mine) this.#tile(person.id + " screen", "screen").show(label + "’s screen", { ...person, audio: true });
    else this.#drop(person.id + " screen");
    this.#layout();
  }

  /**
   * What we have switched on ourselves shows at once, not when the server repeats it.
   *
   * @param {{audio: boolean, video: boolean, screen: boolean}} state
   */
  mine(state) {
    const me = this.#people.get(this.#me);
    if (me) this.put({ ...me, ...state });
  }

  /** @param {string} id */
  remove(id) {
    this.#people.delete(id);
    this.#drop(id);
    this.#drop(id + " screen");
    this.#layout();
  }

  /**
   * @param {string} key
   * @param {string} className
   */
  #tile(key, className) {
    let tile = this.#tiles.get(key);
    if (!tile) {
      tile = new Tile(className);
      this.#tiles.set(key, tile);
      this.#list.append(tile.element);
    }
    return tile;
  }

  /** @param {string} key */
  #drop(key) {
    const tile = this.#tiles.get(key);
    tile?.picture(null);
    tile?.element.remove();
    this.#tiles.delete(key);
  }

  /** @param {MediaStreamTrack | null} track our own camera */
  set camera(track) {
    this.#camera = track;
    this.#tiles.get(this.#me)?.picture(track);
  }

  /**
   * Shows in every tile what its slot carries.
   *
   * @param {Pictures} pictures
   */
  pictures(pictures) {
    for (const [id, person] of this.#people) {
      const camera = id === this.#me ? this.#camera : person.video ? pictures(id, "camera") : null;
      this.#tiles.get(id)?.picture(camera);
      this.#tiles.get(id + " screen")?.picture(pictures(id, "screen"));
    }
  }

  /** @param {Set<string>} ids of those who speak */
  speaking(ids) {
    for (const [key, tile] of this.#tiles) tile.element.classList.toggle("speaking", ids.has(key));
  }

  /** How many people and phones are here. */
  get count() {
    return this.#people.size;
  }

  /** How many tiles are shown. */
  get tiles() {
    return this.#tiles.size;
  }

  /** The names of everybody, for the list in the header. */
  get names() {
    return [...this.#people.values()].map((p) => p.name || "Guest");
  }

  /** What the page would like to see, screens first, with the widths it shows them at. */
  wanted() {
    /** @type {Wanted[]} */
    const wanted = [];
    const add = (/** @type {string} */ id, /** @type {string} */ key, /** @type {Wanted["kind"]} */ kind) => {
      const width = this.#tiles.get(key)?.element.clientWidth ?? 0;
      if (width > 0) wanted.push({ id, kind, width: Math.round(width * devicePixelRatio) });
    };
    const others = [...this.#people.values()].filter((p) => p.id !== this.#me && p.kind === "browser");
    for (const p of others) if (p.screen) add(p.id, p.id + " screen", "screen");
    for (const p of others) if (p.video) add(p.id, p.id, "camera");
    return wanted;
  }

  /** Chooses as many columns as give the largest tiles. */
  #layout() {
    const count = this.#tiles.size;
    const { clientWidth: width, clientHeight: height } = this.#list;
    if (count > 0 && width > 0) {
      const narrowest = width < PHONE_WIDTH ? NARROWEST.phone : NARROWEST.desktop;
      const least = Math.min(MIN_HEIGHT, height);
      let best = { w: 0, h: 0 };
      for (let columns = 1; columns <= count; columns++) {
        const rows = Math.ceil(count / columns);
        const w = Math.floor((width - GAP * (columns - 1)) / columns);
        const h = Math.max(Math.floor((height - GAP * (rows - 1)) / rows), least);
        const fit = { w: Math.min(w, h * WIDEST), h: Math.min(h, w / narrowest) };
        if (fit.w * fit.h > best.w * best.h && rows * fit.h + GAP * (rows - 1) <= height) best = fit;
      }
      // So many that they do not fit: two columns or more, and the list scrolls.
      if (best.w === 0) {
        const columns = Math.max(2, Math.floor(width / 240));
        const w = (width - GAP * (columns - 1)) / columns - 1;
        best = { w, h: Math.max(MIN_HEIGHT, w * 0.62) };
      }
      this.#list.style.setProperty("--tile-w", Math.floor(best.w) + "px");
      this.#list.style.setProperty("--tile-h", Math.floor(best.h) + "px");
    }
    this.#changed();
  }

  /** Takes everybody away. */
  close() {
    this.#size.disconnect();
    for (const key of [...this.#tiles.keys()]) this.#drop(key);
    this.#people.clear();
  }
}
