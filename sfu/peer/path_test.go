package peer

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/webrtc/v4"

	"dialroom/sfu/room"
	"dialroom/shared/udp"
)

func TestABrowserThatOnlyReachesTCPConnects(t *testing.T) {
	t.Parallel()
	tr := transport(t, true)
	tcpOnly := func(s *webrtc.SettingEngine) {
		s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4})
	}
	a, b := newBrowser(t, tr, "a", tcpOnly), newBrowser(t, tr, "b")
	for _, x := range []*browser{a, b} {
		x.negotiate(nil)
		x.wait(Connected)
	}
	if way := a.peer.path.Load(); way.stream == nil {
		t.Fatal("it came by UDP after all")
	}
	b.peer.Assign(b.peer.Slots()[0].Mid, a.peer.Tracks()[room.Mic])
	a.peer.Assign(a.peer.Slots()[0].Mid, b.peer.Tracks()[room.Mic])
	from := &sender{track: a.mic, step: 960}
	if r := b.next(from.send('t', 'c', 'p')); string(r.packet.Payload) != "tcp" {
		t.Fatalf("%v", r.packet)
	}
	to := &sender{track: b.mic, step: 960}
	if r := a.next(to.send('u', 'd', 'p')); string(r.packet.Payload) != "udp" {
		t.Fatalf("%v", r.packet)
	}
}

func TestAStrangersTCPConnectionIsClosed(t *testing.T) {
	t.Parallel()
	tr := transport(t, true)
	for name, frame := range map[string][]byte{
		"not a check":      {0, 3, 22, 1, 2},
		"an endless frame": {255, 255, 0},
		"an unsigned check": append([]byte{0, 20, 0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42},
			bytes.Repeat([]byte{7}, 12)...),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", tr.TCPAddr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			_, _ = conn.Write(frame)
			if n, err := conn.Read(make([]byte, 1)); err == nil || n > 0 {
				t.Fatal("it was answered")
			}
		})
	}
}

// link is a peer whose keys are known, without a browser.
type link struct {
	peer    *Peer
	browser *srtp.Context // encrypts as the browser would
	plain   []byte
	header  rtp.Header
	wire    []byte
}

func newLink(t testing.TB, tr *Transport, id, offer string, tracks map[string]room.Kind, profile srtp.ProtectionProfile) *link {
	t.Helper()
	p, err := tr.NewPeer(id, func(State) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Answer(offer, tracks); err != nil {
		t.Fatal(err)
	}
	keyLen, _ := profile.KeyLen()
	saltLen, _ := profile.SaltLen()
	key, salt := bytes.Repeat([]byte{1}, keyLen), bytes.Repeat([]byte{2}, saltLen)
	l := &link{peer: p, wire: make([]byte, 2048)}
	if l.browser, err = srtp.CreateContext(key, salt, profile); err != nil {
		t.Fatal(err)
	}
	if p.in.srtp, err = srtp.CreateContext(key, salt, profile, srtp.SRTPReplayProtection(replayWindow)); err != nil {
		t.Fatal(err)
	}
	if p.out.srtp, err = srtp.CreateContext(key, salt, profile); err != nil {
		t.Fatal(err)
	}
	p.choose(path{addr: tr.UDPAddr()}, 0, 0)
	return l
}

// packet returns the next 20 ms of PCMA as the browser sends it, with its level.
func (l *link) packet(tb testing.TB, ssrc uint32) []byte {
	if l.plain == nil {
		p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 8, SSRC: ssrc}, Payload: make([]byte, 160)}
		if err := p.SetExtension(1, []byte{20}); err != nil {
			tb.Fatal(err)
		}
		b, err := p.Marshal()
		if err != nil {
			tb.Fatal(err)
		}
		l.plain = b
	}
	if l.plain[3]++; l.plain[3] == 0 {
		l.plain[2]++
	}
	out, err := l.browser.EncryptRTP(l.wire[:0], l.plain, &l.header)
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

const phoneOffer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n" +
	"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 00\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 8 0\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=rtcp-mux\r\na=sendonly\r\na=ssrc:1234 cname:x\r\n" +
	"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 8 0\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=rtcp-mux\r\na=recvonly\r\n"

