package phone

import (
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var bridgeAddr = netip.MustParseAddrPort("127.0.0.1:7000")

const ms = int64(time.Millisecond)

// stage is a hub without goroutines or sockets, in simulated time: speakers
// speak, the worker ticks, and what is sent to phones is kept.
type stage struct {
	t        *testing.T
	hub      *Hub
	now      int64
	speakers []*speaker
	sent     map[uint32][]sentPacket // by SSRC
	quiet    bool                    // keep nothing
}

type sentPacket struct {
	header
	at      int64
	to      netip.AddrPort
	payload []byte
}

// stage is the hub's socket.
func (s *stage) LocalAddr() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:6000") }
func (s *stage) Close() error              { return nil }
func (s *stage) WriteTo(b []byte, to netip.AddrPort) error {
	if s.quiet {
		return nil
	}
	h, payload, ok := parse(b)
	if !ok {
		s.t.Fatalf("not RTP: % x", b)
	}
	s.sent[h.ssrc] = append(s.sent[h.ssrc], sentPacket{header: h, at: s.now, to: to, payload: slices.Clone(payload)})
	return nil
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, now: int64(time.Hour), sent: map[uint32][]sentPacket{}}
	s.hub = newHub(Config{Now: func() int64 { return s.now }, Workers: 1})
	s.hub.socket = s
	return s
}

// leg makes a leg that is connected already.
func (s *stage) leg(codec wire.Codec) *Leg {
	l := s.hub.NewLeg("p")
	if err := l.Connect(codec, bridgeAddr); err != nil {
		s.t.Fatal(err)
	}
	return l
}

func (s *stage) heard(l *Leg) []sentPacket { return s.sent[l.ssrcOut] }

// speaker sends a signal as a browser's phone rendition would.
type speaker struct {
	track  *room.Track
	codec  room.Codec
	signal []int16
	phase  int64 // of its packets against the ticks
	muted  func(i int) bool
	late   func(i int) int64 // nanoseconds on the way
	coded  []byte
	ptime  int // samples per packet, 0: 160
	made   int
	start  int64
}

func (s *stage) speaker(codec room.Codec, signal []int16, phase int64) *speaker {
	sp := &speaker{track: &room.Track{Kind: room.Phone}, codec: codec, signal: signal, phase: phase, start: s.now}
	s.speakers = append(s.speakers, sp)
	return sp
}

func (sp *speaker) due() int64 {
	at := sp.start + sp.phase + int64(sp.made*sp.samples())*sampleTime
	if sp.late != nil {
		at += sp.late(sp.made)
	}
	return at
}

func (sp *speaker) samples() int {
	if sp.ptime == 0 {
		return 160
	}
	return sp.ptime
}

// packet makes the speaker's next packet.
func (sp *speaker) packet() *room.Packet {
	i := sp.made
	sp.made++
	if sp.muted != nil && sp.muted(i) {
		return nil
	}
	if sp.coded == nil {
		var e mix.Encoder
		e.Reset(mixCodec(sp.codec))
		sp.coded = e.Encode(nil, sp.signal, make([]int16, len(sp.signal))) // whole packets
	}
	n := sp.samples()
	at := i * n % len(sp.signal)
	return &room.Packet{Seq: uint16(65500 + i), Codec: sp.codec, Timestamp: uint32(i*n) - 16000, Payload: sp.coded[at : at+n]}
}

// run lets d pass, a millisecond at a time.
func (s *stage) run(d time.Duration) {
	for end := s.now + int64(d); s.now < end; {
		s.now += ms
		for _, sp := range s.speakers {
			for sp.due() <= s.now {
				if p := sp.packet(); p != nil {
					p.At = s.now
					sp.track.Forward(p)
				}
			}
		}
		s.hub.workers[0].step(s.now)
	}
}

func tracks(speakers ...*speaker) (list []*room.Track) {
	for _, sp := range speakers {
		list = append(list, sp.track)
	}
	return list
}

// continuous checks that packets are one stream: every sequence number once,
// timestamps without hole or overlap, and never more than gap between two packets.
func continuous(t *testing.T, packets []sentPacket, gap time.Duration) {
	t.Helper()
	for i := 1; i < len(packets); i++ {
		a, b := packets[i-1], packets[i]
		if b.seq != a.seq+1 {
			t.Errorf("packet %d: sequence %d after %d", i, b.seq, a.seq)
		}
		if b.timestamp != a.timestamp+uint32(len(a.payload)) {
			t.Errorf("packet %d at %v: timestamp goes on by %d after %d samples", i, time.Duration(b.at-packets[0].at), b.timestamp-a.timestamp, len(a.payload))
		}
		if d := time.Duration(b.at - a.at); d > gap {
			t.Errorf("packet %d: %v without one", i, d)
		}
	}
}

// samples decodes a stream's payloads one after the other; of G.722 the lower band.
func samples(c mix.Codec, packets []sentPacket) (pcm []int16) {
	var d mix.Decoder
	var low, high [maxPayload]int16
	for i, p := range packets {
		if i > 0 { // what was left out is silence
			before := packets[i-1]
			if left := int32(p.timestamp-before.timestamp) - int32(len(before.payload)); left > 0 {
				pcm = append(pcm, make([]int16, left)...)
			}
		}
		n := d.Decode(c, low[:], high[:], p.payload)
		pcm = append(pcm, low[:n]...)
	}
	return pcm
}

// speech makes n samples of voiced syllables that never repeat.
func speech(n int, pitch float64) []int16 {
	out := make([]int16, n)
	phase := 0.0
	for i := range out {
		t := float64(i) / mix.Rate
		phase += 2 * math.Pi * pitch * (1 + 0.15*math.Sin(2*math.Pi*0.37*t)) / mix.Rate
		x := math.Sin(phase) + 0.6*math.Sin(2*phase) + 0.4*math.Sin(3*phase) + 0.2*math.Sin(5*phase)
		out[i] = int16(6000 * (0.4 + 0.6*math.Abs(math.Sin(2*math.Pi*1.7*t))) * x)
	}
	return out
}

func coded(c mix.Codec, x []int16) []int16 { return c.Decode(nil, c.Encode(nil, x)) }

// find returns where want first occurs in got, -1 if nowhere.
func find(want, got []int16) int {
	for at := 0; at+len(want) <= len(got); at++ {
		if slices.Equal(got[at:at+len(want)], want) {
			return at
		}
	}
	return -1
}

func rms(x []int16) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(x)))
}
