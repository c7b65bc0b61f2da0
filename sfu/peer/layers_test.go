package peer

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"dialroom/sfu/room"
)

// size is one of the sizes in which a browser sends its camera (RFC 8853).
type size struct {
	track          *webrtc.TrackLocalStaticRTP
	mid            string
	midExt, ridExt uint8
	seq            uint16
	ts             uint32
}

// send returns what sends a packet of the size, named as a browser names it (RFC 8852).
func (s *size) send(payload ...byte) func() {
	return func() {
		p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: s.seq, Timestamp: s.ts}, Payload: payload}
		_ = p.SetExtension(s.midExt, []byte(s.mid))
		_ = p.SetExtension(s.ridExt, []byte(s.track.RID()))
		_ = s.track.WriteRTP(p)
		s.seq++
		s.ts += 3000
	}
}

// layers makes a browser that sends its camera in three sizes, and one that watches it.
func layers(t *testing.T) (sizes map[string]*size, from, to *browser) {
	t.Helper()
	tr := transport(t, false)
	from, to = newBrowser(t, tr, "a"), newBrowser(t, tr, "b")
	sizes = make(map[string]*size)
	var tv *webrtc.RTPTransceiver
	for i, rid := range []string{"q", "h", "f"} {
		track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "sizes", "sizes", webrtc.WithRTPStreamID(rid))
		if err != nil {
			t.Fatal(err)
		}
		if tv == nil {
			tv, err = from.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		} else {
			err = tv.Sender().AddEncoding(track)
		}
		if err != nil {
			t.Fatal(err)
		}
		sizes[rid] = &size{track: track, seq: uint16(1000 * i), ts: uint32(90000 * i)}
	}
	from.negotiate(nil)
	to.negotiate(nil)
	// Once more, with the camera's line named.
	from.tracks[tv.Mid()] = room.Camera
	delete(from.tracks, from.pc.GetTransceivers()[2].Mid())
	answer, err := from.peer.Answer(from.pc.LocalDescription().SDP, from.tracks)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(answer, "a=simulcast:recv q;h;f\r\n") || strings.Count(answer, "a=rid:") != 3 {
		t.Fatalf("the sizes are not accepted in\n%s", answer)
	}
	from.wait(Connected)
	to.wait(Connected)
	for _, s := range sizes {
		s.mid = tv.Mid()
		for _, ext := range tv.Sender().GetParameters().HeaderExtensions {
			switch ext.URI {
			case sdp.SDESMidURI:
				s.midExt = uint8(ext.ID)
			case sdp.SDESRTPStreamIDURI:
				s.ridExt = uint8(ext.ID)
			}
		}
	}
	return sizes, from, to
}

// keyFrameOf is the beginning of a VP8 key frame of a width (RFC 6386 §9.1).
func keyFrameOf(width uint16, mark byte) []byte {
	return []byte{0x10, 0x00, 0x00, 0x00, 0x9d, 0x01, 0x2a, byte(width), byte(width >> 8), 0, 0, mark}
}

func TestEverySizeOfAPictureIsATrackOfItsOwn(t *testing.T) {
	t.Parallel()
	sizes, from, to := layers(t)
	camera := from.peer.Tracks()[room.Camera]
	if len(camera.Layers) != 3 || camera.Layers[0].RID != "q" || camera.Layers[2].RID != "f" {
		t.Fatalf("layers %+v", camera.Layers)
	}
	mid := to.peer.Slots()[3].Mid
	for i, rid := range []string{"q", "h", "f"} {
		to.peer.Assign(mid, nil)
		to.peer.Assign(mid, camera.Layers[i])
		payload := keyFrameOf(uint16(320<<i), byte(i))
		r := to.next(sizes[rid].send(payload...))
		for !bytes.Equal(r.packet.Payload, payload) {
			r = to.next(sizes[rid].send(payload...))
		}
		if w := camera.Layers[i].Width(); w != 320<<i {
			t.Errorf("%s is %d pixels wide", rid, w)
		}
	}
}

func TestASizeGivesWayToAnotherWithoutAGapInThePicture(t *testing.T) {
	t.Parallel()
	sizes, from, to := layers(t)
	camera := from.peer.Tracks()[room.Camera]
	mid := to.peer.Slots()[3].Mid
	to.peer.Assign(mid, camera.Layers[2])
	last := to.next(sizes["f"].send(keyFrameOf(1280, 'f')...))
	to.peer.Assign(mid, camera.Layers[0])

	follow := func(send func()) []byte {
		t.Helper()
		r := to.next(send)
		if r.packet.SequenceNumber != last.packet.SequenceNumber+1 || r.packet.SSRC != last.packet.SSRC {
			t.Fatalf("%v after %v", r.packet, last.packet)
		}
		last = r
		return r.packet.Payload
	}
	// Until the small picture has its key frame the large one goes on, and nothing of the small one shows.
	large := slices.Clone(deltaFrame)
	both := func() { sizes["q"].send(deltaFrame[0], deltaFrame[1], 'q')(); sizes["f"].send(large...)() }
	for range 5 {
		if got := follow(both); bytes.Contains(got, []byte("q")) {
			t.Fatalf("%v of the small picture before its key frame", got)
		}
	}
	small := keyFrameOf(320, 'q')
	for got := follow(sizes["q"].send(small...)); !bytes.Equal(got, small); {
		got = follow(sizes["q"].send(small...))
	}
	for camera.Layers[2].Heard() { // until the packet path has let go of it
		follow(sizes["q"].send(small...))
	}
	to.peer.Assign(mid, nil)
	if camera.Layers[0].Heard() {
		t.Error("an emptied slot is still attached")
	}
}

func TestSizesAreReadFromTheOffer(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"send q;h;f":                 "q;h;f",
		"recv 1;2 send a;b":          "a;b",
		"send a;b recv 1;2":          "a;b",
		"send ~q;h":                  "q;h", // paused at first
		"send q,r;h,~s":              "q;h", // alternatives
		"send f":                     "",    // one size is none
		"send a;b;c;d;e":             "",    // more than anybody needs
		"send a;a":                   "",    // the same twice
		"send q;h h;x":               "q;h", // no direction
		"send q;<script>;h":          "q;h", // RFC 8851 §10
		"send":                       "",
		"":                           "",
		"recv q;h;f":                 "",
		"send ;;;":                   "",
		"send aaaaaaaaaaaaaaaaa;b;c": "b;c",
	} {
		if got := strings.Join(simulcast(value), ";"); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}

func TestAKeyFrameTellsItsWidth(t *testing.T) {
	t.Parallel()
	frame := keyFrameOf(640, 0)
	for name, tc := range map[string]struct {
		payload []byte
		want    uint32
	}{
		"plain":                 {frame, 640},
		"scaled":                {keyFrameOf(640|1<<14, 0), 640}, // the upper two bits are a scale
		"with a picture id":     {slices.Concat([]byte{0x90, 0x80, 0x81, 0x02}, frame[1:]), 640},
		"with all extensions":   {slices.Concat([]byte{0x90, 0xf0, 0x01, 0x02, 0x03}, frame[1:]), 640},
		"cut short":             {frame[:8], 0},
		"without a start code":  {append([]byte{0x10, 0, 0, 0, 1, 2, 3}, frame[7:]...), 0},
		"a descriptor only":     {[]byte{0x90, 0xf0}, 0},
		"nothing but the first": {[]byte{0x90}, 0},
	} {
		if got := widthOf(room.VP8, tc.payload); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
	if got := widthOf(room.H264, frame); got != 0 {
		t.Errorf("H.264: %d", got)
	}
}
