/**
 * One WebSocket to the server, kept open.
 *
 * {@link Signal} joins when the socket opens, and when it is lost opens
 * another with the resume token of the last `welcome`, so that nobody in the
 * room sees a leave. Messages go out in order; what is sent while there is no
 * socket is dropped, because after a resume the page says everything anew.
 */

import { t } from "./i18n.js";
import { errorWords } from "./words.js";

/** @typedef {import("../protocol").FromServer} FromServer */
/** @typedef {import("../protocol").ToServer} ToServer */
/** @typedef {"connecting" | "connected" | "reconnecting" | "left"} Connection */

/**
 * Why it is over: the server's last error, or what the close code means
 * ("left", "refused", "misunderstood", "elsewhere", "removed"). Empty after our own {@link Signal.close}.
 *
 * @typedef {{code: string, text: string}} Why
 */

/**
 * @typedef {object} Callbacks
 * @property {(state: Connection) => void} state
 * @property {() => void} joined     a socket is open and `join` is on its way
 * @property {(message: FromServer) => void} message every message but `pong`
 * @property {(why: Why) => void} refused the server closed for good; nothing is retried
 */

/** First wait before another socket, doubled up to the last; milliseconds. */
const FIRST_WAIT = 300;
const LAST_WAIT = 8000;
/** A ping this often, and a socket on which nothing came since the last one is given up. */
const PING = 10_000;
/** A socket that is not open by then is given up. */
const OPEN_TIMEOUT = 8000;

/**
 * WebSocket close codes after which coming back would be wrong: left, policy
 * violation (a full room …), message too big, the visit goes on in another
 * window, and removed.
 */
const FINAL = new Map([[1000, "left"], [1008, "refused"], [1009, "misunderstood"], [4001, "elsewhere"], [4003, "removed"]]);

export class Signal {
  #url;
  #who;
  #on;
  #resume;
  /** @type {WebSocket | null} */
  #socket = null;
  #welcomed = false;
  #heard = false;
  #closed = false;
  /** @type {Why | null} the last error, which may be why the socket is closed after it */
  #error = null;
  #wait = FIRST_WAIT;
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ping;

  /**
   * @param {string} url of the WebSocket
   * @param {{room: string, name: string, link?: string, resume?: string}} who
   * @param {Callbacks} on
   */
  constructor(url, who, on) {
    this.#url = url;
    this.#who = who;
    this.#resume = who.resume;
    this.#on = on;
    on.state("connecting");
    this.#open();
  }

  /**
   * Sends a message if there is a socket.
   *
   * @param {ToServer} message
   * @returns {boolean} whether it was sent
   */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Looks at once whether the socket still lives: the network may have changed. */
  check() {
    if (this.#closed) return;
    if (this.#socket) this.#beat();
    else this.#open();
  }

  /** Leaves the room for good. Safe to call twice. */
  close() {
    if (this.#closed) return;
    this.send({ type: "leave" });
    this.#finish();
    this.#on.state("left");
  }

  #finish() {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#drop();
  }

  #open() {
    clearTimeout(this.#retry);
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#welcomed = false;
    this.#heard = true;
    const late = setTimeout(() => this.#lost(socket), OPEN_TIMEOUT);
    socket.onopen = () => {
      clearTimeout(late);
      const { room, name, link } = this.#who;
      this.send({
        type: "join", room, name,
        ...(link ? { link } : {}),
        ...(this.#resume ? { resume: this.#resume } : {}),
      });
      this.#ping = setInterval(() => this.#beat(), PING);
      this.#on.joined();
    };
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => {
      clearTimeout(late);
      if (this.#socket !== socket) return;
      const final = FINAL.get(event.code);
      if (final === undefined) {
        this.#lost(socket);
        return;
      }
      this.#finish();
      this.#on.refused(this.#explained(final, event.reason));
    };
  }

  /** @param {unknown} data */
  #receive(data) {
    this.#heard = true;
    /** @type {FromServer} */
    let message;
    try {
      message = JSON.parse(String(data));
    } catch {
      return; // not ours to understand, and no reason to lose the room
    }
    if (message.type === "pong") return;
    if (message.type === "welcome") {
      this.#resume = message.resume;
      this.#welcomed = true;
      this.#wait = FIRST_WAIT;
      this.#failures = 0;
    }
    if (message.type === "error") this.#error = message;
    this.#on.message(message);
    if (message.type === "welcome") this.#on.state("connected");
  }

  /**
   * @param {string} closed
   * @param {string} reason the server's sentence, "" for none
   * @returns {Why}
   */
  #explained(closed, reason) {
    if (closed !== "refused") return { code: closed, text: t("closed." + closed) };
    // A close has room for 123 bytes of it (RFC 6455 §5.5); without an error before it, it is for programs.
    if (reason && this.#error?.text.startsWith(reason)) return { code: this.#error.code, text: errorWords(this.#error) };
    return { code: closed, text: t("closed.refused") };
  }

  #beat() {
    const socket = this.#socket;
    if (!socket || socket.readyState === WebSocket.CONNECTING) return;
    if (!this.#heard) {
      this.#lost(socket);
      return;
    }
    this.#heard = false;
    this.send({ type: "ping" });
  }

  /**
   * A socket is gone; another follows after a wait with jitter, so that a
   * restarted server is not met by everybody at once.
   *
   * @param {WebSocket} socket
   */
  #lost(socket) {
    if (this.#closed || this.#socket !== socket) return;
    this.#drop();
    this.#failures++;
    this.#on.state(this.#resume ? "reconnecting" : "connecting");
    this.#retry = setTimeout(() => this.#open(), this.#wait * (0.5 + Math.random() / 2));
    this.#wait = Math.min(this.#wait * 2, LAST_WAIT);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#welcomed = false;
    clearInterval(this.#ping);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** How many sockets in a row led to no welcome. */
  get failures() {
    return this.#failures;
  }

  /** Whether the server knows us on this socket. */
  get welcomed() {
    return this.#welcomed;
  }
}
