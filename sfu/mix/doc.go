// Package mix makes what a telephone hears when there is more than one voice to
// hear: every voice but its own, as frames of 20 ms.
//
// A packet goes into its voice's [JitterBuffer] as it arrived, and waits there
// coded until it is due. [Mixer.Tick] makes one frame of a room: it pulls 20 ms
// out of every voice (decoded, missing packets concealed, played a pitch period
// longer or shorter when the clocks drift apart), sums them once, subtracts for each
// [Listener] its own voice (mix-minus), limits, and encodes every distinct result once.
//
// The package has no clock, no goroutine, no socket and no lock: times are
// arguments, a tick is a function call, and all calls that concern one Mixer are made
// by one goroutine at a time. Nothing allocates after New. It knows G.711 and G.722.
//
// A wideband voice is two signals, both at 8 kHz: the lower band, which is what
// a narrowband telephone hears, and the higher one. Codecs with bands of their own
// (G.722) need no filter for that. Whatever is done to a voice's time is found on
// the lower band and done to both; the higher ones are summed apart, for the phones
// that can play them.
package mix

import "time"

// The mix is telephone audio: 8 kHz per band, 16 bits, one channel. RTP timestamps of
// all phone codecs count at this rate too, G.722's included (RFC 3551 §4.5.2), and
// all of them code 64 kbit/s, so that samples, timestamp units and payload bytes are
// one number.
const (
	// Rate is samples per second.
	Rate = 8000
	// FrameTime is what one tick makes: the packet time every phone expects.
	FrameTime = 20 * time.Millisecond
	// FrameSamples is the samples of one frame.
	FrameSamples = 160
)

// MaxPayload is the longest payload taken, in bytes: 60 ms, the longest
// packet time a phone may use towards us.
const MaxPayload = 480
