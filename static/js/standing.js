/**
 * How the page's connection stands, as one word out of two things: the socket,
 * and whether media flows. The word is on `document.documentElement`, the
 * sentence about it among the notices.
 */

import { t } from "./i18n.js";

/** @typedef {import("./signal.js").Connection} Connection */

/** Media that does not flow by then is blocked somewhere. Milliseconds. */
const MEDIA_PATIENCE = 12_000;

export class Standing {
  #notice;
  /** @type {Connection} */
  #signalled = "connecting";
  #flowed = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {(text: string) => void} notice what a person should know of it, "" when all is well */
  constructor(notice) {
    this.#notice = notice;
  }

  /** What the socket said last. */
  get signalled() {
    return this.#signalled;
  }

  /**
   * @param {Connection} signalled what the socket says
   * @param {boolean} flows whether media does
   * @param {number} failures of the socket since it last was open
   * @returns {Connection}
   */
  update(signalled, flows, failures) {
    this.#signalled = signalled;
    this.#flowed ||= flows;
    const state = signalled === "connected" && !flows ? (this.#flowed ? "reconnecting" : "connecting") : signalled;
    document.documentElement.dataset.connection = state;
    this.#notice(trouble(state, failures));
    clearTimeout(this.#timer);
    if (signalled === "connected" && !flows) this.#timer = setTimeout(() => this.#notice(t("room.blocked")), MEDIA_PATIENCE);
    return state;
  }

  /** The room has been left. */
  close() {
    clearTimeout(this.#timer);
    document.documentElement.dataset.connection = "left";
  }
}

/**
 * @param {Connection} state
 * @param {number} failures
 * @returns {string}
 */
function trouble(state, failures) {
  if (state !== "reconnecting" && !(state === "connecting" && failures > 0)) return "";
  if (navigator.onLine === false) return t("server.offline");
  return t(state === "reconnecting" ? "room.reconnecting" : "server.unreachable");
}
