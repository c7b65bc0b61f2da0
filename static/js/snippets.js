/**
 * Ready pieces that carry a link: buttons for emails and pages, frames, and
 * templates for a CRM.
 *
 * A piece of markup is a tree of {@link Piece}. It becomes text for copying
 * with {@link toText} and, from the same tree, elements for the preview with
 * {@link toElement}: what is shown is what is copied, and no text is ever read
 * as markup. Buttons for emails are tables with inline styles, because
 * Outlook's Word ignores padding on links, and Gmail removes everything else.
 */

import { encode } from "./makelink.js";

/**
 * An element: its tag, attributes, styles and what is in it.
 *
 * @typedef {object} Piece
 * @property {string} tag
 * @property {Record<string, string>} [attributes]
 * @property {Record<string, string>} [style]
 * @property {(Piece | string)[]} [children]
 */

/**
 * How a button looks.
 *
 * @typedef {object} Look
 * @property {string} label
 * @property {string} colour "#rrggbb"
 */

/** Preinstalled everywhere; mail programs load no others. */
const FONT = "Arial,Helvetica,sans-serif";
/** Elements without an end tag. */
const VOID = new Set(["br", "img"]);

/**
 * Black or white, whichever is read better on a colour (WCAG 2.2, relative
 * luminance); the better one always has a contrast of at least 4.5.
 *
 * @param {string} colour "#rrggbb"
 * @returns {"#000000" | "#ffffff"}
 */
