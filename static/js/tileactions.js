/**
 * What can be done with a tile: make it large, fill the screen with it, put it
 * into a small window of its own, and look at how its connection is. The
 * buttons show while the tile is pointed at, touched, or has the focus.
 */

import { button, icon, make, rename } from "./dom.js";
import { t } from "./i18n.js";
import { PictureWindow } from "./picturewindow.js";
import { connectionFacts } from "./quality.js";

/** @typedef {import("./quality.js").Quality} Quality */

export class TileActions {
  #pin;
  #full;
  #small;
  #ask = button("", "bars", "tile-action", () => this.#toggle());
  #facts = make("dl", { class: "facts", hidden: true });
  #video;
  #place;
  /** @type {Quality | null} */
  #quality = null;
  #name = "";
  element;

  /**
   * @param {HTMLElement} place the tile
   * @param {HTMLVideoElement | null} video null where there never is a picture
   * @param {{pin: () => void, window?: () => void}} on window: into the small window, or back
   */
  constructor(place, video, { pin, window = () => {} }) {
    this.#place = place;
    this.#video = video;
    this.#pin = button("", "pin", "tile-action", pin);
    this.#small = button("", "pip", "tile-action", window);
    this.#full = button("", "expand", "tile-action", () => void this.#fullscreen());
    this.element = make("div", { class: "tile-actions" }, this.#ask, this.#small, this.#full, this.#pin);
    place.append(this.#facts, this.element);
    this.#ask.hidden = true;
    this.#ask.setAttribute("aria-expanded", "false");
    this.picture(false);
  }

  /** @param {string} name of who or what is shown */
  set name(name) {
    if (name === this.#name) return;
    this.#name = name;
    rename(this.#pin, t("tile.pin", { name }), "pin");
    rename(this.#full, t("tile.full", { name }), "expand");
    rename(this.#small, t("tile.window", { name }), "pip");
    rename(this.#ask, t("tile.connection", { name }), "bars");
    for (const b of [this.#pin, this.#full, this.#small, this.#ask]) b.title = b.getAttribute("aria-label") ?? "";
    this.#facts.setAttribute("aria-label", t("tile.connection", { name }));
  }

  /** @param {boolean} pinned */
  set pinned(pinned) {
    this.#pin.setAttribute("aria-pressed", String(pinned));
  }

  /** @param {boolean} shown whether there is a picture */
  picture(shown) {
    this.#small.hidden = !shown || !PictureWindow.possible;
    this.#full.hidden = !shown || !canFill(this.#place, this.#video);
  }

  /** @param {Quality | null} quality null when nothing is known */
  quality(quality) {
    this.#quality = quality;
    this.#ask.hidden = !quality;
    if (!quality) this.#show(false);
    else if (!this.#facts.hidden) this.#write();
  }

  #toggle() {
    this.#show(Boolean(this.#facts.hidden));
  }

  /** @param {boolean} shown */
  #show(shown) {
    this.#facts.hidden = !shown;
    this.#ask.setAttribute("aria-expanded", String(shown));
    if (shown) this.#write();
  }

  #write() {
    if (!this.#quality) return;
    const rows = connectionFacts(this.#quality).map(([what, value]) => make("div", {}, make("dt", {}, what), make("dd", {}, value)));
    this.#facts.replaceChildren(...rows);
  }

  async #fullscreen() {
    const video = /** @type {(HTMLVideoElement & {webkitEnterFullscreen?: () => void}) | null} */ (this.#video);
    try {
      if (document.fullscreenElement) await document.exitFullscreen();
      else if (this.#place.requestFullscreen) await this.#place.requestFullscreen();
      else video?.webkitEnterFullscreen?.(); // an iPhone fills its screen with pictures only
    } catch {
      // Inside a frame that does not allow it.
    }
  }
}

/**
 * @param {HTMLElement} place
 * @param {HTMLVideoElement | null} video
 */
function canFill(place, video) {
  return (document.fullscreenEnabled && "requestFullscreen" in place) || (video !== null && "webkitEnterFullscreen" in video);
}

/** A mark beside a name, for a connection that is not good. */
export class QualityMark {
  element = make("span", { class: "quality-mark", role: "img", hidden: true }, icon("bars"));

  /** @param {Quality | null} quality */
  show(quality) {
    const grade = quality?.grade ?? "good";
    const words = grade === "good" ? "" : t("quality." + grade);
    this.element.hidden = words === "";
    this.element.dataset.grade = grade;
    if (this.element.title !== words) {
      this.element.title = words;
      this.element.setAttribute("aria-label", words);
    }
  }
}
