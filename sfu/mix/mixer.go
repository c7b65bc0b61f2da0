package mix

// Mixer makes the frames of one room.
type Mixer struct {
	voices    []*Voice
	listeners []*Listener
	sum       [FrameSamples]int32
	minus     [FrameSamples]int32
	pcm       [FrameSamples]int16

	// what everybody gets who is not heard: the whole sum
	limit  limiter
	shared [codecCount]sharedFrame
}

// sharedFrame is the whole sum coded, made when the first listener asks for it.
type sharedFrame struct {
	made    bool
	payload [FrameSamples]byte
}

// Voice is one source of a mix. Push goes straight to its jitter buffer.
type Voice struct {
	JitterBuffer
	frame  [FrameSamples]int16
	active bool // the frame is not silence
}

// Listener is one phone that hears the mix.
type Listener struct {
	own     *Voice // nil: it is not heard itself
	codec   Codec
	encoder Encoder
	limit   limiter
	buffer  [FrameSamples]byte
	payload []byte
}

// NewMixer returns a mixer that nobody speaks or listens to.
func NewMixer() *Mixer { return new(Mixer) }

// AddVoice adds a source.
func (m *Mixer) AddVoice() *Voice {
	v := new(Voice)
	m.voices = append(m.voices, v)
	return v
}

// RemoveVoice takes a source out; a listener whose own it was hears everything from now on.
func (m *Mixer) RemoveVoice(v *Voice) {
	m.voices = without(m.voices, v)
	for _, l := range m.listeners {
		if l.own == v {
			l.own = nil
		}
	}
}

// AddListener adds a phone that hears all voices but its own (nil: all) in
// codec c, which must be known.
func (m *Mixer) AddListener(c Codec, own *Voice) *Listener {
	l := &Listener{own: own, codec: c, encoder: newEncoder(c)}
	m.listeners = append(m.listeners, l)
	return l
}

// RemoveListener takes a phone out.
func (m *Mixer) RemoveListener(l *Listener) { m.listeners = without(m.listeners, l) }

func without[T comparable](list []T, gone T) []T {
	for i, have := range list {
		if have == gone {
			return append(list[:i:i], list[i+1:]...)
		}
	}
	return list
}

// SetOwn names the voice that l must not hear.
func (l *Listener) SetOwn(own *Voice) { l.own = own }

// Payload returns the listener's frame of the last Tick, coded. It is valid
// until the next Tick, and must not be changed: others may have the same.
func (l *Listener) Payload() []byte { return l.payload }

// Tick makes the frames of tick now, nanoseconds on the clock of the packets'
// arrival. Ticks come every FrameTime.
func (m *Mixer) Tick(now int64) {
	clear(m.sum[:])
	for _, v := range m.voices {
		if v.active = v.Pull(now, v.frame[:]); v.active {
			for i, x := range v.frame {
				m.sum[i] += int32(x)
			}
		}
	}
	for i := range m.shared {
		m.shared[i].made = false
	}
	before := m.limit
	after, limited := m.limit, false
	for _, l := range m.listeners {
		// A silent voice has added nothing that would have to be subtracted. The limiters
		// must agree, or going from one result to the other would be a step.
		if l.own != nil && l.own.active || l.limit != before {
			m.encode(l)
			continue
		}
		s := &m.shared[l.codec]
		if !s.made {
			after = before
			after.limit(m.pcm[:], m.sum[:])
			l.encoder.Encode(s.payload[:0], m.pcm[:])
			s.made, limited = true, true
		}
		l.limit, l.payload = after, s.payload[:]
	}
	if !limited {
		after.limit(m.pcm[:], m.sum[:])
	}
	m.limit = after
}

// encode makes a listener's own frame: the sum without its own voice.
func (m *Mixer) encode(l *Listener) {
	sum := &m.sum
	if l.own != nil && l.own.active {
		sum = &m.minus
		for i, x := range l.own.frame {
			sum[i] = m.sum[i] - int32(x)
		}
	}
	l.limit.limit(m.pcm[:], sum[:])
	l.payload = l.encoder.Encode(l.buffer[:0], m.pcm[:])
}
