package phone

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// opusPackets returns recorded speech as a browser sends it.
func opusPackets(t *testing.T) (list [][]byte) {
	t.Helper()
	b, err := os.ReadFile("../mix/testdata/speech.opus")
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 2 {
		n := int(binary.BigEndian.Uint16(b))
		list, b = append(list, b[2:2+n]), b[2+n:]
	}
	return list
}

// opusBrowser sends speech for a second, is silent for the next, and so on.
func opusBrowser(s *stage, packets [][]byte) *room.Track {
	track := &room.Track{Kind: room.Mic}
	seq := uint16(0)
	sp := s.speaker(room.PCMA, make([]int16, mix.Rate), 7*ms)
	sp.track = &room.Track{}
	sp.muted = func(i int) bool {
		level := uint8(25)
		if i/50%2 == 1 {
			level = 90
		}
		seq++
		track.Forward(&room.Packet{Seq: seq, Codec: room.Opus, Level: level, Timestamp: uint32(i) * 960, Payload: packets[i%len(packets)], At: s.now})
		return true
	}
	return track
}

func TestABrowserThatSendsOpusOnlyIsHeardByThePhone(t *testing.T) {
	packets := opusPackets(t)
	for _, codec := range []wire.Codec{wire.PCMA, wire.G722} {
		for _, others := range []int{0, 1} { // relayed, and mixed with a silent one
			s := newStage(t)
			l := s.leg(codec)
			c := s.hub.NewConference()
			c.Add(l)
			list := []*room.Track{opusBrowser(s, packets)}
			for range others {
				list = append(list, s.speaker(room.PCMU, make([]int16, mix.Rate), 3*ms).track)
			}
			c.SetSources(list)
			s.run(4 * time.Second)
			heard := s.heard(l)
			out, _ := legCodec(codec)
			pcm := samples(mixCodec(out), heard)
			for second := range 4 {
				part := pcm[second*mix.Rate+mix.Rate/2 : second*mix.Rate+mix.Rate*9/10]
				if r := rms(part); second%2 == 0 && r < 500 || second%2 == 1 && r > 100 {
					t.Errorf("%s, %d others: %.0f in second %d", codec, others, r, second)
				}
			}
			for i := 1; i < len(heard); i++ {
				if heard[i].seq != heard[i-1].seq+1 {
					t.Fatalf("%s, %d others: sequence %d after %d", codec, others, heard[i].seq, heard[i-1].seq)
				}
			}
			s.quiet = true
			c.SetSources(nil)
			if s := c.(*Conference); len(s.sources) != 0 {
				t.Error("sources are left")
			}
		}
	}
}

func TestARoomWithoutAPhoneDecodesNothing(t *testing.T) {
	s := newStage(t)
	c := s.hub.newConference()
	track := opusBrowser(s, opusPackets(t))
	c.SetSources([]*room.Track{track})
	s.run(time.Second)
	if track.Heard() || c.sources[0].opus != nil {
		t.Error("a decoder runs for nobody")
	}
	l := s.leg(wire.PCMA)
	c.Add(l)
	s.run(time.Second)
	if c.sources[0].opus == nil {
		t.Error("the phone hears nothing")
	}
	l.Close()
	if c.sources[0].opus != nil {
		t.Error("the decoder is kept after the phone has gone")
	}
}
