/**
 * What one tab remembers about one room, so that a reload is not a new visit:
 * the resume token, the name, what was switched off, who we were, and which
 * numbers this visit has already dialled.
 *
 * It lives in sessionStorage, which ends with the tab: clicking the link again
 * is a new visit and rings again. So is clicking it in the same tab, which the
 * browser reports as a navigation and not as a reload; then the memory is cleared.
 */

/** @typedef {{id: string, token: string, name: string}} Memory */
/** What the person has switched, as far as they have. @typedef {{muted?: boolean, camera?: boolean}} Switches */

/** How long a page that is being reloaded may take to let go of its participant, in milliseconds. */
const RELEASE = 500;

const DIALLED = ":dialled:";
const SWITCHES = ":switches";
const IDS = ":ids";

export class Visit {
  #key;
  #storage;
  /** Who we were: leaving and coming back makes somebody else of us. @type {Set<string>} */
  #ids;
  /** Whether this page load is a reload (or back, or a restored tab) of a visit. */
  again;

  /**
   * @param {string} room
   * @param {Storage | null} storage
   * @param {boolean} again
   */
  constructor(room, storage, again) {
    this.#key = "dialroom:" + encodeURIComponent(room);
    this.#storage = storage;
    this.again = again;
    if (!again) this.#forgetAll();
    this.#ids = new Set(storage?.getItem(this.#key + IDS)?.split(" "));
  }

  /**
   * The visit that this page load belongs to.
   *
   * @param {string} room
   */
  static here(room) {
    const [entry] = performance.getEntriesByType("navigation");
    const type = entry instanceof PerformanceNavigationTiming ? entry.type : "navigate";
    return new Visit(room, sessionStore(), type === "reload" || type === "back_forward");
  }

  /** @returns {Memory | null} who we were before the reload */
  get memory() {
    try {
      const memory = JSON.parse(this.#storage?.getItem(this.#key) ?? "null");
      return typeof memory?.token === "string" && typeof memory.name === "string" ? memory : null;
    } catch {
      return null;
    }
  }

  /** @param {Memory} memory */
  remember(memory) {
    this.#set(this.#key, JSON.stringify(memory));
    this.#ids.add(memory.id);
    this.#set(this.#key + IDS, [...this.#ids].join(" "));
  }

  /**
   * @param {string} id of a participant
   * @returns {boolean} whether that is us, or was earlier in this visit
   */
  was(id) {
    return this.#ids.has(id);
  }

  /** @returns {Switches} so that nobody who was muted or unseen is heard or seen after a reload */
  get switches() {
    try {
      const { muted, camera } = JSON.parse(this.#storage?.getItem(this.#key + SWITCHES) ?? "{}");
      return { muted: muted === true, ...(typeof camera === "boolean" ? { camera } : {}) };
    } catch {
      return {};
    }
  }

  /** @param {Switches} changed what is not named stays */
  switched(changed) {
    this.#set(this.#key + SWITCHES, JSON.stringify({ ...this.switches, ...changed }));
  }

  /** After leaving there is nobody to resume. What was dialled stays dialled. */
  forget() {
    this.#storage?.removeItem(this.#key);
  }

  /**
   * @param {string} number
   * @returns {boolean} whether this visit has dialled the number
   */
  dialled(number) {
    return this.#storage?.getItem(this.#dialKey(number)) === "1";
  }

  /** @param {string} number */
  markDialled(number) {
    this.#set(this.#dialKey(number), "1");
  }

  /** @param {string} number */
  #dialKey(number) {
    return this.#key + DIALLED + number;
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  #set(key, value) {
    try {
      this.#storage?.setItem(key, value);
    } catch {
      // Full or forbidden: the server still refuses a second dial.
    }
  }

  #forgetAll() {
    const storage = this.#storage;
    if (!storage) return;
    const keys = Array.from({ length: storage.length }, (_, i) => storage.key(i) ?? "");
    for (const key of keys) {
      if ([this.#key, this.#key + SWITCHES, this.#key + IDS].includes(key) || key.startsWith(this.#key + DIALLED)) storage.removeItem(key);
    }
  }
}

/**
 * Claims a participant for this page until it is closed. A duplicated tab has
 * a copy of the memory; two pages that resume the same participant would throw
 * each other out for ever.
 *
 * @param {string} id of the participant
 * @returns {Promise<boolean>} false when another page has it
 */
export function claim(id) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    const patience = AbortSignal.timeout(RELEASE);
    const held = () => {
      resolve(true);
      return new Promise(() => {}); // the browser lets go when the page is closed
    };
    navigator.locks.request("dialroom:" + id, { signal: patience }, held).catch(() => resolve(false));
  });
}

/** @returns {Storage | null} null where the browser forbids it */
function sessionStore() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}

/** What this browser remembers for all rooms: the last name, the devices that were chosen. */
const KEPT = "dialroom:";

/**
 * @param {string} key
 * @returns {string} "" when nothing is remembered
 */
export function recall(key) {
  try {
    return localStorage.getItem(KEPT + key) ?? "";
  } catch {
    return "";
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
export function store(key, value) {
  try {
    localStorage.setItem(KEPT + key, value);
  } catch {
    // Forbidden or full: it is asked again next time.
  }
}
