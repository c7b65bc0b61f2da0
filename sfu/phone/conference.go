package phone

import (
	"slices"
	"sync"

	"dialroom/sfu/mix"
	"dialroom/sfu/room"
)

// freshness is how long after its last packet a voice that was relayed can
// still be continued by the mix without a seam, in nanoseconds.
const freshness = 3 * frameTime

// Conference is the audio towards the phones of one room.
type Conference struct {
	hub    *Hub
	worker *worker

	pace  pace // guarded by worker.mu; changed with mu held too
	place int  // in the worker's list; guarded by worker.mu

	mu      sync.Mutex // guards all below
	closed  bool
	legs    []*Leg
	sources []*source
	mixer   *mix.Mixer
	mixing  bool
}

// source is a track that phones of the room may hear. It is the track's sink.
type source struct {
	conf  *Conference
	track *room.Track

	// guarded by conf.mu
	attached bool
	wanted   bool           // by a leg in mode mixed
	voice    *mix.Voice     // while it is mixed
	relays   []*Leg         // that hear nothing else
	lengths  framing        // of its packets
	recent   trail          // relayed, so that the mix can go on from there
	opus     *mix.Rendition // of a browser that sends no phone codec
	packet   room.Packet    // what opus made, handed on by reference
}

// plan is what a leg will do.
type plan struct {
	mode   mode
	source *source
	live   bool // the source was mixed until now, and goes on where the mix has left it
}

func newConference(h *Hub, w *worker) *Conference {
	return &Conference{hub: h, worker: w, mixer: mix.NewMixer()}
}

// Add brings a phone in, out of any other conference. Only legs of this package are taken.
func (c *Conference) Add(leg room.Leg) {
	l, ok := leg.(*Leg)
	if !ok {
		c.hub.log.Error("a leg of another kind cannot be in a conference")
		return
	}
	if !c.take(l, nil) {
		c.hub.lobby.take(l, c) // the conference is over
	}
}

// Remove takes a phone out. As long as it is connected it is sent silence.
func (c *Conference) Remove(leg room.Leg) {
	if l, ok := leg.(*Leg); ok {
		c.hub.lobby.take(l, c)
	}
}

// take moves a leg here from its conference, if that is from (nil: whatever it
// is). It is false only when the conference is closed.
func (c *Conference) take(l *Leg, from *Conference) bool {
	old, ok := l.join(c, from)
	if !ok || old == c {
		return true
	}
	if old != nil {
		old.drop(l)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	if l.isIn(c) { // or it was closed or taken away meanwhile, and nobody would drop it
		c.legs = append(c.legs, l)
		c.arrange()
	}
	return true
}

// drop takes a leg out for good, or for another conference.
func (c *Conference) drop(l *Leg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.legs, l)
	if i < 0 {
		return
	}
	c.legs = slices.Delete(c.legs, i, i+1)
	if l.listener != nil {
		c.mixer.RemoveListener(l.listener)
	}
	l.mode, l.source, l.listener, l.hold, l.filling = off, nil, nil, nil, false
	l.mu.Lock()
	l.out.leave()
	l.coder() // catches up while what was relayed can still be had
	l.mu.Unlock()
	c.arrange()
}

// SetSources names everything the phones may hear.
func (c *Conference) SetSources(tracks []*room.Track) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	var gone []*source
	kept := make([]*source, 0, len(tracks))
	for _, s := range c.sources {
		if !slices.Contains(tracks, s.track) {
			gone = append(gone, s)
		}
	}
	for _, t := range tracks {
		if t == nil || slices.ContainsFunc(kept, func(s *source) bool { return s.track == t }) {
			continue
		}
		i := slices.IndexFunc(c.sources, func(s *source) bool { return s.track == t })
		if i < 0 {
			kept = append(kept, &source{conf: c, track: t})
		} else {
			kept = append(kept, c.sources[i])
		}
	}
	c.sources = kept
	c.arrange()
	for _, s := range gone {
		s.relays, s.wanted = nil, false
		c.settle(s)
	}
}

// Close detaches the conference from everything. Its phones are sent silence
// as long as they are connected.
func (c *Conference) Close() {
	c.SetSources(nil)
	c.mu.Lock()
	c.closed = true
	legs := slices.Clone(c.legs)
	c.mu.Unlock()
	for _, l := range legs {
		c.hub.lobby.take(l, c)
	}
}

// rearrange follows a leg that has been connected or has changed its codec.
func (c *Conference) rearrange() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arrange()
}

// arrange decides what every leg hears and makes the switches. c.mu is held, so
// that no packet and no tick comes between two steps of it.
func (c *Conference) arrange() {
	now := c.hub.now()
	for _, s := range c.sources {
		s.wanted = false
	}
	c.mixing = false
	for _, l := range c.legs {
		l.plan = c.planFor(l)
		if l.mode == mixed && l.plan.mode == relay {
			// What waits in the jitter buffer belongs before the next packet relayed.
			v := l.plan.source.voice
			l.plan.live = v != nil && l.flush(v, now)
		}
		if l.plan.mode == mixed {
			c.mixing = true
			for _, s := range c.sources {
				s.wanted = s.wanted || s.track != l.track
			}
		}
	}
	for _, s := range c.sources {
		c.settle(s)
		if s.wanted && s.voice == nil {
			s.voice = c.mixer.AddVoice()
			if len(s.relays) > 0 && now-s.last().At < freshness {
				s.prime(s.voice)
			}
		}
		s.relays = s.relays[:0]
	}
	pace := idle
	for _, l := range c.legs {
		c.switchTo(l, now)
		switch l.mode {
		case relay:
			l.source.relays = append(l.source.relays, l)
			if !l.filling {
				pace = max(pace, coarse)
				break
			}
			fallthrough
		case silence, mixed:
			pace = everyTick
		}
	}
	for _, s := range c.sources {
		c.settle(s)
	}
	c.worker.set(c, pace)
}

