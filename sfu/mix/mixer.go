package mix

// Mixer makes the frames of one room.
type Mixer struct {
	voices    []*Voice
	listeners []*Listener
	sum       [FrameSamples]int32
	minus     [FrameSamples]int32
	pcm       [FrameSamples]int16

	// the same of the higher band
	wide      bool // any voice has something in it
	sumHigh   [FrameSamples]int32
	minusHigh [FrameSamples]int32
	pcmHigh   [FrameSamples]int16

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
	encoder *Encoder
	before  Encoder // before the last Tick
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
	l := &Listener{own: own, codec: c, encoder: new(Encoder)}
	l.encoder.Reset(c)
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

// SetEncoder makes l go on with an encoder that has coded the listener's stream
// so far. It codes the listener's codec and is l's to use from now on.
func (l *Listener) SetEncoder(e *Encoder) { l.encoder = e }

// Withhold takes the frame of the last Tick back: it is not sent.
func (l *Listener) Withhold() {
	if l.codec == G722 {
		*l.encoder = l.before
	}
}

// Payload returns the listener's frame of the last Tick, coded. It is valid
// until the next Tick, and must not be changed: others may have the same.
func (l *Listener) Payload() []byte { return l.payload }

// Tick makes the frames of tick now, nanoseconds on the clock of the packets'
// arrival. Ticks come every FrameTime.
func (m *Mixer) Tick(now int64) {
	clear(m.sum[:])
	m.wide = false
	for _, v := range m.voices {
		if v.active = v.Pull(now, v.frame[:]); v.active {
			for i, x := range v.frame {
				m.sum[i] += int32(x)
			}
			m.addHigh(v.High())
		}
	}
	for i := range m.shared {
		m.shared[i].made = false
	}
	before := m.limit
	after, limited := m.limit, false
	for _, l := range m.listeners {
		// A silent voice has added nothing that would have to be subtracted. The limiters
		// must agree, or going from one result to the other would be a step. A codec with
		// a state has a stream for each listener.
		if l.own != nil && l.own.active || l.limit != before || l.codec == G722 {
			m.encode(l)
			continue
		}
		s := &m.shared[l.codec]
		if !s.made {
			after = before
			after.limit(m.pcm[:], m.sum[:])
			l.encoder.Encode(s.payload[:0], m.pcm[:], nil)
			s.made, limited = true, true
		}
		l.limit, l.payload = after, s.payload[:]
	}
	if !limited {
		after.limit(m.pcm[:], m.sum[:])
	}
	m.limit = after
}

// addHigh adds a voice's higher band, nil for none.
func (m *Mixer) addHigh(high []int16) {
	if high == nil {
		return
	}
	if !m.wide {
		clear(m.sumHigh[:])
		m.wide = true
	}
	for i, x := range high {
		m.sumHigh[i] += int32(x)
	}
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
	gain := l.limit.limit(m.pcm[:], sum[:])
	var high []int16
	if l.codec == G722 {
		l.before = *l.encoder
		if m.wide {
			high = m.pcmHigh[:]
			gain.apply(high, m.highFor(l)[:])
		}
	}
	l.payload = l.encoder.Encode(l.buffer[:0], m.pcm[:], high)
}

// highFor returns the sum of the higher bands without the listener's own.
func (m *Mixer) highFor(l *Listener) *[FrameSamples]int32 {
	if l.own == nil || !l.own.active || l.own.High() == nil {
		return &m.sumHigh
	}
	for i, x := range l.own.High() {
		m.minusHigh[i] = m.sumHigh[i] - int32(x)
	}
	return &m.minusHigh
}
