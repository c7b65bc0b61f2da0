/**
 * The stage: the list of all tiles, phones, screens and people, each where
 * {@link arrange} puts it. One tile may be large: a phone whose keypad is open,
 * the one that was pinned, or else a shared screen.
 *
 * Tiles come and go one by one, but are arranged once a frame, and nothing is
 * measured but the size of the stage itself, so that a room filling up costs
 * no more than its tiles. Focus moves between tiles with the arrow keys; the
 * buttons of one tile at a time are in the order of the Tab key.
 */

import { focusTop } from "./dom.js";
import { direction } from "./i18n.js";
import { arrange } from "./layout.js";

/** @typedef {import("./layout.js").TileKind} TileKind */
/** @typedef {import("./layout.js").Rect} Rect */
/** @typedef {{key: string, kind: TileKind, element: HTMLElement, rect: Rect | null}} Item */

/** Tiles stand in this order, and within it as they came. @type {TileKind[]} */
const ORDER = ["phone", "screen", "person", "own"];
/** Arrow keys and how they move among the tiles. */
const ARROWS = new Map([["ArrowRight", 1], ["ArrowDown", 1], ["ArrowLeft", -1], ["ArrowUp", -1]]);
/** Narrower than this, in CSS pixels, a window is that of a telephone. */
const NARROW = 720;
/** The buttons of a touched tile stay in sight so long; milliseconds. */
const TOUCHED = 5000;

export class Stage {
  #list;
  #changed;
  /** @type {Item[]} */
  #items = [];
  #pinned = "";
  #focused = "";
  /** Screens that somebody has made small again. @type {Set<string>} */
  #small = new Set();
  #size = { width: 0, height: 0 };
  #observer;
  #due = false;
  #closed = false;
  #abort = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #touched;