// planFor says what a leg should hear.
func (c *Conference) planFor(l *Leg) plan {
	l.mu.Lock()
	connected := l.codec != room.NoCodec && l.conf == c
	l.mu.Unlock()
	if !connected {
		return plan{mode: off}
	}
	p := plan{mode: silence}
	for _, s := range c.sources {
		switch {
		case s.track == l.track:
		case p.mode == silence:
			p = plan{mode: relay, source: s}
		default:
			return plan{mode: mixed}
		}
	}
	if p.mode == relay && p.source.lengths.odd() {
		return plan{mode: mixed} // which sends packets of 20 ms
	}
	return p
}

// switchTo makes the leg do what was planned.
func (c *Conference) switchTo(l *Leg, now int64) {
	was, from := l.mode, l.source
	l.mode, l.source = l.plan.mode, l.plan.source
	if was == mixed && l.mode != mixed {
		c.mixer.RemoveListener(l.listener)
		l.listener, l.hold = nil, nil
	}
	l.filling = l.filling && l.mode == relay
	switch {
	case l.mode == mixed:
		c.listen(l)
		if was == relay {
			l.hold = nil
			if v, last := from.voice, from.last(); v != nil && now-last.At < freshness {
				l.backing = heldBack{voice: v, from: last.Timestamp + uint32(len(last.Payload))}
				l.hold = &l.backing
			}
		}
	case l.mode == was && l.source == from, l.plan.live:
		return
	case l.mode == relay:
		l.filling, l.relieved = true, was == relay // until the voice is heard
	}
	if was != l.mode || from != l.source {
		l.mu.Lock()
		l.out.leave()
		l.coder() // catches up with what was relayed until now
		l.decoder = mix.Decoder{}
		l.mu.Unlock()
	}
}

// listen makes the leg a listener of the mix, in its codec and without its own voice.
func (c *Conference) listen(l *Leg) {
	l.mu.Lock()
	codec := mixCodec(l.codec)
	l.mu.Unlock()
	if l.listener != nil && l.heard != codec {
		c.mixer.RemoveListener(l.listener)
		l.listener = nil
	}
	if l.listener == nil {
		l.listener, l.heard = c.mixer.AddListener(codec, nil), codec
		l.mu.Lock()
		l.listener.SetEncoder(l.coder())
		l.mu.Unlock()
	}
	l.listener.SetOwn(nil)
	for _, s := range c.sources {
		if s.track == l.track {
			l.listener.SetOwn(s.voice)
		}
	}
}

// settle gives up the voice of a source that is not mixed any more, and is a
// sink of its track only as long as somebody hears it.
func (c *Conference) settle(s *source) {
	if s.voice != nil && !s.wanted {
		for _, l := range c.legs {
			if l.hold != nil && l.hold.voice == s.voice {
				l.hold = nil // what it waits for will not come
			}
		}
		c.mixer.RemoveVoice(s.voice)
		s.voice = nil
	}
	if used := s.voice != nil || s.wanted || len(s.relays) > 0; used != s.attached {
		s.attached = used
		if used {
			s.track.Attach(s)
		} else {
			s.track.Detach(s)
			s.opus = nil
		}
	}
}

// tick makes the conference's frames of tick at.
func (c *Conference) tick(at int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mixing {
		c.mixer.Tick(at)
	}
	pace := idle
	for _, l := range c.legs {
		pace = max(pace, l.tick(at))
	}
	c.worker.set(c, pace)
}

// fromOpus returns the packet as a phone could have sent it, nil for nothing.
func (s *source) fromOpus(p *room.Packet) *room.Packet {
	if s.opus == nil {
		var err error
		if s.opus, err = mix.NewRendition(); err != nil {
			s.conf.hub.log.Error("a browser's Opus cannot be decoded", "error", err)
			return nil
		}
	}
	out, ok := s.opus.Convert(&mix.Packet{Seq: p.Seq, Restart: p.Restart, Timestamp: p.Timestamp, Payload: p.Payload, At: p.At}, p.Level)
	if !ok {
		return nil
	}
	s.packet = room.Packet{
		Seq: out.Seq, Restart: out.Restart, Codec: room.G722, Level: p.Level, Timestamp: out.Timestamp, Payload: out.Payload, At: p.At,
	}
	return &s.packet
}

// WriteRTP takes a packet of the source to all phones that hear it.
func (s *source) WriteRTP(_ *room.Track, p *room.Packet) {
	c := s.conf
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.attached {
		return // it was on its way when the source was given up
	}
	if p.Codec == room.Opus {
		if p = s.fromOpus(p); p == nil {
			return
		}
	}
	if s.lengths.note(len(p.Payload)) {
		c.arrange()
	}
	if s.voice != nil {
		s.voice.Push(&mix.Packet{
			Seq: p.Seq, Codec: mixCodec(p.Codec), Restart: p.Restart, Timestamp: p.Timestamp, Payload: p.Payload, At: p.At,
		})
	}
	if len(s.relays) == 0 {
		return
	}
	s.recent.note(p)
	for _, l := range s.relays {
		l.relayed(s, p)
	}
}
