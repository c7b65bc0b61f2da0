package mix

// Bounds of what waits in a JitterBuffer, in samples.
const (
	// maxBuffered is the delay beyond which audio is thrown away rather than
	// kept for later: 240 ms, what choppy senders and bad radio links need.
	maxBuffered = 1920
	// cutBuffered is what then remains.
	cutBuffered = 960
	// dormantAfter is the pause after which a voice starts anew with the least
	// delay, instead of where its clock has drifted to meanwhile: 1 s.
	dormantAfter = Rate
	// maxStep is the forward step in sequence numbers that is still a loss
	// (RFC 3550 A.1 takes 3000; at 20 ms a third of that is long enough).
	maxStep = 1000
)

// Packet is one packet of a voice. The payload is copied.
type Packet struct {
	Seq       uint16
	Codec     Codec
	Restart   bool // numbers do not follow the earlier packets'
	Timestamp uint32
	Payload   []byte
	At        int64 // arrival, in nanoseconds of the clock that Pull's now is from
}

// JitterStats counts what happened to a voice.
type JitterStats struct {
	Packets    uint64 // taken
	Invalid    uint64 // packets that are no audio we know
	Duplicates uint64 // packets
	Late       uint64 // packets that came after their gap was concealed
	Lost       uint64 // samples that never came in time
	Stalled    uint64 // samples concealed because nothing had come
	Dropped    uint64 // samples thrown away to bound the delay
	Stretched  uint64 // samples played twice, in whole pitch periods
	Shrunk     uint64 // samples left out, in whole pitch periods
}

// JitterBuffer turns the packets of one voice, as they arrive, into frames. It starts
// with no more delay than to the next tick and takes more when packets turn
// out to come late: at first by concealing the stall, then ahead of need. It
// gives delay back when nothing needed it for some seconds. Both happen in pitch
// periods, blended in where the signal repeats itself, which nobody hears.
//
// A packet that has not come when a later one has is lost: its time is concealed,
// and the delay stays. When nothing has come the position waits, so that
// what comes then is played, and the delay grows by what was concealed.
type JitterBuffer struct {
	store   store
	delay   delay
	conceal concealer
	stats   JitterStats

	// arrivals
	known   bool // highest and newest are set
	highest uint16
	newest  uint32 // timestamp of highest
	seen    uint64 // bit i: highest-i has arrived
	stray   uint16 // the last packet that fits nowhere
	strays  bool

	// playout
	playing    bool
	waited     bool // for a first frame to be whole
	concealing bool
	due        int64  // after Prime: when the first packet is expected
	pulled     int64  // the last tick
	began      uint32 // timestamp of the last frame's first sample
	begun      bool
	next       uint32 // timestamp of the first sample that was not decoded
	missing    int    // samples concealed while waiting at next
	merge      int    // samples of the crossfade still to come
	rest       int    // ticks until playout may be stretched or shrunk again
	wish       int    // ticks it has waited for a good place to
	decoder    Decoder
	wide       bool // there is, or was, a higher band; else its arrays are all zeros
	from, to   int  // of pcm and high: decoded, to be played
	pcm, high  [maxPull + MaxPayload]int16
	outHigh    [FrameSamples]int16 // the last frame's
}

// maxPull is what a tick looks at: a frame and the longest period.
const maxPull = FrameSamples + maxLag

// NewJitterBuffer returns an empty one.
func NewJitterBuffer() *JitterBuffer { return new(JitterBuffer) }

// Stats returns the counters.
func (j *JitterBuffer) Stats() JitterStats { return j.stats }

// Buffered returns the samples that wait to be played.
func (j *JitterBuffer) Buffered() int { return j.to - j.from + j.store.samples }

// position is the timestamp of the next sample to be played.
func (j *JitterBuffer) position() uint32 { return j.next - uint32(j.to-j.from) }

