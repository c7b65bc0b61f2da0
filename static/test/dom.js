/** As much of a document as call cards need, without a browser. */
export class Element {
  children = [];
  dataset = {};
  hidden = false;
  parent = null;
  #attributes = new Map();
  #listeners = new Map();
  #text = "";
  #classes = new Set();
  classList = {
    add: (c) => this.#classes.add(c),
    remove: (c) => this.#classes.delete(c),
    toggle: (c, on) => (on ? this.#classes.add(c) : this.#classes.delete(c)),
    contains: (c) => this.#classes.has(c),
  };

  constructor(tag) { this.tag = tag; }
  setAttribute(key, value) {
    this.#attributes.set(key, value);
    if (key.startsWith("data-")) this.dataset[key.slice(5)] = value;
  }
  getAttribute(key) { return this.#attributes.get(key) ?? null; }
  toggleAttribute(key, on) { if (key === "hidden") this.hidden = on; }
  addEventListener(type, call) { this.#listeners.set(type, call); }
  removeEventListener(type) { this.#listeners.delete(type); }
  dispatchEvent(event) { this.#listeners.get(event.type)?.(event); }
  click() { this.#listeners.get("click")?.({}); }
  focus() {}
  append(...nodes) {
    for (const n of nodes) {
      if (typeof n === "string") this.#text += n;
      else { n.parent = this; this.children.push(n); }
    }
  }
  prepend(node) { node.parent = this; this.children.unshift(node); }
  replaceChildren(...nodes) { this.#text = ""; this.children = []; this.append(...nodes); }
  get firstElementChild() { return this.children[0] ?? null; }
  remove() {
    if (this.parent) this.parent.children = this.parent.children.filter((c) => c !== this);
    this.parent = null;
  }
  get textContent() { return this.#text + this.children.map((c) => c.textContent).join(""); }
  set textContent(text) { this.#text = text; this.children = []; }
  contains(other) { return other === this || this.children.some((c) => c.contains(other)); }
  *all() {
    yield this;
    for (const c of this.children) yield* c.all();
  }
  querySelector(tag) { return [...this.all()].find((e) => e !== this && e.tag === tag) ?? null; }
  byTestId(id) { return [...this.all()].find((e) => e.getAttribute("data-testid") === id); }
  /** The button with that name, when a person could see it. */
  button(name) {
    return [...this.all()].find((e) => {
      if (e.tag !== "button" || e.getAttribute("aria-label") !== name) return false;
      for (let up = e; up; up = up.parent) if (up.hidden) return false;
      return true;
    });
  }
}

/** Puts the document in place. */
export function install() {
  const events = new Element("document");
  globalThis.HTMLInputElement = class {};
  globalThis.document = Object.assign(events, {
    createElement: (tag) => new Element(tag),
    createElementNS: (_, tag) => new Element(tag),
    activeElement: null,
    type: (key) => events.dispatchEvent({ type: "keydown", key, preventDefault() {} }),
  });
}
