package peer

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"dialroom/sfu/room"
)

// keyFrame and deltaFrame are the beginnings of VP8 frames (RFC 7741 §4.2, §4.3).
var keyFrame, deltaFrame = []byte{0x10, 0x00, 1}, []byte{0x10, 0x01, 2}

func TestAPictureBeginsWithAKeyFrameThatIsAskedFor(t *testing.T) {
	t.Parallel()
	a, b := pair(t, transport(t, false))
	asked := make(chan struct{}, 16)
	go func() {
		for {
			packets, _, err := a.video.ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				if _, ok := p.(*rtcp.PictureLossIndication); ok {
					asked <- struct{}{}
				}
			}
		}
	}()
	b.peer.Assign(b.peer.Slots()[3].Mid, a.peer.Tracks()[room.Camera])
	s := &sender{track: a.camera, step: 3000}
	deadline := time.After(patience)
	for waiting := true; waiting; {
		s.send(deltaFrame...)()
		select {
		case <-asked:
			waiting = false
		case <-deadline:
			t.Fatal("no key frame was asked for")
		case <-time.After(20 * time.Millisecond):
		}
	}
	select {
	case r := <-b.got:
		t.Fatalf("a picture began with %v", r.packet)
	default:
	}
	if r := b.next(s.send(keyFrame...)); !bytes.Equal(r.packet.Payload, keyFrame) {
		t.Fatalf("a picture began with %v", r.packet.Payload)
	}
}

func TestALostPacketOfAPictureIsSentAgainOnRequest(t *testing.T) {
	t.Parallel()
	a, b := pair(t, transport(t, false))
	b.peer.Assign(b.peer.Slots()[3].Mid, a.peer.Tracks()[room.Camera])
	s := &sender{track: a.camera, step: 3000}
	r := b.next(s.send(keyFrame...))
	for len(b.got) > 0 {
		r = <-b.got
	}
	// The next one goes astray.
	way := b.peer.path.Load()
	astray := &selected{path: path{addr: netip.MustParseAddrPort("127.0.0.1:9")}, priority: math.MaxUint32} // no check brings it back
	astray.checked.Store(b.peer.transport.now())
	b.peer.path.Store(astray)
	lost := []byte{0x10, 0x01, 99}
	forwarded := make(watch, 1) // attached after the slot, so the slot has had the packet before
	a.peer.Tracks()[room.Camera].Attach(forwarded)
	s.send(lost...)()
	for payload := range forwarded {
		if payload == string(lost) {
			break
		}
	}
	a.peer.Tracks()[room.Camera].Detach(forwarded)
	b.peer.path.Store(way)
	next := b.next(s.send(deltaFrame...)).packet
	for !bytes.Equal(next.Payload, deltaFrame) { // from before
		next = b.next(s.send(deltaFrame...)).packet
	}
	var missing []uint16 // what else was under way went astray with it
	for seq := r.packet.SequenceNumber + 1; seq != next.SequenceNumber; seq++ {
		missing = append(missing, seq)
	}
	if len(missing) == 0 || len(missing) > 100 {
		t.Fatalf("%d packets are missing between %d and %d", len(missing), r.packet.SequenceNumber, next.SequenceNumber)
	}
	nack := &rtcp.TransportLayerNack{MediaSSRC: r.packet.SSRC, Nacks: rtcp.NackPairsFromSequenceNumbers(missing)}
	deadline := time.After(patience)
	for {
		if err := b.pc.WriteRTCP([]rtcp.Packet{nack}); err != nil {
			t.Fatal(err)
		}
		select {
		case again := <-b.got:
			if slices.Contains(missing, again.packet.SequenceNumber) && bytes.Equal(again.packet.Payload, lost) {
				return
			}
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			t.Fatal("it was not sent again")
		}
	}
}

// watch is a sink that tells the payloads it is given.
type watch chan string

func (w watch) WriteRTP(_ *room.Track, p *room.Packet) {
	select {
	case w <- string(p.Payload):
	case <-time.After(patience):
	}
}

func TestTheBrowserIsAskedForWhatWasLostOnItsWay(t *testing.T) {
	t.Parallel()
	var n nackList
	now := int64(time.Hour)
	for _, seq := range []uint16{65533, 65534, 1} { // 65535 and 0 are missing
		n.observe(seq, now)
	}
	seqs, key := n.due(now, nil)
	if len(seqs) != 2 || seqs[0] != 65535 || seqs[1] != 0 || key {
		t.Fatalf("asked for %v, key frame %v", seqs, key)
	}
	if n.observe(0, now+1); len(n.list) != 1 {
		t.Fatalf("still missing %v", n.list)
	}
	for i := range nackTries {
		now += nackRetry
		seqs, key = n.due(now, nil)
		if i < nackTries-1 && len(seqs) != 1 {
			t.Fatalf("try %d asked for %v", i, seqs)
		}
	}
	if !key || len(n.list) != 0 {
		t.Fatal("what cannot be had is not given up for a key frame")
	}
	if !n.observe(1000, now) {
		t.Fatal("an outage asks for nothing")
	}
	if _, key = n.due(now, nil); !key {
		t.Fatal("an outage asks for no key frame")
	}
}
