package peer

import (
	"sync"
	"time"

	"dialroom/sfu/room"
)

const (
	// maxMissing is how many lost packets are asked for at a time; more than
	// that is an outage, which a key frame mends better.
	maxMissing = 64

	// nackRetry is how long to wait for a retransmission before asking again: about a round trip.
	nackRetry = int64(60 * time.Millisecond)

	// nackTries is how often a packet is asked for. Then the picture has moved on.
	nackTries = 5
)

// cache keeps the latest packets of a picture for retransmission.
type cache struct {
	mu      sync.Mutex
	entries [historySize]entry
}

type entry struct {
	packet  room.Packet // without payload
	payload []byte      // grown once, then reused
	used    bool
}

func (c *cache) put(p *room.Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &c.entries[p.Seq%historySize]
	e.payload = append(e.payload[:0], p.Payload...)
	e.packet, e.used = *p, true
	e.packet.Payload = nil
}

// get copies the packet with sequence number seq; its payload goes into buffer.
func (c *cache) get(seq uint16, buffer []byte, p *room.Packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &c.entries[seq%historySize]
	if !e.used || e.packet.Seq != seq || len(e.payload) > len(buffer) {
		return false
	}
	*p = e.packet
	p.Payload = buffer[:copy(buffer, e.payload)]
	return true
}

// nackList is what is missing of a picture.
type nackList struct {
	started bool
	newest  uint16
	list    []missing
	lost    bool // too much is missing: a key frame is needed
}

type missing struct {
	seq   uint16
	tries uint8
	at    int64 // when it was last asked for
}

// observe notes that seq has arrived and reports whether there is something to ask for now.
func (n *nackList) observe(seq uint16, now int64) bool {
	if !n.started {
		n.started, n.newest = true, seq
		return false
	}
	switch ahead := int16(seq - n.newest); {
	case ahead > maxMissing:
		n.list, n.lost = n.list[:0], true
		n.newest = seq
	case ahead > 0:
		for s := n.newest + 1; s != seq; s++ {
			if len(n.list) == maxMissing {
				n.list, n.lost = n.list[:0], true
			}
			n.list = append(n.list, missing{seq: s})
		}
		n.newest = seq
	default: // late or retransmitted
		for i, m := range n.list {
			if m.seq == seq {
				n.list = append(n.list[:i], n.list[i+1:]...)
				break
			}
		}
	}
	if n.lost {
		return true
	}
	for _, m := range n.list {
		if now-m.at >= nackRetry {
			return true
		}
	}
	return false
}

// due returns what to ask for now, and whether only a key frame helps.
func (n *nackList) due(now int64, into []uint16) (seqs []uint16, keyFrame bool) {
	keyFrame, n.lost = n.lost, false
	kept := n.list[:0]
	for _, m := range n.list {
		if now-m.at >= nackRetry {
			if m.tries == nackTries {
				keyFrame = true
				continue
			}
			m.tries++
			m.at = now
			into = append(into, m.seq)
		}
		kept = append(kept, m)
	}
	n.list = kept
	return into, keyFrame
}