export function inkOn(colour) {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const c = parseInt(colour.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000000" : "#ffffff";
}

/**
 * A button for an email signature.
 *
 * @param {string} link
 * @param {Look} look
 * @returns {Piece}
 */
export function emailButton(link, { label, colour }) {
  const ink = inkOn(colour);
  const words = { tag: "span", style: { color: ink }, children: [label] };
  const anchor = {
    tag: "a", attributes: { href: link, target: "_blank" },
    style: { display: "inline-block", color: ink, "font-family": FONT, "font-size": "15px", "font-weight": "bold", "line-height": "20px", "text-decoration": "none" },
    children: [words],
  };
  const cell = {
    tag: "td", attributes: { align: "center", bgcolor: colour },
    style: { "background-color": colour, "border-radius": "6px", padding: "10px 18px" },
    children: [anchor],
  };
  return {
    tag: "table", attributes: { role: "presentation", border: "0", cellpadding: "0", cellspacing: "0" },
    style: { "border-collapse": "separate" },
    children: [{ tag: "tbody", children: [{ tag: "tr", children: [cell] }] }],
  };
}

/**
 * A button for a page of one's own; pop-up opens a small window for it, and a
 * new tab where the page's rules forbid that.
 *
 * @param {string} link
 * @param {Look} look
 * @param {{popup?: boolean}} [how]
 * @returns {Piece}
 */
export function webButton(link, { label, colour }, { popup = false } = {}) {
  /** @type {Record<string, string>} */
  const attributes = { href: link, target: "_blank", rel: "noopener" };
  if (popup) attributes.onclick = "window.open(this.href,'dialroom','popup,width=480,height=760');return false";
  return {
    tag: "a", attributes,
    style: {
      display: "inline-block", padding: "12px 22px", "border-radius": "24px", "background-color": colour, color: inkOn(colour),
      font: "600 16px/1.25 system-ui,sans-serif", "text-decoration": "none",
    },
    children: [label],
  };
}

/**
 * The room inside another page. What a frame may use it has to be given.
 *
 * @param {string} link
 * @param {string} title for screen readers
 * @returns {Piece}
 */
export function frame(link, title) {
  return {
    tag: "iframe",
    attributes: { src: link, title, allow: "camera; microphone; display-capture; autoplay; fullscreen; clipboard-write; speaker-selection; picture-in-picture; screen-wake-lock" },
    style: { width: "100%", height: "640px", border: "0", "border-radius": "12px" },
    children: [],
  };
}

/**
 * What a CRM or spreadsheet puts in itself. `phone` and `id` are encoded where
 * the system can do that; where it cannot, the server knows a lost plus.
 *
 * @typedef {object} Template
 * @property {string} id
 * @property {string} phone
 * @property {string} contact something that differs for every contact
 * @property {(link: string) => string} wrap
 */

/** @type {Template[]} */
const TEMPLATES = [
  { id: "plain", phone: "{{phone}}", contact: "{{id}}", wrap: (link) => link },
  { id: "hubspot", phone: "{{ contact.phone|urlencode }}", contact: "{{ contact.hs_object_id }}", wrap: (link) => link },
  { id: "liquid", phone: "{{ phone | url_encode }}", contact: "{{ id }}", wrap: (link) => link },
  { id: "salesforce", phone: "{!URLENCODE(Contact.Phone)}", contact: "{!Contact.Id}", wrap: (link) => link },
  { id: "sheet", phone: '"&ENCODEURL(B2)&"', contact: '"&ENCODEURL(A2)&"', wrap: (link) => `=HYPERLINK("${link}")` },
];

/** The templates there are, by id. */
export const templates = TEMPLATES.map((template) => template.id);

/**
 * A link with places for what the CRM knows. Every contact has a room of its
 * own, whose name begins with the wish's: a random beginning keeps strangers
 * out although ids are counted.
 *
 * @param {string} base where the server is
 * @param {import("./makelink.js").Wish} wish its number is put in by the CRM
 * @param {string} id of the template
 * @returns {string}
 */
export function crmTemplate(base, wish, id) {
  const { phone, contact, wrap } = TEMPLATES.find((template) => template.id === id) ?? TEMPLATES[0];
  const rest = [["trunk", wish.trunk], ["name", wish.name], ["cam", wish.camera ? "" : "off"], ["lang", wish.lang]];
  const query = [`room=${encode(wish.room + "-")}${contact}`, `dial=${phone}`];
  for (const [key, value] of rest) if (value) query.push(key + "=" + encode(value));
  return wrap(new URL("room.html", base).href + "?" + query.join("&"));
}

/**
 * Markup as text, to be copied.
 *
 * @param {Piece | string} piece
 * @param {string} [indent]
 * @returns {string}
 */
export function toText(piece, indent = "") {
  if (typeof piece === "string") return escape(piece);
  const { tag, children = [] } = piece;
  const open = indent + "<" + tag + attributesOf(piece) + ">";
  if (VOID.has(tag)) return open;
  // Spaces inside a link or a word would be seen.
  const inline = children.every((child) => typeof child === "string" || child.tag === "span");
  if (inline) return open + children.map((child) => toText(child)).join("") + `</${tag}>`;
  return [open, ...children.map((child) => toText(child, indent + "  ")), `${indent}</${tag}>`].join("\n");
}

/** @param {Piece} piece */
function attributesOf({ attributes = {}, style = {} }) {
  const css = Object.entries(style).map(([key, value]) => `${key}:${value}`).join(";");
  const all = css ? { ...attributes, style: css } : attributes;
  return Object.entries(all).map(([key, value]) => ` ${key}="${escape(value)}"`).join("");
}

/** @param {string} text */
function escape(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/**
 * The same as elements, for a preview. Handlers are left out: the policy of our
 * own pages has no inline scripts.
 *
 * @param {Piece | string} piece
 * @returns {Node}
 */
export function toElement(piece) {
  if (typeof piece === "string") return document.createTextNode(piece);
  const element = document.createElement(piece.tag);
  for (const [key, value] of Object.entries(piece.attributes ?? {})) {
    if (!key.startsWith("on")) element.setAttribute(key, value);
  }
  for (const [key, value] of Object.entries(piece.style ?? {})) element.style.setProperty(key, value);
  element.append(...(piece.children ?? []).map(toElement));
  return element;
}
