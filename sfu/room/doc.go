// Package room knows who is here, who hears whom and when a room ends.
//
// A browser joins ([Manager.Join]) and gets a [Participant]; its connection is
// handed over as [Media] and publishes [Track] values. A phone enters as a
// participant when its [Call] reaches early or answered. After every change the
// room refreshes itself: the tracks to hear are put into each browser's receive
// slots (policy.go says which), the sources of the phones' [Conference] are
// named, every page is told which of its tracks are wanted, and whatever
// changed goes out as a message of message.go through each page's [Sender].
//
// One ticker of the Manager follows the levels of rooms in which somebody could
// speak to somebody; a room in which nothing flows costs nothing.
//
// A browser whose WebSocket is gone stays for the grace period and may resume
// with its media untouched. When the last browser has left for good the room
// ends and whoever places calls is told which of them have lost their reason.
//
// Packets never pass this package's locks: they go from [Track.Forward] to the
// sinks. There are no sockets here, no WebRTC, no SIP and no decision about
// who may dial what.
package room
