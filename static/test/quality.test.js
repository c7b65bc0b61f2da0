import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionFacts, grade, lineQuality, opinion, way } from "../js/quality.js";

test("a perfect connection has the best opinion there is, and a dead one the worst", () => {
  assert.ok(opinion({ loss: 0, jitter: 0 }) > 4.3);
  assert.ok(opinion({ loss: 1, jitter: 0 }) < 1.5);
  assert.ok(opinion({ loss: 0, jitter: 0, rtt: 3000 }) < 2);
});

test("more loss, jitter or delay is never better", () => {
  for (const what of ["loss", "jitter", "rtt"]) {
    let before = 5;
    for (const part of [0, 0.01, 0.03, 0.1, 0.3, 0.6, 1]) {
      const now = opinion({ loss: 0, jitter: 0, rtt: 0, [what]: what === "loss" ? part : 1000 * part });
      assert.ok(now <= before && now >= 1 && now <= 4.5, `${what} ${part}: ${now} after ${before}`);
      before = now;
    }
  }
});

test("grades are those of listeners", () => {
  assert.deepEqual([4.4, 4, 3.9, 3.1, 3, 1].map(grade), ["good", "good", "fair", "fair", "poor", "poor"]);
});

test("a usual home connection is good, a train is not", () => {
  assert.equal(grade(opinion({ loss: 0.003, jitter: 6, rtt: 35 })), "good");
  assert.equal(grade(opinion({ loss: 0.05, jitter: 40, rtt: 180 })), "fair");
  assert.equal(grade(opinion({ loss: 0.2, jitter: 80, rtt: 400 })), "poor");
});

test("the way from somebody is as bad as its worse half", () => {
  assert.equal(way(null, null, 30), null);
  const both = way({ loss: 0.01, jitter: 4 }, { loss: 0.02, jitter: 20, rtt: 50 }, 30);
  assert.deepEqual([both.loss, both.jitter, both.rtt], [0.02, 20, 80]);
  assert.equal(way({ loss: 0, jitter: 1 }, null, 30).rtt, undefined);
});

test("a phone's line is the server's opinion; one-way sound is bad whatever it is", () => {
  const line = { mos: 4.3, loss: 0, far_loss: 0.01, jitter: 4, far_jitter: 9, rtt: 60, codec: "PCMA" };
  assert.deepEqual(lineQuality(line), { grade: "good", mos: 4.3, loss: 0.01, jitter: 9, rtt: 60, codec: "PCMA", secure: false });
  assert.equal(lineQuality({ ...line, mute: true }).grade, "poor");
});

test("figures are for people: rounded, with their units", () => {
  const rows = connectionFacts({ grade: "good", mos: 4.347, loss: 0.0042, jitter: 11.6, rtt: 38.2, codec: "G722", secure: true });
  assert.deepEqual(rows, [
    ["Sound", "good (4.3 of 4.5)"], ["Lost", "0.4 %"], ["Jitter", "12 ms"], ["Round trip", "38 ms"], ["Codec", "G722"], ["Line", "encrypted"],
  ]);
});
