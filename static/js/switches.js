/** The buttons for what we send: microphone, camera, screen. They say what a press does. */

import { canShareScreen, otherSide } from "./devices.js";
import { t } from "./i18n.js";

/** @typedef {import("./toolbar.js").Toolbar} Toolbar */

/**
 * @param {Toolbar} bar
 * @param {{mute: () => void, camera: () => void, flip: () => void, screen: () => void}} press
 */
export function addSwitches(bar, press) {
  bar.add("mute", { name: t("bar.mute"), short: t("bar.mute-short"), does: t("bar.mute-key"), icon: "mic", place: "bar", key: "M", press: press.mute });
  bar.add("camera", { name: t("bar.camera-off"), short: t("bar.camera"), does: t("bar.camera-key"), icon: "camera", place: "bar", key: "V", press: press.camera });
  bar.add("screen", { name: t("bar.screen"), short: t("bar.screen-short"), icon: "screen", place: "wide", key: "S", press: press.screen });
  bar.show("screen", { hidden: !canShareScreen() });
  bar.add("flip", { name: t("devices.flip"), icon: "flip", place: "menu", press: press.flip });
}

/**
 * @param {Toolbar} bar
 * @param {import("./sending.js").State} state
 * @param {MediaStreamTrack | null} camera the one that is on
 */
export function showSwitches(bar, { audio, video, screen }, camera) {
  bar.show("mute", audio
    ? { name: t("bar.mute"), short: t("bar.mute-short"), icon: "mic", off: false }
    : { name: t("bar.unmute"), short: t("bar.unmute-short"), icon: "mic-off", off: true });
  bar.show("camera", { name: t(video ? "bar.camera-off" : "bar.camera-on"), short: t("bar.camera"), icon: video ? "camera" : "camera-off", off: !video });
  bar.show("flip", { hidden: otherSide(camera) === null });
  bar.show("screen", screen
    ? { name: t("bar.screen-off"), short: t("bar.screen-off-short"), icon: "screen-off" }
    : { name: t("bar.screen"), short: t("bar.screen-short"), icon: "screen" });
}
