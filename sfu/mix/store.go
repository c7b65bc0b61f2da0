package mix

// slots is how many packets wait at most: 240 ms of the shortest packets worth
// having (10 ms), and then some. A power of two, so that sequence numbers index it
// through their wrap.
const slots = 32

// packet is one coded packet waiting for its time.
type packet struct {
	ts    uint32
	seq   uint16
	n     uint16 // payload bytes, which are samples; 0: the slot is free
	codec Codec
	data  [MaxPayload]byte
}

// store holds the packets of one voice until they are due.
type store struct {
	slot    [slots]packet
	count   int
	samples int // of all packets
}

// put keeps a copy of a packet; one that is 32 sequence numbers older goes.
func (s *store) put(seq uint16, ts uint32, codec Codec, payload []byte) {
	p := &s.slot[seq%slots]
	s.free(p)
	p.seq, p.ts, p.codec, p.n = seq, ts, codec, uint16(copy(p.data[:], payload))
	s.count++
	s.samples += int(p.n)
}

func (s *store) free(p *packet) {
	if p.n != 0 {
		s.count--
		s.samples -= int(p.n)
		p.n = 0
	}
}

// at returns the packet that has the sample of timestamp ts, nil if none.
func (s *store) at(ts uint32) *packet {
	if s.count == 0 {
		return nil
	}
	for i := range s.slot {
		if p := &s.slot[i]; p.n != 0 && ts-p.ts < uint32(p.n) {
			return p
		}
	}
	return nil
}

// first returns the packet that begins soonest after ts, nil if none.
func (s *store) first(ts uint32) *packet {
	if s.count == 0 {
		return nil
	}
	var found *packet
	for i := range s.slot {
		p := &s.slot[i]
		if p.n == 0 || int32(p.ts-ts) < 0 {
			continue
		}
		if found == nil || int32(p.ts-found.ts) < 0 {
			found = p
		}
	}
	return found
}

// dropBefore frees the packets that end at ts or before.
func (s *store) dropBefore(ts uint32) {
	if s.count == 0 {
		return
	}
	for i := range s.slot {
		if p := &s.slot[i]; p.n != 0 && int32(p.ts+uint32(p.n)-ts) <= 0 {
			s.free(p)
		}
	}
}

func (s *store) clear() {
	for i := range s.slot {
		s.slot[i].n = 0
	}
	s.count, s.samples = 0, 0
}
