package ua

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
)

func TestEchoReturnsEveryPacketUntouchedAndKeepsTheGaps(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			c := newCarrier(t, nil)
			p := newCaller(t, c, proto, "600")
			p.connect()
			var last Packet
			for i, step := range []uint16{0, 1, 2, 4, 5} { // 3 is lost
				payload := bytes.Repeat([]byte{byte(i)}, 160)
				p.say(8, 65534+step, 1000+160*uint32(step), payload)
				got := p.hear()
				if !bytes.Equal(got.Payload, payload) || got.PayloadType != 8 {
					t.Fatalf("packet %d came back changed", i)
				}
				if i > 0 {
					want := step - []uint16{0, 1, 2, 4, 5}[i-1]
					if got.Seq-last.Seq != want || got.Timestamp-last.Timestamp != 160*uint32(want) {
						t.Fatalf("packet %d: sequence moved by %d, want %d", i, got.Seq-last.Seq, want)
					}
				}
				last = got
			}
			p.hangup()
			if e := awaitEvent(t, c, "ENDED"); e.Detail != "BYE" {
				t.Errorf("call ended by %q, want BYE", e.Detail)
			}
			if s := c.Calls()[0].Media().Stats(); s.Received != 5 || s.Lost != 1 || s.Sent != 5 {
				t.Errorf("stats are %+v", s)
			}
		})
	}
}

func TestAnyE164NumberBehavesLikeTheEcho(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "+4930123456")
	p.connect()
	p.say(8, 1, 0, make([]byte, 160))
	p.hear()
	p.hangup()
	if got := c.Calls()[0].Number; got != "+4930123456" {
		t.Errorf("number is %q", got)
	}
}

func TestTheAnswerNamesOurAddressOneCodecAndTelephoneEvents(t *testing.T) {
	for _, tc := range []struct {
		name string
		ours []audio.Codec
		want string
	}{
		{"PCMA first", nil, "8 101"},
		{"PCMU first", []audio.Codec{audio.PCMU, audio.PCMA}, "0 101"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCarrier(t, func(cfg *Config) { cfg.Codecs = tc.ours })
			p := newCaller(t, c, "udp", "600")
			res := p.connect()
			sdp := string(res.Body())
			if !strings.Contains(sdp, "RTP/AVP "+tc.want+"\r\n") {
				t.Errorf("formats are not %q:\n%s", tc.want, sdp)
			}
			if n := port(t, res.Contact().Value()); n != int(c.Addr("udp").Port()) {
				t.Errorf("Contact names port %d", n)
			}
			if p.remote.Port()%2 != 0 {
				t.Errorf("RTP port %d is odd", p.remote.Port())
			}
			p.hangup()
		})
	}
}

func TestTheAnswerIsRepeatedUntilItsAck(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "600")
	p.send("INVITE", p.offer())
	p.response("INVITE", 200)
	p.response("INVITE", 200)
	p.send("ACK", "")
	awaitEvent(t, c, "ACK")
	p.hangup()
}

func TestBusyIs486(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "602")
	p.send("INVITE", p.offer())
	p.response("INVITE", 486)
	awaitEvent(t, c, "ENDED")
}

func TestNoAnswerRingsUntilItIsCancelled(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			c := newCarrier(t, nil)
			p := newCaller(t, c, proto, "603")
			p.send("INVITE", p.offer())
			p.response("INVITE", 180)
			p.toTag = ""
			p.send("CANCEL", "")
			var cancelled, terminated bool
			for !cancelled || !terminated {
				res, ok := p.next().(*sip.Response)
				if !ok {
					t.Fatal("the carrier sent a request")
				}
				cancelled = cancelled || res.CSeq().MethodName == sip.CANCEL && res.StatusCode == 200
				terminated = terminated || res.CSeq().MethodName == sip.INVITE && res.StatusCode == 487
			}
			awaitEvent(t, c, "ENDED")
			if c.Count("CANCEL") != 1 {
				t.Errorf("events: %v", c.Events())
			}
		})
	}
}

