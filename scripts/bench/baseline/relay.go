package baseline

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// relay is one call: what comes to one socket leaves from the other.
type relay struct {
	sockets [2]*net.UDPConn
	peers   [2]atomic.Pointer[netip.AddrPort] // who sent last, by socket
}

// run carries one direction until its socket is closed.
func (r *relay) run(from, to int) {
	buf := make([]byte, 2048)
	var last netip.AddrPort
	for {
		n, addr, err := r.sockets[from].ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		if addr != last {
			last = addr
			known := addr
			r.peers[from].Store(&known)
		}
		if peer := r.peers[to].Load(); peer != nil {
			_, _ = r.sockets[to].WriteToUDPAddrPort(buf[:n], *peer)
		}
	}
}

// end is one side of a call: it sends a packet when told to and counts what the other side's becomes.
type end struct {
	socket *net.UDPConn
	start  time.Time // what the time in packets counts from
	packet [packetSize]byte
	done   chan struct{} // closed by readLoop

	mu     sync.Mutex
	counts counts
}

type counts struct {
	sent, received uint64
	delays         []time.Duration
}

// dial makes an end that talks to one socket of the relay.
func dial(relay netip.AddrPort, start time.Time) (*end, error) {
	s, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(relay))
	if err != nil {
		return nil, fmt.Errorf("baseline: %w", err)
	}
	e := &end{socket: s, start: start, done: make(chan struct{})}
	go e.readLoop()
	return e, nil
}

func (e *end) close() {
	_ = e.socket.Close()
	<-e.done
}

// send sends one packet that carries the time.
func (e *end) send() {
	binary.BigEndian.PutUint64(e.packet[12:], uint64(time.Since(e.start)))
	if _, err := e.socket.Write(e.packet[:]); err != nil {
		return
	}
	e.mu.Lock()
	e.counts.sent++
	e.mu.Unlock()
}

func (e *end) readLoop() {
	defer close(e.done)
	buf := make([]byte, 2048)
	for {
		n, err := e.socket.Read(buf)
		if err != nil {
			return
		}
		if n != packetSize {
			continue
		}
		delay := time.Since(e.start) - time.Duration(binary.BigEndian.Uint64(buf[12:]))
		e.mu.Lock()
		e.counts.received++
		e.counts.delays = append(e.counts.delays, delay)
		e.mu.Unlock()
	}
}

// begin starts the counts anew.
func (e *end) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.counts = counts{}
}

func (e *end) count() counts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts
}
