/**
 * The messages of the WebSocket `/ws`, as the page sees them. Types only:
 * this file is read by the type checker and never served.
 */

export type Kind = "voice" | "phone" | "camera" | "screen" | "screen-audio";
export type TrackKind = "mic" | "phone" | "camera" | "screen" | "screen-audio";
export type PhoneCodec = "PCMA" | "PCMU" | "G722";
export type CallState = "dialing" | "ringing" | "early" | "answered" | "ended" | "refused";

/** Somebody in the room; a phone is one too. */
export interface Participant {
  id: string;
  name: string;
  kind: "browser" | "phone";
  audio: boolean;
  video: boolean;
  screen: boolean;
  /** The call a phone belongs to. */
  call?: string;
}

/** Where a call stands. `answeredAt` is in Unix milliseconds. */
export interface Call {
  id: string;
  number: string;
  trunk?: string;
  state: CallState;
  reason?: string;
  code?: number;
  text?: string;
  participant?: string;
  answeredAt?: number;
}

/** Who is in a receive slot. */
export interface SlotUse {
  id: string;
  kind: Kind;
}

export interface Welcome {
  type: "welcome";
  id: string;
  resume: string;
  room: string;
  participants?: Participant[] | null;
  calls?: Call[] | null;
  iceServers?: RTCIceServer[] | null;
}

/** Which of the page's tracks somebody wants now. */
export interface Send {
  type: "send";
  mic: boolean;
  camera: boolean;
  screen: boolean;
  phone: false | PhoneCodec;
}

/** How a phone's line sounds: 1 to 4.5, and whether nothing comes from it or reaches it. */
export interface Line {
  mos: number;
  mute?: boolean;
  deaf?: boolean;
}

/** A picture the page shows, with its width in device pixels. */
export interface Wanted {
  id: string;
  kind: "camera" | "screen";
  width: number;
}

export type FromServer =
  | Welcome
  | Send
  | { type: "answer"; sdp: string }
  | { type: "slots"; slots: Record<string, SlotUse | null> }
  | { type: "participant-joined"; participant: Participant }
  | { type: "participant-changed"; participant: Participant }
  | { type: "participant-left"; id: string }
  | ({ type: "call" } & Call)
  | ({ type: "quality"; call: string } & Line)
  | { type: "speaking"; ids?: string[] | null }
  | { type: "chat"; id: string; text: string; at: number }
  | { type: "pong" }
  | { type: "error"; code: string; text: string };

export type ToServer =
  | { type: "join"; room: string; name: string; link?: string; resume?: string }
  | { type: "offer"; sdp: string; tracks: Record<string, TrackKind> }
  | { type: "view"; video: Wanted[] }
  | { type: "dial"; number: string; trunk?: string; again?: true }
  | { type: "hangup"; call: string }
  | { type: "dtmf"; call: string; digits: string }
  | { type: "state"; audio: boolean; video: boolean; screen: boolean }
  | { type: "leave" }
  | { type: "ping" };

declare global {
  /** Not yet in the compiler's library: W3C "WebRTC Extensions", §codec. */
  interface RTCRtpEncodingParameters {
    codec?: RTCRtpCodec;
  }
}
