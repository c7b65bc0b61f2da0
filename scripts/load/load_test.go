package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"dialroom/scripts/bench/baseline"
	"dialroom/scripts/carrier/audio"
)

func TestAProbeIsReadBackAndNothingElseIsOne(t *testing.T) {
	var frame [audio.Frame]byte
	putProbe(&frame, 1234*time.Microsecond, 77)
	at, number, ok := readProbe(frame[:])
	if !ok || at != 1234*time.Microsecond || number != 77 {
		t.Errorf("read %v, %d, %v", at, number, ok)
	}
	if _, _, ok := readProbe(bytes.Repeat([]byte{0xd5}, audio.Frame)); ok {
		t.Error("silence is taken for a probe")
	}
	if _, _, ok := readProbe(frame[:80]); ok {
		t.Error("half a frame is taken for a probe")
	}
	if level := audio.Level(audio.PCMA.Decode(nil, frame[:])); level > -40 {
		t.Errorf("a probe is %.0f dB loud", level)
	}
}

func TestAFlowCountsDelayLossAndRepetition(t *testing.T) {
	var f flow
	var frame [audio.Frame]byte
	arrive := func(number uint32) {
		putProbe(&frame, time.Duration(number)*20*time.Millisecond, number)
		f.add(stream{t, 1}, frame[:], time.Duration(number)*20*time.Millisecond+2*time.Millisecond)
	}
	arrive(1) // before measuring: only remembered
	f.start()
	for _, n := range []uint32{2, 3, 5, 5, 4, 6} {
		arrive(n)
	}
	f.stop()
	arrive(9)
	if f.received != 6 || f.lost != 1 || f.repeated != 2 {
		t.Errorf("received %d, lost %d, repeated %d", f.received, f.lost, f.repeated)
	}
	if got := f.summary(); got.Median != 2*time.Millisecond || got.Count != 6 {
		t.Errorf("summary is %+v", got)
	}
}

func TestABurstIsFoundByItsFirstSample(t *testing.T) {
	var o onset
	silence := audio.PCMA.Encode(nil, make([]int16, audio.Frame))
	late := make([]int16, audio.Frame)
	for i := 80; i < len(late); i++ {
		late[i] = 16000
	}
	for range 10 {
		if _, ok := o.find(audio.PCMA, silence, 0); ok {
			t.Fatal("found a burst in silence")
		}
	}
	at, ok := o.find(audio.PCMA, audio.PCMA.Encode(nil, late), time.Second)
	if !ok || at != time.Second+10*time.Millisecond {
		t.Errorf("found at %v, %v; want 10 ms into the frame", at, ok)
	}
	if _, ok := o.find(audio.PCMA, audio.PCMA.Encode(nil, late), time.Second); ok {
		t.Error("found the same burst twice")
	}
}

func TestTheDelayOfABurstCountsFromTheLastOneSent(t *testing.T) {
	var b burst
	if _, ok := b.since(time.Second); ok {
		t.Error("found a burst that was not sent")
	}
	b.note(time.Second)
	b.note(3 * time.Second)
	if d, ok := b.since(3*time.Second + 30*time.Millisecond); !ok || d != 30*time.Millisecond {
		t.Errorf("delay is %v, %v", d, ok)
	}
}

func TestMemoryIsTheResidentPart(t *testing.T) {
	if n, err := residentPages("1000 200 30 4 0 50 0\n"); err != nil || n != 200 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := residentPages(""); err == nil {
		t.Error("an empty statm is accepted")
	}
	u, err := measure(os.Getpid())
	if err != nil || u.rss < 1<<20 || u.cpu <= 0 {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestTheReportSaysWhatPromisesAreMadeOf(t *testing.T) {
	var out bytes.Buffer
	p := printer{out: &out, base: baseline.Result{PerCallSecond: 2 * time.Millisecond}}
	p.text("relay", result{
		Shape: shape{Rooms: 50, Browsers: 1, Phones: 1, Rate: 20}, Window: 10 * time.Second,
		SFU: 900 * time.Millisecond, Bridge: 600 * time.Millisecond,
		ToPhone: summary{Count: 1, Median: 400 * time.Microsecond},
	})
	for _, want := range []string{
		"3.00 ms per call-second (sfu 1.80, bridge 1.20), 1.50 times the bare relay",
		"to phone   0.40 ms median", "to browser nothing measured",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
