/** The manual: what is on this page, and buttons that copy what is to be typed. */

import { make } from "./dom.js";
import { t, useTexts } from "./i18n.js";
import { copyButton } from "./site.js";
import site from "./texts/site.en.js";

useTexts(site); // the manual is in English

/** The headings of this page, below its name. */
function contents() {
  const here = document.querySelector(".docs-nav [aria-current]")?.parentElement;
  const headings = [...document.querySelectorAll(".doc h2[id]")];
  if (!here || headings.length < 2) return;
  here.append(make("ul", {}, ...headings.map((h) => make("li", {}, make("a", { href: "#" + h.id }, h.textContent ?? "")))));
}

function copies() {
  for (const pre of document.querySelectorAll(".doc pre")) {
    const place = make("div", { class: "code" });
    pre.replaceWith(place);
    // What is wider than the page is scrolled by keys, too.
    pre.setAttribute("tabindex", "0");
    place.append(pre);
    if (pre.classList.contains("drawing")) continue;
    const button = copyButton(t("site.copy"), () => pre.textContent?.trim() ?? "");
    place.append(button);
  }
}

contents();
copies();
