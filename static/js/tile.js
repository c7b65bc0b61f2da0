/**
 * The tile of a person or a shared screen: picture or initials, the name, and
 * marks for who is muted, who speaks and whose connection is bad.
 */

import { icon, make } from "./dom.js";
import { t } from "./i18n.js";
import { QualityMark, TileActions } from "./tileactions.js";
import { hue, initials } from "./words.js";

/** @typedef {import("../protocol").Participant} Participant */
/** @typedef {import("./quality.js").Quality} Quality */

/** Colours of initials; base.css has as many. */
const HUES = 8;

export class Tile {
  #video = make("video", { autoplay: true, playsinline: true, hidden: true });
  #face = make("div", { class: "face", "aria-hidden": "true" });
  #name = make("span", { class: "name-text" });
  #muted = make("span", { class: "muted-mark", role: "img", "aria-label": t("tile.muted"), title: t("tile.muted"), hidden: true }, icon("mic-off"));
  #problem = make("p", { class: "tile-problem", hidden: true });
  #mark = new QualityMark();
  #actions;
  /** @type {MediaStreamTrack | null} */
  #track = null;
  /** What is written, so that nothing is written twice. */
  #written = "";
  element;

  /**
   * @param {string} className
   * @param {{pin: () => void, window: () => void}} on window: into the small window, or back
   */
  constructor(className, on) {
    this.#video.muted = true; // sound has elements of its own
    this.#video.addEventListener("loadeddata", () => this.#video.classList.add("seen"));
    this.element = make("li", { class: "tile " + className }, this.#face, this.#video,
      make("div", { class: "name" }, this.#muted, this.#name, this.#mark.element), this.#problem);
    this.element.addEventListener("dblclick", (event) => event.target instanceof HTMLButtonElement || on.pin());
    this.#actions = new TileActions(this.element, this.#video, on);
  }

  /**
   * @param {string} label
   * @param {Participant} who
   */
  show(label, who) {
    this.#muted.hidden = who.audio;
    this.element.dataset.muted = String(!who.audio);
    const written = label + "\n" + who.name;
    if (written === this.#written) return;
    this.#written = written;
    this.#name.textContent = label;
    this.#face.textContent = initials(who.name);
    this.#face.className = "face hue-" + hue(who.name, HUES);
    this.#actions.name = label;
    this.element.setAttribute("aria-label", label);
    this.element.dataset.participant = who.id;
  }

  /** @param {MediaStreamTrack | null} track */
  picture(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.#video.srcObject = track ? new MediaStream([track]) : null;
    this.#video.hidden = !track;
    this.#video.classList.remove("seen"); // the face stays until there is a picture
    this.element.classList.toggle("with-video", track !== null);
    this.#actions.picture(track !== null);
    // A muted video may always play; it fails only when the source is replaced meanwhile.
    if (track) this.#video.play().catch(() => {});
  }

  /** What is shown, null where there is no picture. */
  get track() {
    return this.#track;
  }

  /** @param {boolean} facing whether the picture is of the person who looks at it: shown as in a mirror */
  set mirrored(facing) {
    this.element.classList.toggle("mirrored", facing);
  }

  /** @param {Quality | null} quality of the connection, null while nothing is known */
  quality(quality) {
    this.#mark.show(quality);
    this.#actions.quality(quality);
    const words = quality?.problem ?? "";
    this.#problem.hidden = words === "";
    if (this.#problem.textContent !== words) this.#problem.textContent = words;
  }

  /** @param {boolean} speaks */
  set speaking(speaks) {
    this.element.classList.toggle("speaking", speaks);
  }

  /** @param {boolean} pinned */
  set pinned(pinned) {
    this.#actions.pinned = pinned;
  }
}
