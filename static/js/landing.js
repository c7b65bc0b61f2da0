/** The landing page's one button: a new room whose random name is the access token. */

import { byId } from "./dom.js";
import { speak } from "./site.js";
import { slug } from "./slug.js";

byId("new-room").addEventListener("click", () => {
  location.assign(new URL("room.html?room=" + slug(), document.baseURI));
});

void speak();
