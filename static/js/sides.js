/**
 * What surrounds the stage: the panel with people, chat and invitation, the
 * dialog for one more phone, shortcuts, and words for those who do not see who
 * comes and goes. The room tells it what happens and is told what is pressed.
 */

import { askNumber } from "./addphone.js";
import { Chat, preview } from "./chat.js";
import { closeDialogs } from "./dialog.js";
import { button, byId } from "./dom.js";
import { t } from "./i18n.js";
import { Invite, inviteLink } from "./invite.js";
import { Panel } from "./panel.js";
import { Participants } from "./participants.js";
import { Shortcuts } from "./shortcuts.js";

/** @typedef {import("../protocol").Participant} Participant */
/** @typedef {import("../protocol").ToServer} ToServer */

/**
 * @typedef {object} Options
 * @property {import("./toolbar.js").Toolbar} toolbar
 * @property {{room: string, token: string}} link
 * @property {(message: ToServer) => boolean} send
 * @property {(number: string) => void} call one more phone
 * @property {() => void} changed who is here has changed
 * @property {(talking: boolean) => boolean} talk the space bar is held or let go
 */

/** How long a line that nobody sees in the chat is shown. Milliseconds. */
const PREVIEW = 6000;

export class Sides {
  #o;
  #may = { moderate: false, addPhone: false };
  #panel;
  #chat;
  #people;
  #invite;
  #shortcuts;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #previewTimer;
  #count = byId("people-count");

  /** @param {Options} options */
  constructor(options) {
    this.#o = options;
    const { toolbar, link, send } = options;
    this.#panel = new Panel((current) => this.#opened(current), (name) => (name === "people" ? this.#count : toolbar.place(name)));
    this.#chat = new Chat({ send: (text) => send({ type: "chat", text }), unread: (n) => this.#unread(n), news: (line) => this.#preview(line) });
    const invite = button(t("invite.title"), "invite", "pill wide", () => this.#panel.open("invite"));
    this.#people = new Participants({ send, changed: () => this.#counted(), say }, [invite]);
    this.#invite = new Invite(inviteLink(location.href, link, link.token !== "")); // until the server says whose link it is
    this.#shortcuts = new Shortcuts(options.talk);

    this.#panel.add("people", { title: t("people.title"), body: this.#people.element });
    this.#panel.add("chat", { title: t("chat.title"), body: this.#chat.element, shown: (s) => (this.#chat.shown = s), focus: () => this.#chat.field });
    this.#panel.add("invite", { title: t("invite.title"), body: this.#invite.element, shown: (s) => (this.#invite.shown = s), focus: () => this.#invite.copy });
    this.#count.onclick = () => this.#panel.toggle("people");
    this.#addItems();
  }

  #addItems() {
    const { toolbar } = this.#o;
    const add = (/** @type {string} */ id, /** @type {string} */ key, /** @type {Omit<import("./toolbar.js").Item, "press" | "key">} */ item, /** @type {() => void} */ press) => {
      toolbar.add(id, { ...item, key: key.toUpperCase(), press });
      this.#shortcuts.add(key, item.name, press);
    };
    add("chat", "c", { name: t("chat.title"), icon: "chat", place: "bar", popup: true }, () => this.#panel.toggle("chat"));
    add("people", "p", { name: t("people.title"), icon: "people", place: "wide", popup: true }, () => this.#panel.toggle("people"));
    add("invite", "i", { name: t("invite.title"), icon: "invite", place: "wide", popup: true }, () => this.#panel.toggle("invite"));
    add("add-phone", "d", { name: t("add.title"), icon: "add-phone", place: "wide" }, () => this.#addPhone());
    add("keys", "?", { name: t("keys.title"), icon: "keyboard", place: "menu" }, () => this.#shortcuts.help());
    toolbar.show("add-phone", { hidden: true });
  }

  /** Keys of the rest of the room are added here, so that the overlay lists them. */
  get shortcuts() {
    return this.#shortcuts;
  }

  /** @param {import("../protocol").Welcome} welcome */
  welcome({ id, role, may, participants, chat }) {
    this.#may = may ?? this.#may;
    this.#o.toolbar.show("add-phone", { hidden: !this.#may.addPhone });
    this.#people.reset(id, participants ?? [], this.#may.moderate);
    this.#chat.reset(id, chat ?? []);
    this.#invite.link = inviteLink(location.href, this.#o.link, role === "owner");
  }

  /** @param {Participant} person new or changed */
  put(person) {
    this.#people.put(person);
  }

  /** @param {string} id */
  remove(id) {
    this.#people.remove(id);
  }

  /** @param {import("./sending.js").State} state what we have switched on */
  mine(state) {
    this.#people.mine(state);
  }

  /** @param {Set<string>} ids of those who speak */
  speaking(ids) {
    this.#people.speaking(ids);
  }

  /** @param {import("../protocol").ChatLine} line */
  chat(line) {
    this.#chat.add(line);
  }

  /** @param {string} id of a participant */
  name(id) {
    return this.#people.name(id);
  }

  #addPhone() {
    if (this.#may.addPhone) askNumber(this.#o.call);
  }

  /** @param {string} current the open section of the panel */
  #opened(current) {
    for (const name of ["people", "chat", "invite"]) this.#o.toolbar.show(name, { open: name === current });
    this.#count.setAttribute("aria-expanded", String(current === "people"));
    if (current === "chat") byId("toasts").replaceChildren();
  }

  #counted() {
    const { count } = this.#people;
    byId("count").textContent = count === 0 ? "" : count === 1 ? t("room.alone") : t("room.count", { n: count });
    this.#o.changed();
  }

  /** @param {number} unread */
  #unread(unread) {
    const name = t("chat.title");
    this.#o.toolbar.show("chat", { badge: unread, name: unread > 0 ? t("chat.unread", { n: unread }) : name });
  }

  /** @param {import("../protocol").ChatLine} line */
  #preview(line) {
    byId("toasts").replaceChildren(preview(line, () => this.#panel.open("chat")));
    clearTimeout(this.#previewTimer);
    this.#previewTimer = setTimeout(() => byId("toasts").replaceChildren(), PREVIEW);
  }

  close() {
    clearTimeout(this.#previewTimer);
    byId("toasts").replaceChildren();
    closeDialogs();
    this.#people.close();
    this.#shortcuts.close();
    this.#panel.dispose();
  }
}

/**
 * Says something to screen readers only.
 *
 * @param {string} text
 */
function say(text) {
  byId("said").textContent = text;
}
