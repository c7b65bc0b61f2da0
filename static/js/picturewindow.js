/**
 * The small window that stays in sight when another program is in front
 * (picture-in-picture). It has a video element of its own, so that whose
 * picture it shows may change while it is open.
 */

import { make } from "./dom.js";

/** A picture that has not come by then is not coming. Milliseconds. */
const PATIENCE = 2000;

export class PictureWindow {
  #video = make("video", { autoplay: true, playsinline: true, class: "in-window", "aria-hidden": "true" });
  /** @type {MediaStreamTrack | null} */
  #track = null;
  #width = 0;

  /** @param {() => void} changed it was closed, or has another size */
  constructor(changed) {
    this.#video.muted = true; // sound has elements of its own
    this.#video.addEventListener("leavepictureinpicture", () => {
      this.#clear();
      changed();
    });
    this.#video.addEventListener("enterpictureinpicture", (event) => {
      const opened = /** @type {PictureInPictureEvent} */ (event).pictureInPictureWindow;
      this.#width = opened.width;
      opened.onresize = () => {
        this.#width = opened.width;
        changed();
      };
    });
  }

  /** Whether the browser has such windows for pictures of a page's choice. */
  static get possible() {
    return document.pictureInPictureEnabled === true;
  }

  get open() {
    return this.#track !== null && document.pictureInPictureElement === this.#video;
  }

  /** Of the picture, in CSS pixels. */
  get width() {
    return this.#width;
  }

  /**
   * Shows a picture. The window opens only while a press is fresh.
   *
   * @param {MediaStreamTrack} track
   * @returns {Promise<boolean>} whether there is a window now
   */
  async show(track) {
    if (track !== this.#track) {
      this.#track = track;
      this.#video.srcObject = new MediaStream([track]);
    }
    if (this.open) return true;
    document.body.append(this.#video);
    try {
      await Promise.race([this.#video.play(), new Promise((_, fail) => setTimeout(fail, PATIENCE))]);
      await this.#video.requestPictureInPicture();
      return true;
    } catch {
      this.#clear();
      return false;
    }
  }

  async close() {
    if (this.open) await document.exitPictureInPicture().catch(() => {});
    this.#clear();
  }

  #clear() {
    this.#track = null;
    this.#video.srcObject = null;
    this.#video.remove();
  }
}
