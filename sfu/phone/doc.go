// Package phone is the telephones' side of a room: RTP from and to the bridge,
// relayed where one voice is to be heard and mixed where there are more.
//
// All legs share one UDP socket ([Hub]). A packet from the bridge is matched to
// its [Leg] by SSRC and source address and handed, undecoded, to the sinks of the leg's track.
// In the other direction a [Conference] is a sink of every track its phones are
// to hear. With exactly one, a packet goes out to the phone within the call that
// brought it, rewritten to the leg's own stream; with more it goes into the room's
// mixer (package mix), and the frames leave on a tick. A leg that has nothing to hear, or
// whose one voice has stopped, is sent silence: from the moment it is connected its
// stream, with one SSRC, sequence and clock, does not end until the leg does.
//
// Ticks come from a few workers that all conferences share; a conference is on
// its worker's list only while it needs one. Relaying needs none but a look every
// 40 ms whether the voice is still there. Nothing on the way of a packet allocates,
// or takes a lock that another room's packet could hold.
//
// The package places no calls and knows no SIP; it neither authenticates nor
// encrypts, because its packets do not leave the machine (or the link the
// operator chose to trust).
package phone