func TestForwardingAPacketAllocatesNothing(t *testing.T) {
	for name, profile := range map[string]srtp.ProtectionProfile{
		"AES-GCM": srtp.ProtectionProfileAeadAes128Gcm,
		"AES-CM":  srtp.ProtectionProfileAes128CmHmacSha1_80,
	} {
		t.Run(name, func(t *testing.T) {
			tr := transport(t, false)
			a := newLink(t, tr, "a", phoneOffer, map[string]room.Kind{"0": room.Phone}, profile)
			b := newLink(t, tr, "b", phoneOffer, nil, profile)
			track := a.peer.Tracks()[room.Phone]
			b.peer.Assign("1", track)
			a.peer.onPacket(a.packet(t, 1234), path{addr: tr.UDPAddr()})
			a.peer.in.reportAt, a.peer.in.feedbackAt = 1<<62, 1<<62 // reports are once a second, not per packet
			before := track.Packets()
			if n := testing.AllocsPerRun(1000, func() {
				a.peer.onPacket(a.packet(t, 1234), path{addr: tr.UDPAddr()})
			}); n != 0 && !(raceDetector && profile == srtp.ProtectionProfileAes128CmHmacSha1_80) {
				// The library's AES-CM has its buffers in a sync.Pool, which the race detector empties at random.
				t.Errorf("%v allocations per packet", n)
			}
			if got := track.Packets() - before; got != 1001 {
				t.Errorf("%d packets were forwarded", got)
			}
			if st := b.peer.Stats(); st.Sent["1"].Packets != 1002 {
				t.Errorf("sent %d packets", st.Sent["1"].Packets)
			}
			if level := track.Level(); level != 20 {
				t.Errorf("level -%d dBov", level)
			}
		})
	}
}

func TestAReplayedOrForgedPacketIsNotForwarded(t *testing.T) {
	t.Parallel()
	tr := transport(t, false)
	a := newLink(t, tr, "a", phoneOffer, map[string]room.Kind{"0": room.Phone}, srtp.ProtectionProfileAeadAes128Gcm)
	track := a.peer.Tracks()[room.Phone]
	good := bytes.Clone(a.packet(t, 1234))
	a.peer.onPacket(bytes.Clone(good), path{addr: tr.UDPAddr()})
	a.peer.onPacket(bytes.Clone(good), path{addr: tr.UDPAddr()})
	for i := range good {
		forged := bytes.Clone(a.packet(t, 1234))
		forged[i] ^= 0x40
		a.peer.onPacket(forged, path{addr: tr.UDPAddr()})
	}
	if n := track.Packets(); n != 1 {
		t.Fatalf("%d packets were forwarded, want 1", n)
	}
}

