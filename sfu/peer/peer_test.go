package peer

import (
	"bytes"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"dialroom/sfu/room"
	"dialroom/shared/udp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

// transport opens a transport on loopback that is closed with the test.
func transport(t testing.TB, tcp bool) *Transport {
	t.Helper()
	poller, err := udp.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{UDP: "127.0.0.1:0", Poller: poller, Logger: slog.New(slog.DiscardHandler)}
	if tcp {
		cfg.TCP = "127.0.0.1:0"
	}
	tr, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = tr.Close()
		_ = poller.Close()
	})
	return tr
}

// browser is a PeerConnection as a page makes it, by an independent implementation.
type browser struct {
	t      testing.TB
	pc     *webrtc.PeerConnection
	tracks map[string]room.Kind
	mic    *webrtc.TrackLocalStaticRTP
	phone  *webrtc.TrackLocalStaticRTP
	camera *webrtc.TrackLocalStaticRTP
	video  *webrtc.RTPSender
	got    chan received
	peer   *Peer
	states chan State
}

type received struct {
	mid    string
	packet *rtp.Packet
	remote *webrtc.TrackRemote
}

// newBrowser offers mic, phone rendition and camera, and slots: two voice, one phone, one video.
func newBrowser(t testing.TB, tr *Transport, id string, configure ...func(*webrtc.SettingEngine)) *browser {
	t.Helper()
	b := &browser{t: t, tracks: map[string]room.Kind{}, got: make(chan received, 1000), states: make(chan State, 16)}
	media := &webrtc.MediaEngine{}
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	_ = media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.AudioLevelURI}, webrtc.RTPCodecTypeAudio)
	if err := webrtc.ConfigureSimulcastExtensionHeaders(media); err != nil {
		t.Fatal(err)
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetIPFilter(loopbackOnly)
	for _, c := range configure {
		c(&settings)
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	b.pc = pc
	t.Cleanup(func() { _ = pc.Close() })
	send := func(mime, name string) (*webrtc.TrackLocalStaticRTP, *webrtc.RTPSender) {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: mime}, name, name)
		if err != nil {
			t.Fatal(err)
		}
		tv, err := pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		if err != nil {
			t.Fatal(err)
		}
		return track, tv.Sender()
	}
	b.mic, _ = send(webrtc.MimeTypeOpus, "mic")
	b.phone, _ = send(webrtc.MimeTypePCMA, "phone")
	b.camera, b.video = send(webrtc.MimeTypeVP8, "camera")
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if _, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
			t.Fatal(err)
		}
	}
	pc.OnTrack(func(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		mid := receiver.RTPTransceiver().Mid()
		for {
			p, _, err := remote.ReadRTP()
			if err != nil {
				return
			}
			b.got <- received{mid, p, remote}
		}
	})
	b.peer, err = tr.NewPeer(id, func(s State) { b.states <- s })
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func loopbackOnly(ip net.IP) bool { return ip.Equal(net.IPv4(127, 0, 0, 1)) }

// negotiate offers and applies the answer.
func (b *browser) negotiate(options *webrtc.OfferOptions) {
	b.t.Helper()
	offer, err := b.pc.CreateOffer(options)
	if err != nil {
		b.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(b.pc)
	if err := b.pc.SetLocalDescription(offer); err != nil {
		b.t.Fatal(err)
	}
	<-gathered
	for i, kind := range []room.Kind{room.Mic, room.Phone, room.Camera} {
		b.tracks[b.pc.GetTransceivers()[i].Mid()] = kind
	}
	answer, err := b.peer.Answer(b.pc.LocalDescription().SDP, b.tracks)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		b.t.Fatalf("%v in\n%s", err, answer)
	}
}

func (b *browser) wait(want State) {
	b.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-b.states:
			if s == want {
				return
			}
		case <-deadline:
			b.t.Fatalf("never %v", want)
		}
	}
}

// next returns the next packet that arrives in a slot, for which something must be sending.
func (b *browser) next(send func()) received {
	b.t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case r := <-b.got:
			return r
		case <-tick.C:
			send()
		case <-deadline:
			b.t.Fatal("nothing arrived")
		}
	}
}

// sender sends packets of one stream with given numbers.
type sender struct {
	track *webrtc.TrackLocalStaticRTP
	seq   uint16
	ts    uint32
	step  uint32
}

func (s *sender) send(payload ...byte) func() {
	return func() {
		_ = s.track.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: s.seq, Timestamp: s.ts}, Payload: payload})
		s.seq++
		s.ts += s.step
	}
}

func pair(t testing.TB, tr *Transport) (*browser, *browser) {
	t.Helper()
	a, b := newBrowser(t, tr, "a"), newBrowser(t, tr, "b")
	for _, x := range []*browser{a, b} {
		x.negotiate(nil)
		x.wait(Connected)
	}
	return a, b
}

