package phone

import (
	"net/netip"
	"testing"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
	"dialroom/shared/udp"
	"dialroom/shared/wire"
)

// BenchmarkRelay is one packet of a browser on its way to the phone, without
// and with the system call that sends it, and one of the phone on its way to the room.
func BenchmarkRelay(b *testing.B) {
	p := room.Packet{Codec: room.PCMU, Payload: make([]byte, 160)}
	to := func(b *testing.B, h *Hub, codec wire.Codec, bridge netip.AddrPort) {
		l := h.NewLeg("p")
		if err := l.Connect(codec, bridge); err != nil {
			b.Fatal(err)
		}
		c := h.NewConference()
		c.Add(l)
		track := &room.Track{}
		c.SetSources([]*room.Track{track})
		b.ReportAllocs()
		for b.Loop() {
			p.Seq, p.Timestamp, p.At = p.Seq+1, p.Timestamp+160, p.At+frameTime
			track.Forward(&p)
		}
		l.Close()
	}
	b.Run("ToPhone", func(b *testing.B) {
		s := newStage(nil)
		s.quiet = true
		to(b, s.hub, wire.PCMU, bridgeAddr)
	})
	b.Run("ToPhoneOfTheOtherCodec", func(b *testing.B) {
		s := newStage(nil)
		s.quiet = true
		to(b, s.hub, wire.PCMA, bridgeAddr)
	})
	b.Run("ToPhoneThroughASocket", func(b *testing.B) {
		poller, err := udp.NewPoller()
		if err != nil {
			b.Fatal(err)
		}
		defer poller.Close()
		h, err := NewHub(Config{Poller: poller, Listen: netip.MustParseAddrPort("127.0.0.1:0")})
		if err != nil {
			b.Fatal(err)
		}
		defer h.Close()
		to(b, h, wire.PCMU, netip.MustParseAddrPort("127.0.0.1:9"))
	})
	b.Run("FromPhone", func(b *testing.B) {
		s := newStage(nil)
		l := s.hub.NewLeg("p")
		if err := l.Connect(wire.PCMA, bridgeAddr); err != nil {
			b.Fatal(err)
		}
		packet := fromPhone(l, ptPCMA, 1, mix.PCMA.Encode(nil, speech(160, 120)))
		b.ReportAllocs()
		for b.Loop() {
			packet[3]++
			s.hub.receive(packet, bridgeAddr)
		}
	})
}

// BenchmarkTick2Browsers1Phone is 20 ms of a mixing room, packets in and out included.
func BenchmarkTick2Browsers1Phone(b *testing.B) {
	s := newStage(nil)
	s.quiet = true
	l := s.hub.NewLeg("p")
	if err := l.Connect(wire.PCMA, bridgeAddr); err != nil {
		b.Fatal(err)
	}
	c := s.hub.NewConference()
	c.Add(l)
	list := []*room.Track{{}, {}}
	c.SetSources(append(list, l.Track()))
	payload := mix.PCMA.Encode(nil, speech(160, 120))
	p := room.Packet{Codec: room.PCMA, Payload: payload}
	b.ReportAllocs()
	for b.Loop() {
		s.now += frameTime
		p.Seq, p.Timestamp, p.At = p.Seq+1, p.Timestamp+160, s.now-5*ms
		for _, t := range list {
			t.Forward(&p)
		}
		s.hub.workers[0].step(s.now)
	}
	if sent := l.Stats().Sent; sent.Packets+1 < uint64(b.N) || sent.Silence > 0 {
		b.Errorf("%d ticks, %+v", b.N, sent)
	}
}

// BenchmarkLook is the look at 1,000 relaying rooms that comes every 40 ms.
func BenchmarkLook(b *testing.B) {
	s := newStage(nil)
	s.quiet = true
	track := &room.Track{}
	for range 1000 {
		l := s.hub.NewLeg("p")
		if err := l.Connect(wire.PCMA, bridgeAddr); err != nil {
			b.Fatal(err)
		}
		c := s.hub.NewConference()
		c.Add(l)
		c.SetSources([]*room.Track{track})
	}
	track.Forward(&room.Packet{Codec: room.PCMA, Payload: make([]byte, 160), At: 1 << 62}) // for ever fresh
	w := s.hub.workers[0]
	w.step(s.now)
	w.step(s.now + frameTime)
	if n := len(w.confs[coarse]); n != 1000 {
		b.Fatalf("%d rooms are relaying", n)
	}
	b.ReportAllocs()
	for b.Loop() {
		w.tick(coarse, s.now/frameTime)
	}
}
