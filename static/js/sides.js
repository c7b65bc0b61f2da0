/**
 * What surrounds the stage: the panel with people, chat and invitation, the
 * dialog for one more phone, shortcuts, and words for those who do not see who
 * comes and goes. The room tells it what happens and is told what is pressed.
 */

import { askNumber } from "./addphone.js";
import { Chat, preview } from "./chat.js";
import { closeDialogs } from "./dialog.js";
import { button, byId, focusTop } from "./dom.js";
import { t } from "./i18n.js";
import { Invite, inviteLink } from "./invite.js";
import { Panel } from "./panel.js";
import { Participants } from "./participants.js";

/** @typedef {import("../protocol").Participant} Participant */
/** @typedef {import("../protocol").ToServer} ToServer */

/**
 * @typedef {object} Options
 * @property {import("./toolbar.js").Toolbar} toolbar
 * @property {{room: string, token: string}} link
 * @property {(message: ToServer) => boolean} send
 * @property {(id: string) => boolean} mine whether somebody is ourselves, or was earlier in this visit
 * @property {(number: string) => void} call one more phone
 * @property {() => void} changed who is here has changed
 */

/** How long a line that nobody sees in the chat is shown. Milliseconds. */
const PREVIEW = 6000;

export class Sides {
  #o;
  #panel;
  #chat;
  #people;
  #invite;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #previewTimer;
  #count = byId("people-count");
  #abort = new AbortController();

  /** @param {Options} options */
  constructor(options) {
    this.#o = options;
    const { toolbar, link, send, mine } = options;
    this.#panel = new Panel((current) => this.#opened(current), (name) => (name === "people" ? this.#count : toolbar.place(name)));
    this.#chat = new Chat({ mine, send: (text) => send({ type: "chat", text }), unread: (n) => this.#unread(n), news: (line) => this.#preview(line) });
    const invite = button(t("invite.title"), "invite", "pill wide", () => this.#panel.open("invite"));
    this.#people = new Participants({ send, changed: () => this.#counted(), say }, [invite]);
    this.#invite = new Invite(inviteLink(location.href, link, link.token !== "")); // until the server says whose link it is

    this.#panel.add("people", { title: t("people.title"), body: this.#people.element });
    this.#panel.add("chat", { title: t("chat.title"), body: this.#chat.element, shown: (s) => (this.#chat.shown = s), focus: () => this.#chat.field });
    this.#panel.add("invite", { title: t("invite.title"), body: this.#invite.element, shown: (s) => (this.#invite.shown = s), focus: () => this.#invite.copy });
    this.#count.onclick = () => this.#panel.toggle("people");
    this.#addItems();
    // Whoever came through a form or a button that is gone begins at the top. Nothing is taken from a page around ours.
    const at = document.activeElement;
    if (document.hasFocus() && (!at || at === document.body || at.getClientRects().length === 0)) focusTop();
    document.addEventListener("visibilitychange", () => this.#chat.look(), { signal: this.#abort.signal });
  }

  #addItems() {
    const { toolbar } = this.#o;
    toolbar.add("chat", { name: t("chat.title"), icon: "chat", place: "bar", key: "C", popup: true, press: () => this.#panel.toggle("chat") });
    toolbar.add("people", { name: t("people.title"), icon: "people", place: "wide", key: "P", popup: true, press: () => this.#panel.toggle("people") });
    toolbar.add("invite", { name: t("invite.title"), icon: "invite", place: "wide", key: "I", popup: true, press: () => this.#panel.toggle("invite") });
    toolbar.add("add-phone", { name: t("add.title"), short: t("add.short"), icon: "add-phone", place: "wide", key: "D", press: () => askNumber(this.#o.call) });
    toolbar.show("add-phone", { hidden: true });
  }

  /** @param {import("../protocol").Welcome} welcome */
  welcome({ id, role, may, participants, chat }) {
    this.#o.toolbar.show("add-phone", { hidden: !may.addPhone });
    this.#people.reset(id, participants ?? [], may.moderate);
    this.#chat.reset(chat ?? []);
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

  /** How many lines of the chat nobody here has seen. */
  get unread() {
    return this.#chat.unread;
  }

  /** @param {string} id of a participant */
  name(id) {
    return this.#people.name(id);
  }

  /** @param {string} current the open section of the panel */
  #opened(current) {
    for (const name of ["people", "chat", "invite"]) this.#o.toolbar.show(name, { open: name === current });
    this.#count.setAttribute("aria-expanded", String(current === "people"));
    if (current === "chat") byId("toasts").replaceChildren();
  }

  #counted() {
    const { count } = this.#people;
    this.#count.hidden = count === 0;
    byId("count").textContent = count === 0 ? "" : count === 1 ? t("room.alone") : t("room.count", { n: count });
    this.#o.changed();
  }

  /** @param {number} unread */
  #unread(unread) {
    const name = t("chat.title");
    this.#o.toolbar.show("chat", { badge: unread, name: unread > 0 ? t("chat.unread", { n: unread }) : name, short: name });
    this.#o.changed();
  }

  /** @param {import("../protocol").ChatLine} line */
  #preview(line) {
    byId("toasts").replaceChildren(preview(line, () => this.#panel.open("chat")));
    clearTimeout(this.#previewTimer);
    this.#previewTimer = setTimeout(() => byId("toasts").replaceChildren(), PREVIEW);
  }

  close() {
    this.#abort.abort();
    clearTimeout(this.#previewTimer);
    byId("toasts").replaceChildren();
    closeDialogs();
    this.#people.close();
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