func TestAnOfferThatCannotBeUsedSaysWhy(t *testing.T) {
	t.Parallel()
	tr := transport(t, false)
	for name, c := range map[string]struct {
		offer  string
		tracks map[string]room.Kind
		want   string
	}{
		"nonsense":             {"hello", nil, "unusable offer"},
		"empty":                {"", nil, "unusable offer"},
		"too long":             {strings.Repeat("a", maxOffer+1), nil, "over 65536 bytes"},
		"too many m-lines":     {phoneOffer + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 8\r\n", 65), nil, "m-lines"},
		"no credentials":       {strings.ReplaceAll(phoneOffer, "a=ice-pwd", "a=x"), nil, "no ICE credentials"},
		"no fingerprint":       {strings.ReplaceAll(phoneOffer, "sha-256", "sha-1"), nil, "no sha-256 fingerprint"},
		"unknown mid":          {phoneOffer, map[string]room.Kind{"7": room.Mic}, `mid "7"`},
		"a slot as a track":    {phoneOffer, map[string]room.Kind{"1": room.Mic}, `mid "1"`},
		"unknown kind":         {phoneOffer, map[string]room.Kind{"0": "kitchen"}, `"kitchen"`},
		"the same mid twice":   {strings.ReplaceAll(phoneOffer, "a=mid:1", "a=mid:0"), nil, "two m-lines"},
		"one kind for m-lines": {strings.ReplaceAll(phoneOffer, "a=recvonly", "a=sendonly"), map[string]room.Kind{"0": room.Mic, "1": room.Mic}, "two tracks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := tr.NewPeer("p", func(State) {})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Answer(c.offer, c.tracks); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAnMLineThatIsNotOursIsRejectedInItsPlace(t *testing.T) {
	t.Parallel()
	p, err := transport(t, false).NewPeer("p", func(State) {})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := p.Answer(strings.ReplaceAll(phoneOffer, "BUNDLE 0 1", "BUNDLE 0 1 2")+
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n"+
		"m=video 9 UDP/TLS/RTP/SAVPF 99\r\na=mid:3\r\na=rtcp-mux\r\na=rtpmap:99 theora/90000\r\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a=group:BUNDLE 0 1\r\n", "m=application 0 ", "m=video 0 ", "a=ice-lite\r\n", "a=setup:passive\r\n"} {
		if !strings.Contains(answer, want) {
			t.Errorf("%q is not in\n%s", want, answer)
		}
	}
}

func FuzzOffer(f *testing.F) {
	f.Add(phoneOffer)
	f.Add(strings.ReplaceAll(phoneOffer, "8 0", "96 97") + "a=rtpmap:96 VP8/90000\r\na=fmtp:97 apt=96\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := parseOffer(text)
		if err != nil {
			return
		}
		answer := o.answer(local{ufrag: "u", pwd: "p", fingerprint: "f"}, map[string]uint32{o.sections[0].mid: 1})
		if got := strings.Count(answer, "m="); got < len(o.sections) {
			t.Fatalf("%d m-lines answered, %d offered", got, len(o.sections))
		}
	})
}

// FuzzDatagram feeds what anybody can send to the media port, and what a
// browser whose keys are right can put into its packets.
func FuzzDatagram(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	f.Add([]byte{0x80, 8, 0, 1, 0, 0, 0, 0, 0, 0, 4, 210, 1, 2, 3})
	f.Add([]byte{0xb1, 0xe0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 210, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 0x10, 20, 0, 0, 1, 2, 3, 200})
	poller, err := udp.NewPoller()
	if err != nil {
		f.Fatal(err)
	}
	tr, err := Listen(Config{UDP: "127.0.0.1:0", Poller: poller, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		_ = tr.Close()
		_ = poller.Close()
	})
	from := netip.MustParseAddrPort("127.0.0.1:9")
	profile := srtp.ProtectionProfileAeadAes128Gcm
	l := newLink(f, tr, "fuzz", phoneOffer, map[string]room.Kind{"0": room.Phone}, profile)
	keyLen, _ := profile.KeyLen()
	saltLen, _ := profile.SaltLen()
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, c := range []room.Codec{room.VP8, room.H264, room.VP9, room.AV1} {
			isKeyFrame(c, packet)
		}
		if len(packet) == 0 || len(packet) > 1500 {
			return
		}
		via := path{addr: from}
		tr.onSTUN(bytes.Clone(packet), from, via)
		// Fresh contexts: a replayed sequence number would hide the rest.
		in, _ := srtp.CreateContext(bytes.Repeat([]byte{1}, keyLen), bytes.Repeat([]byte{2}, saltLen), profile)
		browser, _ := srtp.CreateContext(bytes.Repeat([]byte{1}, keyLen), bytes.Repeat([]byte{2}, saltLen), profile)
		l.peer.in.Lock()
		l.peer.in.srtp = in
		l.peer.in.Unlock()
		if packet[0] >= 128 && packet[0] <= 191 && len(packet) >= 12 {
			if wire, err := browser.EncryptRTP(nil, packet, nil); err == nil {
				l.peer.onRTP(wire, via)
			}
			if wire, err := browser.EncryptRTCP(nil, packet, nil); err == nil {
				l.peer.onRTCP(wire)
			}
			l.peer.onPacket(packet, via)
		}
	})
}

// BenchmarkForward takes one encrypted packet of a phone call in and sends it to another browser.
func BenchmarkForward(b *testing.B) {
	tr := transport(b, false)
	from := newLink(b, tr, "a", phoneOffer, map[string]room.Kind{"0": room.Phone}, srtp.ProtectionProfileAeadAes128Gcm)
	to := newLink(b, tr, "b", phoneOffer, nil, srtp.ProtectionProfileAeadAes128Gcm)
	to.peer.Assign("1", from.peer.Tracks()[room.Phone])
	// Packets are made in batches outside the clock: the browser's encryption is not ours to count.
	const batch = 1024
	packets := make([][]byte, batch)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%batch == 0 {
			b.StopTimer()
			for j := range packets {
				packets[j] = bytes.Clone(from.packet(b, 1234))
			}
			b.StartTimer()
		}
		from.peer.onPacket(packets[i%batch], path{addr: tr.UDPAddr()})
	}
}
