/**
 * The people in the room: a tile each, and one for each shared screen. Phones
 * are counted here and have tiles of their own (calls.js).
 */

import { t } from "./i18n.js";
import { PictureWindow } from "./picturewindow.js";
import { Tile } from "./tile.js";

/** @typedef {import("../protocol").Participant} Participant */
/** @typedef {import("../protocol").Wanted} Wanted */
/** @typedef {import("./quality.js").Quality} Quality */
/** @typedef {(id: string, kind: "camera" | "screen") => MediaStreamTrack | null} Pictures */

/** A telephone's screen shows so many pictures at once, which is what its processor can take. */
const NARROW = 720;
const FEW = 12;
/** No count of who spoke when gets so high. */
const HIGH = 1e9;
/** Added to an id, it is the key of the person's screen. */
const SCREEN = " screen";

export class People {
  #stage;
  #changed;
  /** @type {Map<string, Participant>} */
  #people = new Map();
  /** Tiles by participant, and by participant and " screen". @type {Map<string, Tile>} */
  #tiles = new Map();
  /** When somebody spoke last; who did so lately is shown first when not all can be. @type {Map<string, number>} */
  #spoke = new Map();
  #turn = 0;
  #me = "";
  /** @type {MediaStreamTrack | null} */
  #camera = null;
  #window;
  /** The tile that was chosen for the window; "" follows who speaks. */
  #chosen = "";
  /** The tile that the window shows. */
  #inWindow = "";

  /**
   * @param {Pick<import("./stage.js").Stage, "put" | "drop" | "pin" | "width" | "main" | "pinned">} stage
   * @param {() => void} changed called when who is here has changed
   */
  constructor(stage, changed) {
    this.#stage = stage;
    this.#changed = changed;
    this.#window = new PictureWindow(changed);
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
    if (person.kind === "browser") {
      const mine = person.id === this.#me;
      const name = person.name || t("people.guest");
      const tile = this.#tile(person.id, mine ? "own" : "person");
      if (mine) this.#mirror(tile);
      tile.show(mine ? t("people.you", { name }) : name, person);
      if (person.screen && !mine) this.#tile(person.id + SCREEN, "screen").show(t("people.screen", { name }), { ...person, audio: true });
      else this.#drop(person.id + SCREEN);
    }
    this.#changed();
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
    this.#spoke.delete(id);
    this.#drop(id);
    this.#drop(id + SCREEN);
    this.#changed();
  }

  /**
   * @param {string} key
   * @param {import("./layout.js").TileKind} kind
   */
  #tile(key, kind) {
    let tile = this.#tiles.get(key);
    if (!tile) {
      tile = new Tile(kind === "own" ? "me" : kind, { pin: () => this.#stage.pin(key), window: () => void this.window(key) });
      this.#tiles.set(key, tile);
      this.#stage.put(key, kind, tile.element);
    }
    return tile;
  }

  /** @param {string} key */
  #drop(key) {
    const tile = this.#tiles.get(key);
    if (!tile) return;
    tile.picture(null);
    this.#tiles.delete(key);
    this.#stage.drop(key);
  }

  /** @param {MediaStreamTrack | null} track our own camera */
  set camera(track) {
    this.#camera = track;
    const tile = this.#tiles.get(this.#me);
    if (tile) this.#mirror(tile);
  }

  /** @param {Tile} tile our own: a mirror, unless the camera looks away from us */
  #mirror(tile) {
    tile.picture(this.#camera);
    tile.mirrored = this.#camera !== null && this.#camera.getSettings().facingMode !== "environment";
  }

