import assert from "node:assert/strict";
import { test } from "node:test";
import { arrange } from "../js/layout.js";

const DESKTOP = { width: 1248, height: 640 };
const PHONE = { width: 366, height: 640 };
const SMALL_PHONE = { width: 336, height: 420 };
const SMALLEST_PHONE = { width: 288, height: 400 };
const ON_ITS_SIDE = { width: 536, height: 150 };
const FOURK = { width: 3800, height: 1900 };
const SCREENS = { DESKTOP, PHONE, SMALL_PHONE, FOURK };

/** That many people, ourselves the last, with phones and a screen before. */
function room(people, { phones = 0, screen = false } = {}) {
  return [...Array(phones).fill("phone"), ...(screen ? ["screen"] : []), ...Array(people - 1).fill("person"), "own"];
}

const overlap = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

for (const [name, size] of Object.entries(SCREENS)) {
  test(`from 1 to 25 people, with phones and a screen or without, everybody is seen and nobody covered: ${name}`, () => {
    for (let people = 1; people <= 25; people++) {
      for (const phones of [0, 1, 2]) {
        for (const screen of [false, true]) {
          const tiles = room(people, { phones, screen });
          const { rects, floats, height } = arrange({ ...size, tiles, main: screen ? phones : -1 });
          const what = `${people} people, ${phones} phones, ${screen ? "a" : "no"} screen`;
          assert.equal(rects.length, tiles.length, what);
          tiles.forEach((kind, i) => {
            const r = rects[i];
            assert.ok(r.x >= 0 && r.y >= 0 && r.x + r.w <= size.width && r.y + r.h <= height, `${what}: ${kind} ${i} is outside: ${JSON.stringify(r)}`);
            const least = size === SMALL_PHONE ? 24 : 36;
            assert.ok(r.w >= least && r.h >= least, `${what}: ${kind} ${i} is too small: ${JSON.stringify(r)}`);
            if (kind === "phone") assert.ok(r.w >= 216 && r.h >= 64, `${what}: the phone has no room for its buttons: ${JSON.stringify(r)}`);
            for (let j = 0; j < i; j++) {
              if (!floats || kind !== "own") assert.ok(!overlap(r, rects[j]), `${what}: ${i} covers ${j}`);
            }
          });
        }
      }
    }
  });
}

test("a grid uses most of the stage", () => {
  for (const size of [DESKTOP, FOURK, PHONE]) {
    for (const people of [1, 2, 4, 6, 9, 12, 16, 20, 25]) {
      const { rects, floats } = arrange({ ...size, tiles: room(people) });
      const used = rects.reduce((sum, r) => sum + r.w * r.h, 0) / (size.width * size.height);
      assert.ok(floats || used > 0.55, `${people} people at ${size.width} pixels use only ${Math.round(100 * used)} %`);
    }
  }
});

test("one tile alone has the stage, as wide as a camera's picture", () => {
  const { rects: [r] } = arrange({ ...DESKTOP, tiles: ["own"] });
  assert.equal(r.h, 640);
  assert.equal(r.w, Math.floor((640 * 16) / 9));
  assert.equal(r.x, Math.floor((1248 - r.w) / 2));
});

test("with nobody but a phone it has the stage and we float", () => {
  const { rects, floats } = arrange({ ...DESKTOP, tiles: ["phone", "own"] });
  assert.equal(floats, true);
  assert.deepEqual(rects[0], { x: 0, y: 0, w: 1248, h: 640 });
  assert.ok(rects[1].w < 260);
});

test("two people stand side by side on a desk and float on a telephone", () => {
  assert.equal(arrange({ ...DESKTOP, tiles: room(2) }).floats, false);
  assert.equal(arrange({ ...PHONE, tiles: room(2) }).floats, true);
  assert.equal(arrange({ ...PHONE, tiles: room(1, { phones: 2 }) }).floats, false, "two phones' buttons are not covered");
});

test("a few people and a phone have tiles of one size", () => {
  const { rects } = arrange({ ...DESKTOP, tiles: room(3, { phones: 1 }) });
  assert.deepEqual(new Set(rects.map((r) => `${r.w}x${r.h}`)).size, 1);
});

test("in a crowd the phone is a bar above the faces", () => {
  const { rects } = arrange({ ...DESKTOP, tiles: room(25, { phones: 1 }) });
  assert.equal(rects[0].h, 84);
  assert.ok(rects.slice(1).every((r) => r.y >= 84));
});

test("a pinned tile has more than half of the stage", () => {
  for (const size of [DESKTOP, FOURK]) {
    const { rects } = arrange({ ...size, tiles: room(12), main: 3 });
    assert.ok(rects[3].w * rects[3].h > 0.5 * size.width * size.height);
  }
});

test("three phones and a shared screen leave a small telephone a picture of the screen, and the rest is scrolled to", () => {
  for (const size of [SMALLEST_PHONE, ON_ITS_SIDE]) {
    const tiles = room(2, { phones: 3, screen: true });
    const { rects, height } = arrange({ ...size, tiles, main: 3 });
    const screen = rects[3];
    assert.ok(screen.h >= 150, `the screen is ${screen.w}x${screen.h}`);
    assert.ok(height > size.height);
    rects.forEach((r, i) => {
      assert.ok(r.y + r.h <= height && r.h >= 60, `${tiles[i]} ${i}: ${JSON.stringify(r)} of ${height}`);
      for (let j = 0; j < i; j++) assert.ok(!overlap(r, rects[j]), `${i} covers ${j}`);
    });
  }
});

test("more than fit are scrolled to", () => {
  const { rects, height } = arrange({ ...SMALL_PHONE, tiles: room(90) });
  assert.ok(height > SMALL_PHONE.height);
  assert.ok(rects.every((r) => r.w >= 84 && r.h >= 68 && r.x >= 0 && r.x + r.w <= SMALL_PHONE.width));
});