func TestWhatOneBrowserSaysArrivesInTheOthersSlot(t *testing.T) {
	t.Parallel()
	a, b := pair(t, transport(t, false))
	slots := b.peer.Slots()
	if len(slots) != 4 || !slots[0].Carries(room.Opus) || !slots[3].Carries(room.VP8) {
		t.Fatalf("slots %+v", slots)
	}
	b.peer.Assign(slots[1].Mid, a.peer.Tracks()[room.Mic])
	mic := &sender{track: a.mic, seq: 65534, ts: 1 << 31, step: 960}
	first := b.next(mic.send(1, 2, 3))
	if first.mid != slots[1].Mid || !bytes.Equal(first.packet.Payload, []byte{1, 2, 3}) || !first.packet.Marker {
		t.Fatalf("%+v", first)
	}
	seq, ts := first.packet.SequenceNumber, first.packet.Timestamp
	for range 5 {
		r := b.next(mic.send(1, 2, 3))
		if r.packet.SequenceNumber != seq+1 || r.packet.Timestamp != ts+960 {
			t.Fatalf("%v after %d, %d", r.packet, seq, ts)
		}
		seq, ts = r.packet.SequenceNumber, r.packet.Timestamp
	}
}

func TestASlotStaysOneStreamWhenItsSourceChanges(t *testing.T) {
	t.Parallel()
	tr := transport(t, false)
	a, b := pair(t, tr)
	c := newBrowser(t, tr, "c")
	c.negotiate(nil)
	c.wait(Connected)
	mid := b.peer.Slots()[0].Mid
	b.peer.Assign(mid, a.peer.Tracks()[room.Mic])
	fromA := &sender{track: a.mic, seq: 100, ts: 7000, step: 960}
	before := b.next(fromA.send('a'))
	b.peer.Assign(mid, c.peer.Tracks()[room.Mic])
	fromC := &sender{track: c.mic, seq: 50000, ts: 1, step: 960}
	after := b.next(fromC.send('c'))
	for after.packet.Payload[0] == 'a' {
		before, after = after, b.next(fromC.send('c'))
	}
	if after.packet.SSRC != before.packet.SSRC || after.packet.SequenceNumber != before.packet.SequenceNumber+1 {
		t.Fatalf("%v after %v", after.packet, before.packet)
	}
	if d := after.packet.Timestamp - before.packet.Timestamp; d < 960 || d > 48000*20 {
		t.Fatalf("the timestamp went on by %d", d)
	}
	b.peer.Assign(mid, nil)
	if a.peer.Tracks()[room.Mic].Heard() || c.peer.Tracks()[room.Mic].Heard() {
		t.Fatal("an emptied slot is still attached")
	}
}

func TestPhoneCodecsPassInAnySlotThatCanPlayThem(t *testing.T) {
	t.Parallel()
	a, b := pair(t, transport(t, false))
	slot := b.peer.Slots()[2]
	b.peer.Assign(slot.Mid, a.peer.Tracks()[room.Phone])
	s := &sender{track: a.phone, step: 160}
	r := b.next(s.send(bytes.Repeat([]byte{0xd5}, 160)...))
	if r.remote.Codec().MimeType != webrtc.MimeTypePCMA || len(r.packet.Payload) != 160 {
		t.Fatalf("%v of %s", r.packet, r.remote.Codec().MimeType)
	}
}

// eventually waits until ok.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("it never came about")
		}
		runtime.Gosched()
	}
}

func TestAnICERestartKeepsTheConnection(t *testing.T) {
	t.Parallel()
	a, b := pair(t, transport(t, false))
	mid := b.peer.Slots()[0].Mid
	b.peer.Assign(mid, a.peer.Tracks()[room.Mic])
	mic := &sender{track: a.mic, step: 960}
	before := b.next(mic.send(1))
	b.negotiate(&webrtc.OfferOptions{ICERestart: true})
	for range 50 {
		after := b.next(mic.send(1))
		if after.packet.SSRC != before.packet.SSRC {
			t.Fatal("the slot's stream changed")
		}
	}
}

func TestAnOfferOfAnotherConnectionIsToldApart(t *testing.T) {
	t.Parallel()
	tr := transport(t, false)
	a := newBrowser(t, tr, "a")
	a.negotiate(nil)
	reloaded := newBrowser(t, tr, "a")
	offer, err := reloaded.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.peer.Answer(offer.SDP, nil); err != ErrOtherConnection {
		t.Fatalf("got %v", err)
	}
}

func TestAClosedBrowserIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	a := newBrowser(t, transport(t, false), "a")
	a.negotiate(nil)
	a.wait(Connected)
	eventually(t, func() bool { return a.pc.ConnectionState() == webrtc.PeerConnectionStateConnected })
	_ = a.pc.Close()
	a.wait(Failed)
}

func TestASilentBrowserDisconnectsThenFails(t *testing.T) {
	t.Parallel()
	a := newBrowser(t, transport(t, false), "a")
	a.negotiate(nil)
	a.wait(Connected)
	a.peer.judge(disconnectedAfter + 1)
	a.wait(Disconnected)
	a.wait(Connected) // its next check
	a.peer.judge(failedAfter + 1)
	a.wait(Failed)
}

func TestACertificateThatTheOfferDidNotNameIsRefused(t *testing.T) {
	t.Parallel()
	a := newBrowser(t, transport(t, false), "a")
	offer, err := a.pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	i := strings.Index(offer.SDP, "a=fingerprint:sha-256 ") + len("a=fingerprint:sha-256 ")
	forged := offer.SDP[:i] + strings.Repeat("00:", 31) + "00" + offer.SDP[i+95:]
	if err := a.pc.SetLocalDescription(offer); err != nil {
		t.Fatal(err)
	}
	answer, err := a.peer.Answer(forged, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	a.wait(Failed)
}
