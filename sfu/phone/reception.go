package phone

import (
	"net/netip"
	"sync/atomic"
	"time"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
)

// Received counts what came from a phone.
type Received struct {
	Packets uint64
	Octets  uint64        // of payload
	Lost    int64         // RFC 3550 A.3: negative when packets were doubled
	Jitter  time.Duration // RFC 3550 §6.4.1
	Last    int64         // arrival of the last packet, by the hub's clock; 0: none came
}

// reception is the poller loop's side of a leg.
type reception struct {
	packet room.Packet // handed on by reference; here so that it is not allocated
	begun  bool
	seq    uint16 // the highest
	level  uint8
	meter  mix.Meter
	jitter int64 // nanoseconds, times 16
	travel int64 // arrival minus timestamp of the packet before

	// read by others
	packets, octets, expected atomic.Uint64
	smoothed, last            atomic.Int64
}

// receive takes a packet with the leg's SSRC and reports whether it is the leg's.
// It runs on the poller's loop.
func (l *Leg) receive(h *header, payload []byte, from netip.AddrPort) bool {
	bridge := l.bridge.Load()
	codec := codecOf(h.pt)
	if bridge == nil || *bridge != from || codec == room.NoCodec || len(payload) > maxPayload {
		return false
	}
	in := &l.in
	now := l.hub.now()
	in.count(h, len(payload), now)
	level := uint8(room.Silent)
	if c := mixCodec(codec); c.Known() {
		level = in.meter.Level(c, payload)
	}
	// Up quickly, down by a dB per packet: the gap between two words is no silence.
	if level < in.level {
		in.level = (in.level + level) / 2
	} else {
		in.level = min(in.level+1, level)
	}
	l.track.SetLevel(in.level)
	in.packet = room.Packet{
		Seq:       h.seq,
		Marker:    h.marker,
		Codec:     codec,
		Level:     level,
		Timestamp: h.timestamp,
		Payload:   payload,
		At:        now,
	}
	l.track.Forward(&in.packet)
	in.packet.Payload = nil // the poller's
	return true
}

// count does the accounts of RFC 3550 A.3 and A.8.
func (in *reception) count(h *header, octets int, now int64) {
	in.packets.Add(1)
	in.octets.Add(uint64(octets))
	in.last.Store(now)
	travel := now - int64(h.timestamp)*sampleTime
	step := int(int16(h.seq - in.seq))
	switch {
	case !in.begun || step > maxSeqStep || step < -maxSeqStep:
		in.expected.Add(1)
		in.begun, in.seq = true, h.seq
	case step > 0:
		in.expected.Add(uint64(step))
		in.seq = h.seq
		if d := max(travel-in.travel, in.travel-travel); d < int64(time.Second) { // else the timestamps wrapped or jumped
			in.jitter += d - in.jitter/16
			in.smoothed.Store(in.jitter / 16)
		}
	}
	in.travel = travel
}

func (in *reception) counters() Received {
	packets := in.packets.Load()
	return Received{
		Packets: packets,
		Octets:  in.octets.Load(),
		Lost:    int64(in.expected.Load()) - int64(packets),
		Jitter:  time.Duration(in.smoothed.Load()),
		Last:    in.last.Load(),
	}
}
