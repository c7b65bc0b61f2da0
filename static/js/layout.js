/**
 * Where every tile of the stage goes: arithmetic only, no document.
 *
 * There are three arrangements. A **grid** of equal cells, as large as they can
 * be. A **main** tile, pinned or a shared screen, with the others in a strip
 * beside or below it. And **alone**: one other tile takes all the room and our
 * own picture floats in the corner.
 *
 * A phone has words and buttons and needs more room than a face; where cells
 * get too small for it, phones become bars above the grid.
 */

/** @typedef {{x: number, y: number, w: number, h: number}} Rect */
/** @typedef {"phone" | "screen" | "person" | "own"} TileKind */
/** @typedef {{rects: Rect[], floats: boolean, height: number}} Arrangement rects in the order of the tiles */

/** Gap between tiles in CSS pixels; small tiles stand closer. */
const GAP = { wide: 12, tight: 6 };
/** Below this width a window is that of a phone. */
const PHONE_WIDTH = 720;
/** Tiles are as wide as a camera's picture at most; only on a phone's screen are they upright. */
const WIDEST = 16 / 9;
const NARROWEST = { phone: 0.72, desktop: 1.2 };
/** A tile shows at least a face and a name; if they do not fit, the stage scrolls. */
const LEAST = { w: 84, h: 68 };
/** What a phone needs to be a tile, and as a bar. */
const CARD = { w: 216, h: 178 };
const BAR = { w: 320, h: 84, widest: 640 };
/** In a column narrower than a bar its buttons go below its words, where there is height enough. */
const NARROW_BAR = { h: 132, share: 0.68 };
/** Strips are tried from the narrowest, as shares of the stage. */
const STRIPS = [0.17, 0.24, 0.34, 0.45, 0.55];
/** A face in a strip, and the height of a strip of them. */
const IN_STRIP = { w: 88, h: 60 };
const FACES = 92;
/** Above a strip the large tile keeps this share of the stage, or what a picture across it needs; a higher strip is scrolled to. */
const MAIN_SHARE = 0.38;

/**
 * Arranges the tiles of the stage.
 *
 * @param {{width: number, height: number, tiles: TileKind[], main?: number}} stage
 *   main: index of the tile that is to be large; -1 for none
 * @returns {Arrangement}
 */
export function arrange({ width, height, tiles, main = -1 }) {
  const phone = width < PHONE_WIDTH;
  const gap = phone || tiles.length > 9 ? GAP.tight : GAP.wide;
  const area = { x: 0, y: 0, w: width, h: height };
  const all = tiles.map((_, i) => i);
  /** @type {Rect[]} */
  const rects = [];
  /** @type {(from: number[], inside: Rect, small?: boolean) => number} */
  const grid = (from, inside, small = false) => place(rects, tiles, from, inside, { gap, phone, small });

  const own = tiles.indexOf("own");
  const others = all.filter((i) => i !== own);
  if (main >= 0 && tiles.length > 1) {
    if (main !== own && others.length === 1 && own >= 0) return alone(rects, area, main, own, phone);
    return { rects, floats: false, height: beside(rects, tiles, area, main, gap, grid) };
  }
  if (own >= 0 && others.length === 1 && (tiles[others[0]] === "phone" || (phone && height > width))) {
    return alone(rects, area, others[0], own, phone);
  }
  return { rects, floats: false, height: Math.max(height, grid(all, area)) };
}

/**
 * One tile has the whole stage, and our own floats over its corner.
 *
 * @param {Rect[]} rects
 * @param {Rect} area
 * @param {number} one
 * @param {number} own
 * @param {boolean} phone
 * @returns {Arrangement}
 */
function alone(rects, area, one, own, phone) {
  rects[one] = area;
  rects[own] = corner(area, phone);
  return { rects, floats: true, height: area.h };
}

/**
 * @param {Rect} area
 * @param {boolean} phone
 * @returns {Rect}
 */
function corner(area, phone) {
  const h = Math.round(Math.min(phone ? 104 : 144, area.h * 0.3));
  const w = Math.round(h * (phone ? 1.2 : 1.6));
  return { x: area.w - w - 12, y: area.h - h - 12, w, h };
}

/**
 * A large tile, and a strip of the others: at the end of a wide stage, below on a tall one.
 *
 * @param {Rect[]} rects
 * @param {TileKind[]} tiles
 * @param {Rect} area
 * @param {number} main
 * @param {number} gap
 * @param {(from: number[], inside: Rect, small?: boolean) => number} grid
 * @returns {number} the height that was needed
 */
function beside(rects, tiles, area, main, gap, grid) {
  const rest = tiles.map((_, i) => i).filter((i) => i !== main);
  const wide = area.w > area.h * 1.1;
  const phones = rest.filter((i) => tiles[i] === "phone").length;
  const rows = Math.ceil(phones / Math.max(1, Math.floor((area.w + gap) / (BAR.w + gap))));
  const faces = phones < rest.length ? FACES : 0;
  const least = wide ? (phones > 0 ? 264 : 168) : rows * (BAR.h + gap) + faces;
  const kept = Math.round(Math.min(area.w / WIDEST, MAIN_SHARE * area.h));
  let strip = { ...area };
  let needed = 0;
  for (const share of STRIPS) {
    const size = Math.round(Math.max(least, wide ? share * area.w : Math.min(share * area.h, area.h - kept - gap)));
    strip = wide
      ? { x: area.w - size, y: 0, w: size, h: area.h }
      : { x: 0, y: Math.max(area.h - size, kept + gap), w: area.w, h: size };
    needed = grid(rest, strip, true);
    if (rest.every((i) => tiles[i] === "phone" || (rects[i].w >= IN_STRIP.w && rects[i].h >= IN_STRIP.h))) break;
  }
  rects[main] = wide
    ? { ...area, w: area.w - strip.w - gap }
    : { ...area, h: strip.y - gap };
  return strip.y + Math.max(strip.h, needed);
}

