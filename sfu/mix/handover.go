package mix

// This file is about voices that are played without a mix before or after:
// nothing of them may be heard twice, or not at all.

// Prime makes an empty buffer go on after packets that were played without it:
// playout begins with the sample after the last one, when that has come or is
// overdue. The earlier ones, if any, are of the last one's codec and serve a decoder that has a state.
func (j *JitterBuffer) Prime(played ...Packet) {
	for i := range played {
		if p := &played[i]; !p.Codec.Known() || len(p.Payload) == 0 || len(p.Payload) > MaxPayload {
			return
		}
	}
	for i := range played {
		p := &played[i]
		if i == len(played)-1 {
			j.restart(p)
			j.next += uint32(len(p.Payload))
			j.playing, j.due = true, p.At+int64(len(p.Payload))*int64(FrameTime)/FrameSamples
		}
		j.from, j.to = 0, 0
		n := j.decode(p.Codec, p.Payload)
		j.conceal.remember(j.pcm[:n], j.high[:n])
	}
}

// Began returns the timestamp of the first sample of the frame pulled last,
// and false when playout has not begun.
func (j *JitterBuffer) Began() (uint32, bool) { return j.began, j.begun }

// Rest is where a voice stands when it is taken out of the mix.
type Rest struct {
	Seq       uint16 // the highest that was pushed
	Timestamp uint32 // of the next sample to be played
}

// Flush hands over everything that was not played, both bands, in order and
// decoded, and says where the voice stands; false when nothing was ever pushed. The
// samples are valid during the call. The buffer itself is left as it was.
func (j *JitterBuffer) Flush(f func(ts uint32, pcm, high []int16)) (Rest, bool) {
	rest := Rest{Seq: j.highest, Timestamp: j.position()}
	next := j.next
	if j.to > j.from {
		f(rest.Timestamp, j.pcm[j.from:j.to], j.high[j.from:j.to])
	} else if j.missing > 0 {
		rest.Timestamp += uint32(j.missing)
		if p := j.store.first(next); p != nil && int32(p.ts-rest.Timestamp) < 0 {
			rest.Timestamp = p.ts // late, not lost: it is still to be heard
		}
	}
	var pcm, high [MaxPayload]int16
	decoder := j.decoder // a copy: the voice may go on being mixed for others
	for {
		p := j.store.first(next)
		if p == nil {
			return rest, j.known
		}
		n := decoder.Decode(p.codec, pcm[:], high[:], p.data[:p.n])
		f(p.ts, pcm[:n], high[:n])
		next = p.ts + uint32(p.n)
	}
}