func TestAnnouncementIsHeardBeforeTheCallIsDeclined(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "604")
	p.send("INVITE", p.offer())
	p.response("INVITE", 183)
	n := (len(speech.Announcement()) + audio.Frame - 1) / audio.Frame
	pcm := p.hearPCM(audio.PCMA, n)
	if got, want := audio.Level(pcm), audio.Level(speech.Announcement()); math.Abs(got-want) > 0.5 {
		t.Errorf("announcement is %.1f dB, want %.1f", got, want)
	}
	p.response("INVITE", 603)
}

func TestRecordedSpeechArrivesFrameByFrameOnTime(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "601")
	p.connect()
	first := p.hear()
	start := time.Now()
	pcm := audio.PCMA.Decode(nil, first.Payload)
	for i := 1; i < 100; i++ {
		got := p.hear()
		if got.Seq != first.Seq+uint16(i) || got.Timestamp != first.Timestamp+uint32(160*i) {
			t.Fatalf("packet %d is numbered %d at %d after %d at %d", i, got.Seq, got.Timestamp, first.Seq, first.Timestamp)
		}
		pcm = audio.PCMA.Decode(pcm, got.Payload)
	}
	if took := time.Since(start); took < 1960*time.Millisecond || took > 5*time.Second {
		t.Errorf("99 packets of 20 ms took %v", took)
	}
	want := audio.PCMA.Decode(nil, audio.PCMA.Encode(nil, speech.Greeting()[:len(pcm)]))
	for i := range pcm {
		if pcm[i] != want[i] {
			t.Fatalf("sample %d is %d, want %d", i, pcm[i], want[i])
		}
	}
	p.hangup()
	awaitEvent(t, c, "ENDED")
}

func TestKeysComeBackAsTheirTones(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "605")
	p.connect()
	const digits = "1#"
	for i := range digits {
		code := byte(strings.IndexByte(audio.Digits, digits[i]))
		// No marker anywhere, a lost start and a repeated end: the timestamp tells.
		for range 3 {
			p.say(101, uint16(10*i), 1600*uint32(i+1), []byte{code, 0x80, 3, 0x20})
		}
	}
	var heard []byte
	for len(heard) < len(digits) {
		d, ok := audio.HeardDigit(p.hearPCM(audio.PCMA, 5), audio.Rate)
		if ok && (len(heard) == 0 || heard[len(heard)-1] != d) {
			heard = append(heard, d)
		}
	}
	if string(heard) != digits {
		t.Errorf("heard %q, want %q", heard, digits)
	}
	if n := c.Count("DIGIT"); n != 2 {
		t.Errorf("%d digits logged, want 2", n)
	}
	p.hangup()
}

func TestBriefCallIsHungUpAfterFiveSeconds(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			t.Parallel()
			c := newCarrier(t, nil)
			p := newCaller(t, c, proto, "606")
			p.connect()
			start := time.Now()
			for time.Since(start) < 4*time.Second { // the deadline of one read is shorter than the call
				p.hear()
			}
			bye := p.request("BYE")
			if took := time.Since(start); took < 4900*time.Millisecond || took > 10*time.Second {
				t.Errorf("BYE after %v", took)
			}
			if tag, _ := bye.From().Params.Get("tag"); tag != p.toTag {
				t.Errorf("BYE comes from tag %q, want %q", tag, p.toTag)
			}
			awaitEvent(t, c, "ENDED")
		})
	}
}

func TestAuthenticatedNumber(t *testing.T) {
	credentials := func(t *testing.T, res *sip.Response, password string) string {
		chal, err := digest.ParseChallenge(res.GetHeader("Proxy-Authenticate").Value())
		if err != nil {
			t.Fatal(err)
		}
		cred, err := digest.Digest(chal, digest.Options{
			Method: "INVITE", URI: "sip:607@carrier.test", Username: "demo", Password: password, Count: 1})
		if err != nil {
			t.Fatal(err)
		}
		return "Proxy-Authorization: " + cred.String()
	}
	challenged := func(p *caller) *sip.Response {
		p.send("INVITE", p.offer())
		return p.response("INVITE", 407)
	}
	t.Run("answers the right password", func(t *testing.T) {
		p := newCaller(t, newCarrier(t, nil), "udp", "607")
		auth := credentials(t, challenged(p), "demo")
		p.send("INVITE", p.offer(), auth)
		p.response("INVITE", 200)
		p.send("ACK", "")
		p.hangup()
	})
	t.Run("challenges the wrong password again", func(t *testing.T) {
		p := newCaller(t, newCarrier(t, nil), "udp", "607")
		auth := credentials(t, challenged(p), "guess")
		p.send("INVITE", p.offer(), auth)
		for p.response("INVITE", 407).CSeq().SeqNo != 2 { // past repetitions of the first
		}
	})
	t.Run("takes a challenge's answer only once", func(t *testing.T) {
		c := newCarrier(t, nil)
		p := newCaller(t, c, "udp", "607")
		auth := credentials(t, challenged(p), "demo")
		p.send("INVITE", p.offer(), auth)
		p.response("INVITE", 200)
		p.send("ACK", "")
		p.hangup()
		again := newCaller(t, c, "udp", "607")
		again.send("INVITE", again.offer(), auth)
		again.response("INVITE", 407)
	})
}

