package ua

import (
	"encoding/binary"
	"time"

	"dialroom/scripts/carrier/audio"
)

// Packet is a received RTP packet (RFC 3550 §5.1).
type Packet struct {
	At          time.Time
	PayloadType uint8
	Marker      bool
	Seq         uint16
	Timestamp   uint32
	SSRC        uint32
	Payload     []byte
}

// parseRTP reads a packet; the payload points into b. RTCP on the same port
// (RFC 5761 §4) is not RTP.
func parseRTP(b []byte) (Packet, bool) {
	if len(b) < 12 || b[0]>>6 != 2 || b[1] >= 192 && b[1] <= 223 {
		return Packet{}, false
	}
	head := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < head+4 {
			return Packet{}, false
		}
		head += 4 + 4*int(binary.BigEndian.Uint16(b[head+2:]))
	}
	if len(b) < head {
		return Packet{}, false
	}
	payload := b[head:]
	if b[0]&0x20 != 0 {
		if len(payload) == 0 || int(payload[len(payload)-1]) > len(payload) {
			return Packet{}, false
		}
		payload = payload[:len(payload)-int(payload[len(payload)-1])]
	}
	return Packet{
		PayloadType: b[1] & 0x7f, Marker: b[1]&0x80 != 0,
		Seq:       binary.BigEndian.Uint16(b[2:]),
		Timestamp: binary.BigEndian.Uint32(b[4:]),
		SSRC:      binary.BigEndian.Uint32(b[8:]),
		Payload:   payload,
	}, true
}

// digitReader finds key presses in telephone-event packets. A press is known
// by its timestamp: it is the same in all its packets, and the first packet of
// a press, marked or not, announces it (RFC 4733 §2.5.1.2); a lost start or a
// thrice repeated end changes nothing.
type digitReader struct {
	payloadType uint8 // 0: no telephone-event was negotiated
	known       bool
	last        uint32
}

// read returns the digit when p is the first packet of a press.
func (d *digitReader) read(p Packet) (byte, bool) {
	if len(p.Payload) < 4 || int(p.Payload[0]) >= len(audio.Digits) {
		return 0, false
	}
	if d.known && (p.Timestamp == d.last || int32(p.Timestamp-d.last) < 0) {
		return 0, false // the same press, or a late packet of an earlier one
	}
	d.known, d.last = true, p.Timestamp
	return audio.Digits[p.Payload[0]], true
}
