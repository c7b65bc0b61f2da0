/**
 * Everybody in the room as a list, phones too. Owners of the room can mute
 * and remove; who comes and goes is said to those who cannot see it.
 */

import { confirm } from "./dialog.js";
import { button, icon, make, rename } from "./dom.js";
import { t } from "./i18n.js";
import { hue, initials } from "./words.js";

/** @typedef {import("../protocol").Participant} Participant */
/** @typedef {import("../protocol").ToServer} ToServer */

/**
 * @typedef {object} Callbacks
 * @property {(message: ToServer) => boolean} send
 * @property {() => void} changed who is here has changed
 * @property {(text: string) => void} say to screen readers
 */

/** Colours of initials; base.css has as many. */
const HUES = 8;
/** Several who come at once are one sentence. Milliseconds. */
const GATHER = 1200;

/** One line of the list. */
class Row {
  #face = make("span", { class: "who-face", "aria-hidden": "true" });
  #name = make("bdi");
  #about = make("span", { class: "who-about" });
  #muted = mark("mic-off", t("people.muted"));
  #camera = mark("camera", t("people.camera"));
  #screen = mark("screen", t("people.shares"));
  #mute;
  #remove;
  #key = "";
  element;

  /**
   * @param {() => void} mute
   * @param {() => void} remove
   */
  constructor(mute, remove) {
    this.#mute = button(t("people.mute", { name: "" }), "mic", "bare", mute);
    this.#remove = button(t("people.remove", { name: "" }), "remove", "bare", remove);
    this.element = make("li", { class: "who" }, this.#face, make("span", { class: "who-text" }, make("span", { class: "who-name" }, this.#name), this.#about),
      this.#muted, this.#camera, this.#screen, this.#mute, this.#remove);
  }

  /**
   * @param {Participant} who
   * @param {boolean} mine
   * @param {boolean} moderate whether we may mute and remove others
   */
  show(who, mine, moderate) {
    const key = JSON.stringify([who, mine, moderate]);
    if (key === this.#key) return;
    this.#key = key;
    const phone = who.kind === "phone";
    const name = nameOf(who);
    this.#face.className = "who-face " + (phone ? "phone" : "hue-" + hue(who.name, HUES));
    this.#face.replaceChildren(phone ? icon("phone") : initials(who.name));
    this.#name.textContent = name;
    const about = [mine ? t("people.me") : "", who.role === "owner" ? t("people.owner") : "", phone ? t("people.phone") : ""];
    this.#about.textContent = about.filter(Boolean).join(" · ");
    this.#camera.hidden = !who.video;
    this.#screen.hidden = !who.screen;
    // The button shows what the mark would: an open microphone, or a closed one.
    this.#mute.hidden = mine || !moderate || !(who.audio || phone);
    this.#muted.hidden = who.audio || !this.#mute.hidden;
    this.#remove.hidden = mine || !moderate;
    if (this.#mute.hidden && document.activeElement === this.#mute) this.#remove.focus(); // or the focus would be lost
    relabel(this.#mute, t(who.audio ? "people.mute" : "people.let-speak", { name }), who.audio ? "mic" : "mic-off");
    relabel(this.#remove, t(phone ? "people.hang-up" : "people.remove", { name }), phone ? "hangup" : "remove");
    this.element.dataset.participant = who.id;
  }
}

export class Participants {
  #on;
  #me = "";
  #moderate = false;
  /** @type {Map<string, Participant>} */
  #people = new Map();
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #list = make("ul", { class: "who-list", tabindex: "-1", "aria-label": t("room.people") });
  /** @type {string[]} */
  #came = [];
  /** @type {string[]} */
  #went = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #gather;
  element;

  /**
   * @param {Callbacks} on
   * @param {(Node | string)[]} below what stands below the list
   */
  constructor(on, below) {
    this.#on = on;
    this.element = make("div", { class: "side-body" }, make("div", { class: "side-scroll", tabindex: "0" }, this.#list), make("div", { class: "side-foot" }, ...below));
  }

  /**
   * Starts anew with everybody the server knows.
   *
   * @param {string} me
   * @param {Participant[]} people
   * @param {boolean} moderate whether we may mute and remove others
   */
  reset(me, people, moderate) {
    this.#me = me;
    this.#moderate = moderate;
    const here = new Set(people.map((p) => p.id));
    for (const id of [...this.#people.keys()]) if (!here.has(id)) this.#drop(id);
    for (const person of people) this.#show(person);
    this.#on.changed();
  }

  /** @param {Participant} person new or changed */
  put(person) {
    if (!this.#people.has(person.id)) this.#tell(this.#came, nameOf(person));
    this.#show(person);
    this.#on.changed();
  }

  /** @param {string} id */
  remove(id) {
    const person = this.#people.get(id);
    if (!person) return;
    this.#tell(this.#went, nameOf(person));
    this.#drop(id);
    this.#on.changed();
  }

  /**
   * What we have switched on ourselves shows at once.
   *
   * @param {{audio: boolean, video: boolean, screen: boolean}} state
   */
  mine(state) {
    const me = this.#people.get(this.#me);
    if (me) this.#show({ ...me, ...state });
  }

  /** @param {Set<string>} ids of those who speak */
  speaking(ids) {
    for (const [id, row] of this.#rows) row.element.classList.toggle("speaking", ids.has(id));
  }

  /** How many people and phones are here. */
  get count() {
    return this.#people.size;
  }

  /**
   * @param {string} id
   * @returns {string} "" for somebody who is not here
   */
  name(id) {
    const person = this.#people.get(id);
    return person ? nameOf(person) : "";
  }

  /** @param {Participant} person */
  #show(person) {
    this.#people.set(person.id, person);
    let row = this.#rows.get(person.id);
    if (!row) {
      const { id } = person;
      row = new Row(() => this.#mute(id), () => this.#remove(id));
      this.#rows.set(id, row);
      if (id === this.#me) this.#list.prepend(row.element);
      else this.#list.append(row.element);
    }
    row.show(person, person.id === this.#me, this.#moderate);
  }

  /** @param {string} id */
  #drop(id) {
    this.#people.delete(id);
    const row = this.#rows.get(id)?.element;
    if (row?.contains(document.activeElement)) this.#list.focus();
    row?.remove();
    this.#rows.delete(id);
  }

  /** @param {string} id */
  #mute(id) {
    const person = this.#people.get(id);
    if (person) this.#on.send({ type: "mute", id, ...(person.audio ? {} : { muted: false }) });
  }

  /** @param {string} id */
  #remove(id) {
    const person = this.#people.get(id);
    if (!person) return;
    const name = nameOf(person);
    const go = () => this.#on.send({ type: "remove", id });
    if (person.kind === "phone") confirm(t("people.hang-up-ask", { name }), t("people.hang-up-detail"), t("people.hang-up-yes"), go);
    else confirm(t("people.remove-ask", { name }), t("people.remove-detail"), t("people.remove-yes"), go);
  }

  /**
   * @param {string[]} gathered
   * @param {string} name
   */
  #tell(gathered, name) {
    gathered.push(name);
    clearTimeout(this.#gather);
    this.#gather = setTimeout(() => {
      const sentences = [sentence("people.came", this.#came), sentence("people.went", this.#went)];
      this.#came.length = this.#went.length = 0;
      this.#on.say(sentences.filter(Boolean).join(" "));
    }, GATHER);
  }

  close() {
    clearTimeout(this.#gather);
  }
}

/** @param {Participant} who */
function nameOf(who) {
  return who.name || t("people.guest");
}

/**
 * @param {string} key
 * @param {string[]} names
 */
function sentence(key, names) {
  return names.length === 0 ? "" : t(key, { n: names.length, name: names[0] });
}

/**
 * @param {string} drawing
 * @param {string} name
 */
function mark(drawing, name) {
  return make("span", { class: "who-mark", role: "img", "aria-label": name, title: name, hidden: true }, icon(drawing));
}

/**
 * @param {HTMLButtonElement} element
 * @param {string} name
 * @param {string} drawing
 */
function relabel(element, name, drawing) {
  rename(element, name, drawing);
  element.title = name;
}