  /**
   * @param {HTMLElement} list a `ul`, empty
   * @param {() => void} changed called after the tiles are arranged anew
   */
  constructor(list, changed) {
    this.#list = list;
    this.#changed = changed;
    this.#observer = new ResizeObserver(([entry]) => {
      this.#size = entry.contentRect;
      this.#arrangeSoon();
    });
    this.#observer.observe(list);
    const { signal } = this.#abort;
    list.addEventListener("keydown", (event) => this.#move(event), { signal });
    list.addEventListener("focusin", (event) => this.#current(this.#around(event.target)), { signal });
    list.addEventListener("pointerup", (event) => event.pointerType === "touch" && this.#touch(this.#around(event.target)), { signal });
  }

  /**
   * Puts a tile on the stage.
   *
   * @param {string} key
   * @param {TileKind} kind
   * @param {HTMLElement} element a `li`
   */
  put(key, kind, element) {
    const rank = ORDER.indexOf(kind);
    const at = this.#items.findIndex((i) => ORDER.indexOf(i.kind) > rank);
    const item = { key, kind, element, rect: null };
    if (at < 0) {
      this.#items.push(item);
      this.#list.append(element);
    } else {
      this.#list.insertBefore(element, this.#items[at].element);
      this.#items.splice(at, 0, item);
    }
    if (this.#items.length === 1) this.#current(element);
    else reachable(element, false);
    this.#arrangeSoon();
  }

  /** @param {string} key of a tile that goes */
  drop(key) {
    const item = this.#find(key);
    if (!item) return;
    this.#items = this.#items.filter((i) => i !== item);
    if (item.element.contains(document.activeElement)) focusTop();
    item.element.remove();
    if (this.#pinned === key) this.#pinned = "";
    if (this.#focused === key) this.#focused = "";
    this.#small.delete(key);
    if (this.#items.length > 0 && !this.#items.some((i) => i.element.classList.contains("current"))) this.#current(this.#items[0].element);
    this.#arrangeSoon();
  }

  /**
   * Makes a tile large, or small again when it is.
   *
   * @param {string} key
   */
  pin(key) {
    if (this.pinned === key) {
      this.#pinned = "";
      this.#small.add(key);
    } else {
      this.#pinned = key;
      this.#small.delete(key);
    }
    this.#arrangeSoon();
  }

  /**
   * Makes a tile large for as long as somebody works with it; "" ends that.
   *
   * @param {string} key
   */
  focus(key) {
    if (key === this.#focused) return;
    this.#focused = key;
    this.#arrangeSoon();
  }

  /** The key of the tile that is pinned, or of the screen that is as good as that; "" when there is none. */
  get pinned() {
    return this.#pinned || (this.#items.findLast((i) => i.kind === "screen" && !this.#small.has(i.key))?.key ?? "");
  }

  /** The key of the large tile, "" when all are equal. */
  get main() {
    return this.#focused || this.pinned;
  }

  /** How many tiles there are. */
  get count() {
    return this.#items.length;
  }

  /**
   * How wide a tile is shown, in CSS pixels; 0 when it is not.
   *
   * @param {string} key
   */
  width(key) {
    return this.#find(key)?.rect?.w ?? 0;
  }

  /** The whole stage on the whole screen, or back. */
  async fullscreen() {
    const place = this.#list.closest("[data-view]") ?? this.#list;
    try {
      await (document.fullscreenElement ? document.exitFullscreen() : place.requestFullscreen());
    } catch {
      // Forbidden inside somebody's frame; the button then does nothing.
    }
  }

  /** @param {string} key */
  #find(key) {
    return this.#items.find((i) => i.key === key);
  }

  #arrangeSoon() {
    if (this.#due || this.#closed) return;
    this.#due = true;
    // A hidden page draws no frames, and yet people come and go.
    if (document.hidden) setTimeout(() => this.#arrange(), 0);
    else requestAnimationFrame(() => this.#arrange());
  }

  #arrange() {
    this.#due = false;
    const { width, height } = this.#size;
    if (this.#closed || width === 0) return;
    const main = this.#items.findIndex((i) => i.key === this.main);
    const { rects, floats, height: needed } = arrange({ width, height, tiles: this.#items.map((i) => i.kind), main });
    // On a telephone, what somebody works with has the whole stage.
    const solo = this.#focused !== "" && main >= 0 && width < NARROW;
    if (solo) rects[main] = { x: 0, y: 0, w: width, h: height };
    this.#items.forEach((item, i) => {
      const { x, y, w, h } = rects[i];
      const before = item.rect;
      item.rect = rects[i];
      if (before?.x !== x || before.y !== y || before.w !== w || before.h !== h) {
        const { style } = item.element;
        style.insetInlineStart = x + "px";
        style.insetBlockStart = y + "px";
        style.width = w + "px";
        style.height = h + "px";
      }
      item.element.classList.toggle("main", i === main);
      item.element.classList.toggle("floating", floats && item.kind === "own");
    });
    this.#list.classList.toggle("scrolls", needed > height);
    this.#list.classList.toggle("floats", floats);
    this.#list.classList.toggle("nothing-to-pin", this.#pinned === "" && (this.#items.length === 1 || (floats && this.#items.length === 2)));
    this.#list.classList.toggle("one-thing", solo);
    this.#changed();
  }

  /** @param {EventTarget | null} target */
  #around(target) {
    return target instanceof Element ? this.#items.find((i) => i.element.contains(target))?.element : undefined;
  }

  /** @param {HTMLElement | undefined} element whose buttons the Tab key reaches from now on */
  #current(element) {
    if (!element || element.classList.contains("current")) return;
    for (const item of this.#items) reachable(item.element, item.element === element);
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    let step = ARROWS.get(event.key);
    const inActions = event.target instanceof Element && event.target.closest(".tile-actions");
    if (!step || !inActions || event.ctrlKey || event.metaKey || event.altKey) return;
    if (direction === "rtl" && /Left|Right/.test(event.key)) step = -step;
    const from = this.#around(event.target);
    const at = this.#items.findIndex((i) => i.element === from);
    for (let next = at + step; at >= 0 && next >= 0 && next < this.#items.length; next += step) {
      const button = /** @type {HTMLElement | null} */ (this.#items[next].element.querySelector(".tile-actions button:not([hidden])"));
      if (!button) continue;
      event.preventDefault();
      button.focus();
      return;
    }
  }

  /** @param {HTMLElement | undefined} element that was touched: there is no pointer to hover with */
  #touch(element) {
    clearTimeout(this.#touched);
    for (const item of this.#items) item.element.classList.toggle("touched", item.element === element);
    this.#touched = setTimeout(() => element?.classList.remove("touched"), TOUCHED);
  }

  /** Takes all tiles away. */
  close() {
    this.#closed = true;
    this.#abort.abort();
    this.#observer.disconnect();
    clearTimeout(this.#touched);
    for (const item of this.#items) item.element.remove();
    this.#items = [];
    this.#list.classList.remove("scrolls", "floats", "one-thing", "nothing-to-pin");
  }
}

/**
 * Takes a tile's own buttons into the order of the Tab key, or out of it. The
 * controls of a phone are always in it.
 *
 * @param {HTMLElement} element
 * @param {boolean} reached
 */
function reachable(element, reached) {
  element.classList.toggle("current", reached);
  for (const button of element.querySelectorAll(".tile-actions button")) button.setAttribute("tabindex", reached ? "0" : "-1");
}