func TestHoldAndResumeAreMirrored(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "601")
	p.connect()
	p.hear()
	for _, step := range []struct{ offered, want string }{{"sendonly", "recvonly"}, {"inactive", "inactive"}, {"sendrecv", "sendrecv"}} {
		p.send("INVITE", strings.Replace(p.offer(), "sendrecv", step.offered, 1))
		res := p.response("INVITE", 200)
		p.send("ACK", "")
		if !strings.Contains(string(res.Body()), "a="+step.want+"\r\n") {
			t.Errorf("%s was answered\n%s", step.offered, res.Body())
		}
	}
	p.hear()
	p.hangup()
}

func TestPacketsFromAStrangerAreNotHeard(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "600")
	p.connect()
	stranger := newCaller(t, c, "udp", "600")
	stranger.remote = p.remote
	stranger.say(8, 1, 0, bytes.Repeat([]byte{1}, 160))
	mine := bytes.Repeat([]byte{2}, 160)
	p.say(8, 1, 0, mine)
	if got := p.hear(); !bytes.Equal(got.Payload, mine) {
		t.Error("the stranger was echoed")
	}
	p.hangup()
}

func TestAnOfferWithoutOurCodecsIs488(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "600")
	p.send("INVITE", "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 18\r\n")
	p.response("INVITE", 488)
}

func TestClosingHangsUpEverybody(t *testing.T) {
	c := newCarrier(t, nil)
	p := newCaller(t, c, "udp", "600")
	p.connect()
	awaitEvent(t, c, "ACK")
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	p.request("BYE")
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestARecordingShowsMissingAndRepeatedFrames(t *testing.T) {
	dir := t.TempDir()
	c := newCarrier(t, func(cfg *Config) { cfg.RecordDir = dir })
	p := newCaller(t, c, "udp", "600")
	p.connect()
	tone := audio.PCMA.Encode(nil, audio.Tone(audio.Rate, 100, 0.5, 1000))
	for i := range 5 {
		if i == 2 {
			continue
		}
		p.say(8, uint16(i), uint32(160*i), tone[160*i:160*i+160])
		p.hear()
	}
	p.hangup()
	awaitEvent(t, c, "ENDED")
	rec := c.Calls()[0].Heard()
	faults := rec.Faults(time.Second)
	if len(faults) != 2 || faults[0].Index != 2 {
		t.Errorf("faults are %v, want a jump in sequence number and in timestamp at the third packet", faults)
	}
	pcm := rec.PCM()
	if len(pcm) != 5*160 || audio.Level(pcm[2*160:3*160]) > -200 || audio.Level(pcm[3*160:4*160]) < -10 {
		t.Errorf("the missing frame is not silent in its place")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*-600.wav"))
	if len(files) != 1 {
		t.Fatalf("recordings: %v", files)
	}
	if b, _ := os.ReadFile(files[0]); len(b) != 44+2*len(pcm) {
		t.Errorf("the file has %d bytes", len(b))
	}
}

func TestAwaitGivesUpWithItsContext(t *testing.T) {
	c := newCarrier(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.AwaitCall(ctx, "600", 0); err != context.Canceled {
		t.Errorf("error is %v", err)
	}
}

func TestATakenPortIsAClearError(t *testing.T) {
	c := newCarrier(t, nil)
	_, err := Listen(Config{UDP: c.Addr("udp").String()})
	if err == nil || !strings.Contains(err.Error(), "SIP over UDP") || !strings.Contains(err.Error(), "in use") {
		t.Errorf("error is %v", err)
	}
}