/**
 * Puts tiles into a grid, phones in bars above it where the cells are too small for them.
 *
 * @param {Rect[]} rects receives them
 * @param {TileKind[]} tiles
 * @param {number[]} from which tiles
 * @param {Rect} inside
 * @param {{gap: number, phone: boolean, small: boolean}} how small: never scroll, and stand at the start
 * @returns {number} the height that was needed
 */
function place(rects, tiles, from, inside, { gap, phone, small }) {
  const narrowest = phone ? NARROWEST.phone : NARROWEST.desktop;
  const phones = from.filter((i) => tiles[i] === "phone");
  const whole = cells(from.length, inside, gap, narrowest, small);
  if (phones.length === 0 || (whole.w >= CARD.w && whole.h >= CARD.h)) {
    return fill(rects, from, inside, whole, gap);
  }
  const rest = from.filter((i) => tiles[i] !== "phone");
  if (rest.length === 0) {
    // Only phones: cards of any shape, as long as they are high enough; bars if not.
    const each = Math.floor((inside.h - gap * (phones.length - 1)) / phones.length);
    const h = each >= CARD.h && !small ? each : Math.min(BAR.h, Math.max(64, each));
    phones.forEach((i, row) => { rects[i] = { ...inside, y: inside.y + row * (h + gap), h }; });
    return phones.length * (h + gap) - gap;
  }
  const columns = Math.max(1, Math.min(phones.length, Math.floor((inside.w + gap) / (BAR.w + gap))));
  const tall = inside.w < BAR.w && phones.length * (NARROW_BAR.h + gap) <= NARROW_BAR.share * inside.h;
  const h = tall ? NARROW_BAR.h : BAR.h;
  const w = Math.min(BAR.widest, Math.floor((inside.w - gap * (columns - 1)) / columns));
  const start = inside.x + Math.floor((inside.w - columns * (w + gap) + gap) / 2);
  phones.forEach((i, n) => {
    rects[i] = { x: start + (n % columns) * (w + gap), y: inside.y + Math.floor(n / columns) * (h + gap), w, h };
  });
  const bars = Math.ceil(phones.length / columns) * (h + gap);
  const below = { ...inside, y: inside.y + bars, h: Math.max(inside.h - bars, LEAST.h) };
  const cell = cells(rest.length, below, gap, narrowest, small);
  return bars + fill(rects, rest, small ? { ...below, h: 0 } : below, cell, gap);
}

/**
 * The largest equal cells for so many tiles.
 *
 * @param {number} count
 * @param {Rect} inside
 * @param {number} gap
 * @param {number} narrowest width over height
 * @param {boolean} small whether they may be as small as it takes
 * @returns {{w: number, h: number, columns: number}}
 */
function cells(count, { w: width, h: height }, gap, narrowest, small) {
  let best = { w: 0, h: 0, columns: 1 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const w = (width - gap * (columns - 1)) / columns;
    const h = (height - gap * (rows - 1)) / rows;
    const fit = { w: Math.floor(Math.min(w, h * WIDEST)), h: Math.floor(Math.min(h, w / narrowest)), columns };
    const enough = small || (fit.w >= LEAST.w && fit.h >= LEAST.h) || rows === 1;
    if (enough && fit.w > 0 && fit.h > 0 && fit.w * fit.h > best.w * best.h) best = fit;
  }
  if (best.w >= LEAST.w || small) return best;
  // So many that they do not fit: the stage scrolls.
  const columns = Math.max(2, Math.min(count, Math.floor((width + gap) / (1.5 * LEAST.w + gap))));
  const w = Math.floor((width - gap * (columns - 1)) / columns);
  return { w, h: Math.max(LEAST.h, Math.round(w * 0.75)), columns };
}

/**
 * Fills rows of cells, each row and the whole centred.
 *
 * @param {Rect[]} rects
 * @param {number[]} from
 * @param {Rect} inside
 * @param {{w: number, h: number, columns: number}} cell
 * @param {number} gap
 * @returns {number} the height that was needed
 */
function fill(rects, from, inside, { w, h, columns }, gap) {
  const rows = Math.ceil(from.length / columns);
  const needed = rows * (h + gap) - gap;
  const top = inside.y + Math.max(0, Math.floor((inside.h - needed) / 2));
  from.forEach((i, n) => {
    const row = Math.floor(n / columns);
    const inRow = Math.min(columns, from.length - row * columns);
    const start = Math.floor((inside.w - (inRow * (w + gap) - gap)) / 2);
    rects[i] = { x: inside.x + Math.max(0, start) + (n % columns) * (w + gap), y: top + row * (h + gap), w, h };
  });
  return needed;
}
