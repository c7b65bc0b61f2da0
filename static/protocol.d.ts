/**
 * The messages of the WebSocket `/ws`, as the page sees them. Types only:
 * this file is read by the type checker and never served.
 *
 * A socket that is closed with one of these codes is not to be opened again by
 * itself: 1008 refused (the reason says why), 4001 the visit goes on in another
 * window, 4003 removed by an owner of the room or an operator.
 */

export type Kind = "voice" | "phone" | "camera" | "screen" | "screen-audio";
export type TrackKind = "mic" | "phone" | "camera" | "screen" | "screen-audio";
export type PhoneCodec = "PCMA" | "PCMU" | "G722";
/** Who carries a signed link for owners may mute and remove others. */
export type Role = "owner" | "guest";
export type CallState = "dialing" | "ringing" | "early" | "answered" | "ended" | "refused";

/** Somebody in the room; a phone is one too. */
export interface Participant {
  id: string;
  name: string;
  kind: "browser" | "phone";
  audio: boolean;
  video: boolean;
  screen: boolean;
  /** Left out for guests and phones. */
  role?: "owner";
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
  /** A call that came in; left out for one that was dialled. */
  direction?: "in";
  /** Somebody has typed the number: to call it again, `dial` needs `add` again. */
  added?: true;
}

/** What the page may do beside what everybody may. */
export interface May {
  /** Mute and remove others. */
  moderate: boolean;
  /** Dial further numbers, with `add` in `dial`. */
  addPhone: boolean;
}

/** What somebody has written; `at` is in Unix milliseconds. The author may have left. */
export interface ChatLine {
  id: string;
  name: string;
  text: string;
  at: number;
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
  role: Role;
  may: May;
  participants?: Participant[] | null;
  calls?: Call[] | null;
  /** The last lines written in the room, oldest first. */
  chat?: ChatLine[];
  iceServers?: RTCIceServer[] | null;
}

/** Which of the page's tracks somebody wants now. */
export interface Send {
  type: "send";
  mic: boolean;
  camera: boolean;
  screen: boolean;
  /** What the screen sounds like, which is heard also where nobody looks at it. */
  screenAudio: boolean;
  phone: false | PhoneCodec;
}

/** How a phone's line sounds: 1 to 4.5, and whether nothing comes from it or reaches it. */
export interface Line {
  mos: number;
  /** Share of the phone's packets that were lost, 0 to 1, and of ours as the phone reports it. */
  loss: number;
  far_loss: number;
  /** Of the phone's packets and of ours, in ms. */
  jitter: number;
  far_jitter: number;
  /** Bridge to phone and back, in ms; left out when the phone does not say. */
  rtt?: number;
  mute?: boolean;
  deaf?: boolean;
  codec?: PhoneCodec;
  /** SRTP. */
  secure?: boolean;
}

/**
 * How the way from a browser to the server is: the loss of what it sends, 0 to
 * 1, its jitter and the round trip in ms. `rtt` is left out while unknown.
 */
export interface Uplink {
  loss: number;
  jitter: number;
  rtt?: number;
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
  /** Which sizes of the camera's picture somebody gets, by their RIDs. */
  | { type: "layers"; camera: string[] }
  /** Keys that were pressed on a phone. */
  | { type: "dtmf"; call: string; digits: string }
  | ({ type: "uplink"; id: string } & Uplink)
  | { type: "speaking"; ids?: string[] | null }
  | ({ type: "chat" } & ChatLine)
  /** An owner, by its id, or an operator (`by` is "") has switched the microphone off. */
  | { type: "muted"; by: string }
  /** Whether nothing has come from the microphone for 3 s although others want it. */
  | { type: "unheard"; unheard: boolean }
  | { type: "pong" }
  | { type: "error"; code: string; text: string };

export type ToServer =
  | { type: "join"; room: string; name: string; link?: string; resume?: string }
  | { type: "offer"; sdp: string; tracks: Record<string, TrackKind> }
  | { type: "view"; video: Wanted[] }
  /** `add`: somebody has typed the number; it is not that of the page's link. */
  | { type: "dial"; number: string; trunk?: string; again?: true; add?: true }
  | { type: "hangup"; call: string }
  | { type: "dtmf"; call: string; digits: string }
  | { type: "state"; audio: boolean; video: boolean; screen: boolean }
  | { type: "chat"; text: string }
  /** Owners only. `muted: false` lets a muted phone speak again; people do that themselves. */
  | { type: "mute"; id: string; muted?: false }
  /** Owners only. A phone is hung up. */
  | { type: "remove"; id: string }
  | { type: "leave" }
  | { type: "ping" };

declare global {
  /** Not yet in the compiler's library: W3C "WebRTC Extensions", §codec. */
  interface RTCRtpEncodingParameters {
    codec?: RTCRtpCodec;
  }
}
