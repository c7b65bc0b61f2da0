package phone

import (
	"encoding/json"
	"net/netip"
	"sync"
	"testing"
	"time"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
	"dialroom/shared/udp"
	"dialroom/shared/wire"
)

// tape is a sink that keeps what it is given.
type tape struct {
	packets []room.Packet
	pcm     []byte
}

func (t *tape) WriteRTP(_ *room.Track, p *room.Packet) {
	t.packets = append(t.packets, *p)
	t.pcm = append(t.pcm, p.Payload...)
}

// fromPhone makes what the bridge sends of a phone.
func fromPhone(l *Leg, pt uint8, seq uint16, payload []byte) []byte {
	b := make([]byte, headerSize, headerSize+len(payload))
	header{pt: pt, seq: seq, timestamp: uint32(seq) * 160, ssrc: l.ssrcIn}.put(b)
	return append(b, payload...)
}

func TestAPhoneIsHeardAsItComes(t *testing.T) {
	s := newStage(t)
	l := s.leg(wire.PCMA)
	heard := new(tape)
	l.Track().Attach(heard)
	voice := mix.PCMA.Encode(nil, speech(mix.Rate, 120))
	for i := range 50 {
		s.now += frameTime
		if i != 20 {
			s.hub.receive(fromPhone(l, ptPCMA, uint16(65530+i), voice[i*160:(i+1)*160]), bridgeAddr)
		}
	}
	if want := append(voice[:3200:3200], voice[3360:]...); string(heard.pcm) != string(want) {
		t.Error("the payloads differ")
	}
	p := heard.packets[48]
	if p.Seq != 43 || p.Codec != room.PCMA || p.At != s.now || p.Level < 10 || p.Level > 30 {
		t.Errorf("%+v", p)
	}
	if level := l.Track().Level(); level < 10 || level > 30 {
		t.Errorf("level %d", level)
	}
	st := l.Stats()
	if st.Received.Packets != 49 || st.Received.Lost != 1 || st.Received.Octets != 49*160 || st.Received.Jitter > time.Millisecond || st.Received.Last != s.now {
		t.Errorf("%+v", st.Received)
	}
	if st.Codec != wire.PCMA {
		t.Errorf("codec %q", st.Codec)
	}
}

func TestOnlyTheBridgesPacketsOfTheLegAreTaken(t *testing.T) {
	s := newStage(t)
	early := s.hub.NewLeg("early")
	l := s.leg(wire.PCMA)
	heard := new(tape)
	l.Track().Attach(heard)
	early.Track().Attach(heard)
	good := fromPhone(l, ptPCMA, 1, []byte("voice"))
	elsewhere := netip.MustParseAddrPort("127.0.0.1:7001")
	unknown := append([]byte(nil), good...)
	unknown[8] ^= 1
	for name, c := range map[string]struct {
		packet []byte
		from   netip.AddrPort
	}{
		"another port":           {good, elsewhere},
		"another host":           {good, netip.MustParseAddrPort("127.0.0.2:7000")},
		"an unknown SSRC":        {unknown, bridgeAddr},
		"a leg not connected":    {fromPhone(early, ptPCMA, 1, []byte("voice")), bridgeAddr},
		"an unknown format":      {fromPhone(l, 101, 1, []byte("digit")), bridgeAddr},
		"no RTP":                 {good[:5], bridgeAddr},
		"more than a phone says": {fromPhone(l, ptPCMA, 1, make([]byte, maxPayload+1)), bridgeAddr},
	} {
		before := s.hub.Strays()
		s.hub.receive(c.packet, c.from)
		if len(heard.packets) != 0 || s.hub.Strays() != before+1 {
			t.Errorf("%s was taken", name)
		}
	}
	s.hub.receive(good, bridgeAddr)
	l.Close()
	s.hub.receive(good, bridgeAddr)
	if len(heard.packets) != 1 {
		t.Errorf("%d packets taken, want the one before Close", len(heard.packets))
	}
}