// Push takes a packet as it arrives.
func (j *JitterBuffer) Push(p *Packet) {
	if !p.Codec.Known() || len(p.Payload) == 0 || len(p.Payload) > MaxPayload {
		j.stats.Invalid++
		return
	}
	if p.Restart || !j.known {
		j.restart(p)
	} else if !j.sequence(p) {
		return
	}
	j.stats.Packets++
	if offset := int(int32(p.Timestamp - j.position())); j.playing && j.pulled != 0 && offset > -Rate && offset < Rate {
		j.delay.observe(p.At, offset, FrameTime-timeSince(j.pulled, p.At))
	}
	if !j.playing && int32(p.Timestamp-j.next) < 0 {
		j.next = p.Timestamp // overtaken before anything was played
	}
	if int32(p.Timestamp+uint32(len(p.Payload))-j.next) <= 0 {
		j.stats.Late++
		return
	}
	j.store.put(p.Seq, p.Timestamp, p.Codec, p.Payload)
	if j.Buffered() > maxBuffered {
		j.cut()
	}
}

// sequence finds a packet's place among those that came before it and reports
// whether it has one.
func (j *JitterBuffer) sequence(p *Packet) bool {
	d := int(int16(p.Seq - j.highest))
	switch {
	case d > 0:
		step := int32(p.Timestamp - j.newest)
		if d > maxStep || step <= 0 || step > dormantAfter {
			j.restart(p)
			return true
		}
		j.seen = j.seen<<min(d, 64) | 1
		j.highest, j.newest = p.Seq, p.Timestamp
	case d > -64:
		if j.seen&(1<<-d) != 0 {
			j.stats.Duplicates++
			return false
		}
		if back := int32(j.newest - p.Timestamp); back <= 0 || back > dormantAfter {
			j.stats.Invalid++ // its numbers contradict each other
			return false
		}
		j.seen |= 1 << -d
	case j.strays && p.Seq == j.stray+1:
		// RFC 3550 A.1: two packets in a row are a sender that has restarted.
		j.restart(p)
		return true
	default:
		j.stray, j.strays = p.Seq, true
		j.stats.Late++
		return false
	}
	j.strays = false
	return true
}

// restart begins a new stream of the voice with p.
func (j *JitterBuffer) restart(p *Packet) {
	if j.playing {
		j.seam()
	}
	j.store.clear()
	j.delay.reset()
	j.from, j.to = 0, 0
	j.playing, j.concealing, j.missing, j.due = false, false, 0, 0
	j.next = p.Timestamp
	j.known, j.strays = true, false
	j.highest, j.newest, j.seen = p.Seq, p.Timestamp, 1
}

// cut throws the oldest audio away.
func (j *JitterBuffer) cut() {
	before := j.position()
	j.from, j.to = 0, 0
	j.store.dropBefore(j.next)
	for j.store.samples > cutBuffered {
		j.store.free(j.store.first(j.next - MaxPayload))
	}
	j.next = j.store.first(j.next - MaxPayload).ts
	n := int(int32(j.next - before))
	j.stats.Dropped += uint64(n)
	j.delay.reset() // a delay that would have saved it is more than we grant
	j.seam()
}

// seam prepares a crossfade from what was being played to what comes instead.
func (j *JitterBuffer) seam() {
	if !j.concealing {
		j.conceal.begin(nil, nil)
	}
	j.merge = mergeLen
}

// Pull plays the frame of tick now into out, 160 samples, and reports whether
// there is anything but silence in it. Calls come every FrameTime. The higher
// band is kept apart, see High.
func (j *JitterBuffer) Pull(now int64, out []int16) bool {
	out = out[:FrameSamples]
	if missed := (now - j.pulled + int64(FrameTime)/2) / int64(FrameTime); missed > 1 && j.playing {
		j.delay.behind(int(missed-1) * FrameSamples) // ticks that were not made
	}
	j.pulled = now
	if j.wait(now) {
		clear(out)
		clear(j.outHigh[:])
		return false
	}
	j.playing, j.waited, j.due = true, false, 0
	j.began, j.begun = j.position(), true

	quiet := j.concealing && j.conceal.silent()
	if j.concealing || j.merge > 0 || !j.adapt(now, out) {
		j.play(out)
	}
	j.conceal.wide = j.wide
	j.conceal.remember(out, j.outHigh[:])
	j.store.dropBefore(j.next)
	if j.missing >= dormantAfter {
		j.playing, j.known = false, false
	}
	return !(quiet && j.concealing)
}