  /**
   * Shows in every tile what its slot carries.
   *
   * @param {Pictures} pictures
   */
  pictures(pictures) {
    for (const [id, person] of this.#people) {
      if (id === this.#me) continue;
      this.#tiles.get(id)?.picture(person.video ? pictures(id, "camera") : null);
      this.#tiles.get(id + SCREEN)?.picture(pictures(id, "screen"));
    }
    this.#follow();
  }

  /** @param {Set<string>} ids of those who speak */
  speaking(ids) {
    this.#turn++;
    // A word may come in after its speaker has left; nobody would forget them then.
    for (const id of ids) if (this.#people.has(id)) this.#spoke.set(id, this.#turn);
    for (const [key, tile] of this.#tiles) tile.speaking = ids.has(key);
    this.#follow();
  }

  /**
   * Opens the small window with a tile's picture, or with the large tile and else who speaks; pressed again closes it.
   *
   * @param {string} [key] of the tile
   * @returns {Promise<boolean>} false when there is no picture to show
   */
  async window(key = "") {
    if (this.#window.open && (key === "" || key === this.#inWindow)) return this.#window.close().then(() => true);
    this.#chosen = key;
    this.#inWindow = this.#candidate();
    const track = this.#tiles.get(this.#inWindow)?.track;
    return track ? this.#window.show(track) : false;
  }

  /** Whose picture the window is to show; who is in it stays while nobody else has a better claim. */
  #candidate() {
    const keys = [...this.#people.values()].flatMap(({ id, video, screen }) => [...(video ? [id] : []), ...(screen && id !== this.#me ? [id + SCREEN] : [])]);
    const rank = (/** @type {string} */ key) => {
      if (key === this.#chosen || key === this.#stage.main) return key === this.#chosen ? 2 * HIGH : HIGH;
      return (key === this.#me ? -1 : this.#spoke.get(key) ?? 0) + (key === this.#inWindow ? 0.5 : 0);
    };
    return keys.reduce((best, key) => (best === "" || rank(key) > rank(best) ? key : best), "");
  }

  /** The window shows somebody else when somebody else speaks; their picture may have to come first. */
  #follow() {
    if (!this.#window.open) return;
    const key = this.#candidate();
    if (key !== this.#inWindow) {
      this.#inWindow = key;
      this.#changed();
    }
    const track = this.#tiles.get(key)?.track;
    if (track) void this.#window.show(track);
  }

  /**
   * @param {string} id
   * @param {Quality | null} quality of their connection
   */
  quality(id, quality) {
    this.#tiles.get(id)?.quality(quality);
  }

  /** Marks the pinned tile; called when the stage has been arranged. */
  arranged() {
    const { pinned } = this.#stage;
    for (const [key, tile] of this.#tiles) tile.pinned = key === pinned;
    this.#follow();
  }

  /** Everybody who is here, phones too. */
  get all() {
    return [...this.#people.values()];
  }

  /** How many people and phones are here. */
  get count() {
    return this.#people.size;
  }

  /** The names of everybody. */
  get names() {
    return this.all.map((p) => p.name || t("people.guest"));
  }

  /**
   * What the page would like to see, most wanted first, with the widths it
   * shows them at: screens, the large tile, and who spoke lately. Of a page
   * that nobody looks at only the window is seen.
   *
   * @param {boolean} seen whether somebody looks at the page
   */
  wanted(seen) {
    /** @type {(Wanted & {rank: number})[]} */
    const wanted = [];
    const add = (/** @type {string} */ id, /** @type {string} */ key, /** @type {Wanted["kind"]} */ kind) => {
      const width = seen ? this.#stage.width(key) : this.#window.open && key === this.#inWindow ? this.#window.width : 0;
      const rank = key === this.#stage.main ? Infinity : this.#spoke.get(id) ?? 0;
      if (width > 0) wanted.push({ id, kind, width: Math.round(width * devicePixelRatio), rank });
    };
    const others = this.all.filter((p) => p.id !== this.#me && p.kind === "browser");
    for (const p of others) if (p.screen) add(p.id, p.id + SCREEN, "screen");
    const screens = wanted.splice(0);
    for (const p of others) if (p.video) add(p.id, p.id, "camera");
    wanted.sort((a, b) => b.rank - a.rank);
    const most = innerWidth < NARROW ? FEW : Infinity;
    return [...screens, ...wanted].slice(0, most).map(({ id, kind, width }) => ({ id, kind, width }));
  }

  /** Takes everybody away. */
  close() {
    void this.#window.close();
    for (const key of [...this.#tiles.keys()]) this.#drop(key);
    this.#people.clear();
  }
}