func TestLegsTellTheBridgeDifferentNumbers(t *testing.T) {
	s := newStage(t)
	seen := map[uint32]bool{}
	for range 200 {
		w := s.hub.NewLeg("p").Wire()
		if w.Media != "127.0.0.1:6000" || w.SSRCFromPhone == 0 || w.SSRCToPhone == 0 || seen[w.SSRCFromPhone] {
			b, _ := json.Marshal(w)
			t.Fatalf("%s", b)
		}
		seen[w.SSRCFromPhone] = true
	}
}

func TestALongAndBusyRoomCanBeLeftInAnyOrder(t *testing.T) {
	s := newStage(t)
	s.quiet = true
	var speakers []*speaker
	for i := range 3 {
		speakers = append(speakers, s.speaker(room.PCMA, speech(mix.Rate, 120), int64(5*i)*ms))
	}
	c := s.hub.newConference()
	var legs []*Leg
	for range 4 {
		l := s.leg(wire.PCMU)
		c.Add(l)
		legs = append(legs, l)
	}
	c.SetSources(append(tracks(speakers...), legs[0].Track(), legs[1].Track()))
	s.run(200 * time.Millisecond)
	legs[0].Close()
	c.Remove(legs[1])
	s.run(200 * time.Millisecond)
	c.Close()
	c.Add(legs[2])
	c.SetSources(tracks(speakers...))
	s.run(200 * time.Millisecond)
	for _, sp := range speakers {
		if sp.track.Heard() {
			t.Error("a closed conference is still attached")
		}
	}
	if err := s.hub.Close(); err != nil {
		t.Error(err)
	}
	if err := s.hub.Close(); err != nil {
		t.Error("closed twice:", err)
	}
	if n := len(*s.hub.legs.Load()) + len(s.hub.lobby.legs) + len(c.legs); n != 0 {
		t.Errorf("%d legs are left", n)
	}
	if l := s.hub.NewLeg("late"); l.Connect(wire.PCMA, bridgeAddr) != nil || len(s.hub.lobby.legs) != 0 {
		t.Error("a leg after the end")
	}
	for _, w := range s.hub.workers {
		for p, list := range w.confs {
			if len(list) != 0 {
				t.Errorf("%d conferences at pace %d", len(list), p)
			}
		}
	}
}

func TestNothingOnTheWayOfAPacketAllocates(t *testing.T) {
	s := newStage(t)
	s.quiet = true
	l, other := s.leg(wire.PCMA), s.leg(wire.PCMU)
	a, b := s.speaker(room.PCMU, speech(mix.Rate, 120), 0), s.speaker(room.PCMA, speech(mix.Rate, 150), 0)
	s.speakers = nil
	c := s.hub.NewConference()
	c.Add(l)
	p := room.Packet{Codec: room.PCMU, Payload: make([]byte, 160)}
	next := func() {
		s.now += frameTime
		p.Seq, p.Timestamp, p.At = p.Seq+1, p.Timestamp+160, s.now
	}
	c.SetSources(tracks(a))
	if n := testing.AllocsPerRun(200, func() { next(); a.track.Forward(&p) }); n != 0 {
		t.Errorf("relay to the phone: %v", n)
	}
	packet := fromPhone(l, ptPCMA, 1, make([]byte, 160))
	if n := testing.AllocsPerRun(200, func() { s.hub.receive(packet, bridgeAddr) }); n != 0 {
		t.Errorf("from the phone: %v", n)
	}
	c.Add(other)
	c.SetSources(append(tracks(a, b), l.Track()))
	if n := testing.AllocsPerRun(200, func() {
		next()
		a.track.Forward(&p)
		b.track.Forward(&p)
		s.hub.workers[0].step(s.now)
	}); n != 0 {
		t.Errorf("a tick: %v", n)
	}
	c.SetSources(nil)
	if n := testing.AllocsPerRun(200, func() { next(); s.hub.workers[0].step(s.now) }); n != 0 {
		t.Errorf("silence: %v", n)
	}
}