// High returns the higher band of the frame pulled last, nil for a voice that
// has none. It is valid until the next Pull.
func (j *JitterBuffer) High() []int16 {
	if !j.wide {
		return nil
	}
	return j.outHigh[:]
}

// wait reports whether it is too early to begin: there is nothing yet, or the first
// packet does not fill a frame and may have been heard of for less than a frame's time.
func (j *JitterBuffer) wait(now int64) bool {
	switch {
	case j.playing:
		return j.store.count == 0 && now < j.due
	case j.store.count == 0 || j.store.samples < FrameSamples && !j.waited:
		j.waited = j.store.count > 0
		return true
	}
	return false
}

// play fills out with what is there, and conceals what is not.
func (j *JitterBuffer) play(out []int16) {
	for n := 0; n < len(out); {
		if j.fill(len(out) - n); j.to > j.from {
			if j.concealing {
				j.concealing, j.missing, j.merge = false, 0, mergeLen
			}
			n += j.take(out, n)
			continue
		}
		gap := 0 // samples up to the next packet there is, 0: none
		if p := j.store.first(j.next); p != nil {
			gap = int(p.ts - j.next)
		}
		if skip := min(gap, j.missing); skip > 0 {
			j.skip(skip) // concealed already, while nothing was there to tell
			j.missing -= skip
			continue
		}
		if gap > maxBuffered {
			j.skip(gap)
			j.seam()
			continue
		}
		if !j.concealing {
			j.conceal.begin(out[:n], j.outHigh[:n])
			j.concealing = true
		}
		end := len(out)
		if gap > 0 {
			end = min(end, n+gap)
		}
		made := end - n
		for ; n < end; n++ {
			out[n], j.outHigh[n] = j.conceal.next()
		}
		if gap > 0 {
			j.next += uint32(made)
			j.stats.Lost += uint64(made)
		} else {
			j.missing += made
			j.stats.Stalled += uint64(made)
			j.delay.behind(made)
		}
	}
}

// skip moves the position ahead of n samples that will not be played.
func (j *JitterBuffer) skip(n int) {
	j.next += uint32(n)
	j.delay.behind(-n)
}

// fill decodes until n samples are ready, or what comes next is missing.
func (j *JitterBuffer) fill(n int) {
	for j.to-j.from < n {
		p := j.store.at(j.next)
		if p == nil {
			return
		}
		if j.from > 0 {
			if j.wide {
				copy(j.high[:], j.high[j.from:j.to])
			}
			j.to = copy(j.pcm[:], j.pcm[j.from:j.to])
			j.from = 0
		}
		played := int(j.next - p.ts) // overlap with an earlier packet, usually none
		fresh := j.decode(p.codec, p.data[:p.n])
		if played > 0 {
			copy(j.pcm[j.to:], j.pcm[j.to+played:j.to+fresh])
			copy(j.high[j.to:], j.high[j.to+played:j.to+fresh])
		}
		j.to += fresh - played
		j.next += uint32(fresh - played)
		j.store.free(p)
	}
}

// decode decodes a payload behind what is ready and returns how many samples it has.
func (j *JitterBuffer) decode(c Codec, payload []byte) int {
	if c == G722 {
		j.wide, j.conceal.wide = true, true
	} else if j.wide {
		clear(j.high[j.to : j.to+len(payload)])
	}
	return j.decoder.Decode(c, j.pcm[j.to:], j.high[j.to:], payload)
}

// take plays what is ready into the rest of out, from sample at on, and returns how much that was.
func (j *JitterBuffer) take(out []int16, at int) int {
	n := copy(out[at:], j.pcm[j.from:j.to])
	if j.wide {
		copy(j.outHigh[at:], j.high[j.from:j.to])
	}
	j.from += n
	for i := at; i < at+n && j.merge > 0; i++ {
		w := float32(j.merge) / (mergeLen + 1)
		low, high := j.conceal.next()
		out[i] = clip(float32(low)*w + float32(out[i])*(1-w))
		j.outHigh[i] = clip(float32(high)*w + float32(j.outHigh[i])*(1-w))
		j.merge--
	}
	return n
}
