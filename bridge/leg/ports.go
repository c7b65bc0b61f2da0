package leg

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// portRest is how long a port pair lies idle after a call: the far end may go
// on sending for a while, and its packets must not reach the next call.
const portRest = 30 * time.Second

// PortsError says that the configured range has no port left.
type PortsError struct {
	Min, Max int // the range
	InUse    int // pairs that carry a call
	Resting  int // pairs that cool down
	Taken    int // pairs another program has
}

func (e *PortsError) Error() string {
	return fmt.Sprintf("no RTP port left in %d-%d: %d pairs in use, %d cooling down, %d taken by other programs",
		e.Min, e.Max, e.InUse, e.Resting, e.Taken)
}

// portPool hands out pairs of an even RTP port and the odd RTCP port above it (RFC 3550 §11).
type portPool struct {
	min, max int // the range, for the error
	first    int // the first even port

	mu    sync.Mutex
	next  int // where to look first; going round keeps a pair idle for as long as possible
	pairs []portPair
}

type portPair struct {
	busy  bool
	until time.Time // rests until then
}

func newPortPool(minPort, maxPort int) (*portPool, error) {
	first := minPort + minPort&1
	if minPort < 1 || maxPort > 65535 || first+1 > maxPort {
		return nil, fmt.Errorf("RTP ports %d-%d: expected a range within 1-65535 that holds an even port and the one above it", minPort, maxPort)
	}
	n := (maxPort - first + 1) / 2
	// A random start keeps a restarted bridge off the ports of its last calls.
	return &portPool{min: minPort, max: maxPort, first: first, next: rand.IntN(n), pairs: make([]portPair, n)}, nil
}

// take finds a pair that open succeeds with. A pair that is in use by another
// program is passed over; any other error of open ends the search.
func (p *portPool) take(now time.Time, open func(rtpPort uint16) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	full := &PortsError{Min: p.min, Max: p.max}
	for k := range p.pairs {
		i := (p.next + k) % len(p.pairs)
		switch pair := &p.pairs[i]; {
		case pair.busy:
			full.InUse++
		case now.Before(pair.until):
			full.Resting++
		default:
			err := open(uint16(p.first + 2*i))
			if errors.Is(err, syscall.EADDRINUSE) {
				full.Taken++
				continue
			}
			if err != nil {
				return err
			}
			pair.busy = true
			p.next = i + 1
			return nil
		}
	}
	return full
}

// give puts a pair to rest.
func (p *portPool) give(rtpPort uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pairs[(int(rtpPort)-p.first)/2] = portPair{until: now.Add(portRest)}
}