// Everything at once, for the race detector: packets, ticks, people coming and going.
func TestEverythingAtOnce(t *testing.T) {
	poller, err := udp.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poller.Close()
	h, err := NewHub(Config{Poller: poller, Listen: netip.MustParseAddrPort("127.0.0.1:0"), Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	bridge, err := poller.Listen(netip.MustParseAddrPort("127.0.0.1:0"), func([]byte, netip.AddrPort) {})
	if err != nil {
		t.Fatal(err)
	}
	list := []*room.Track{{}, {}, {}}
	a, b := h.newConference(), h.newConference()
	done := make(chan struct{})
	var wg sync.WaitGroup
	loop := func(f func(i int)) {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
					f(i)
				}
			}
		})
	}
	for k, track := range list {
		loop(func(i int) {
			track.Forward(&room.Packet{Seq: uint16(i), Timestamp: uint32(i * 160), Codec: room.PCMU, Payload: make([]byte, 160), At: h.now() + int64(k)})
		})
	}
	legs := make([]*Leg, 3)
	for i := range legs {
		legs[i] = h.NewLeg("p")
	}
	loop(func(i int) { a.SetSources(list[:i%4]) })
	loop(func(i int) { b.SetSources(append(list[i%3:], legs[i%3].Track())) })
	for _, l := range legs {
		loop(func(i int) { _ = l.Connect([]wire.Codec{wire.PCMA, wire.PCMU}[i%2], bridge.LocalAddr()) })
		loop(func(i int) {
			switch i % 4 {
			case 0:
				a.Add(l)
			case 1:
				b.Add(l)
			case 2:
				b.Remove(l)
			case 3:
				l.Stats()
			}
		})
		loop(func(i int) { _ = bridge.WriteTo(fromPhone(l, ptPCMA, uint16(i), []byte("voice")), h.LocalAddr()) })
	}
	ticks := 0
	loop(func(int) {
		a.tick(h.now())
		if ticks++; ticks == 400 {
			legs[0].Close()
			b.Close()
			close(done)
		}
	})
	wg.Wait()
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestOverRealSockets(t *testing.T) {
	poller, err := udp.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poller.Close()
	local := netip.MustParseAddrPort("127.0.0.1:0")
	h, err := NewHub(Config{Poller: poller, Listen: local})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	got := make(chan sentPacket, 100)
	bridge, err := poller.Listen(local, func(b []byte, from netip.AddrPort) {
		head, payload, ok := parse(b)
		if ok && from == h.LocalAddr() {
			select {
			case got <- sentPacket{header: head, at: room.Now(), payload: append([]byte(nil), payload...)}:
			default:
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	l := h.NewLeg("p")
	if l.Wire().Media != h.LocalAddr().String() {
		t.Errorf("media %s", l.Wire().Media)
	}
	if err := l.Connect(wire.PCMU, bridge.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	take := func(n int) (list []sentPacket) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for len(list) < n {
			select {
			case p := <-got:
				list = append(list, p)
			case <-deadline:
				t.Fatalf("%d of %d packets after ten seconds", len(list), n)
			}
		}
		return list
	}
	packets := take(10)
	// What the phone says comes back to it through a relay.
	voice := h.NewLeg("other")
	if err := voice.Connect(wire.PCMU, bridge.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	c := h.NewConference()
	c.Add(l)
	c.SetSources([]*room.Track{voice.Track()})
	for i := range 20 {
		payload := make([]byte, 160)
		payload[0] = byte(i)
		if err := bridge.WriteTo(fromPhone(voice, ptPCMU, uint16(i), payload), h.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	next := byte(0)
	for next < 20 {
		p := take(1)[0]
		if p.ssrc != l.ssrcOut {
			continue // silence to the other
		}
		if packets = append(packets, p); p.payload[1] == 0 && p.payload[0] == next {
			next++
		}
	}
	for i := 1; i < len(packets); i++ {
		if packets[i].seq != packets[i-1].seq+1 {
			t.Errorf("sequence %d after %d", packets[i].seq, packets[i-1].seq)
		}
	}
}
