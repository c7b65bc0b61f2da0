import assert from "node:assert/strict";
import { test } from "node:test";
import { healthOf } from "../js/stats.js";

test("one report tells the round trip, what we send in both renditions, and whose voice arrives how", () => {
  const report = new Map(Object.entries({
    pair: { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.042 },
    spare: { type: "candidate-pair", nominated: false, currentRoundTripTime: 0.9 },
    opus: { type: "outbound-rtp", mid: "0", packetsSent: 100 },
    pcma: { type: "outbound-rtp", mid: "1", packetsSent: 40 },
    camera: { type: "outbound-rtp", mid: "2", packetsSent: 999 },
    ada: { type: "inbound-rtp", mid: "3", packetsReceived: 50, packetsLost: 2, jitter: 0.008 },
    nobody: { type: "inbound-rtp", mid: "4", packetsReceived: 7 },
    fresh: { type: "inbound-rtp", mid: "5" },
  }));
  const health = healthOf(report, new Map([["3", "ada"], ["5", "bob"]]), new Set(["0", "1"]));
  assert.equal(health.rtt, 42);
  assert.equal(health.sent, 140);
  assert.deepEqual([...health.voices], [["ada", { packets: 50, lost: 2, jitter: 8 }], ["bob", { packets: 0, lost: 0, jitter: 0 }]]);
});

test("before anything flows nothing is known", () => {
  assert.deepEqual(healthOf(new Map(), new Map(), new Set()), { rtt: 0, sent: 0, voices: new Map() });
});
