// Package udp reads many UDP sockets in one loop and writes to them from
// anywhere, without an allocation per packet.
//
// A telephone call is fifty small packets a second each way, and what they
// cost is not the copying: it is waking a thread for each of them. A [Poller]
// therefore owns all sockets of a process: one thread sleeps until any of them
// has something, takes whole batches out of each, and hands packet after packet
// to the socket's handler. When packets come thick it waits a moment before
// it looks again, as a network card moderates its interrupts, so that one
// wake-up serves several packets; when they come thin every packet is handled at once.
//
// On Linux this is epoll and recvmmsg. Elsewhere every socket has a goroutine
// of its own, with the same guarantees and no moderation.
//
// The package does not reassemble, queue or pace: a packet that the kernel will
// not take is lost, as UDP packets are.
package udp

import (
	"errors"
	"net/netip"
	"time"
)

// Handler takes one datagram. It runs on the poller's loop, one call at a time
// for all sockets of the poller, and must not block. The packet is the
// handler's to change, but only during the call.
type Handler func(packet []byte, from netip.AddrPort)

// ErrClosed is returned by operations on a closed socket or poller.
var ErrClosed = errors.New("udp: closed")

const (
	// maxDatagram is the longest datagram that is taken whole: an Ethernet
	// frame's, with room for the odd tunnel that carries a little more.
	maxDatagram = 2048

	// receiveBuffer is asked of the kernel for each socket: a keyframe burst of
	// many publishers must survive a scheduling hiccup of some 10 ms.
	receiveBuffer = 1 << 20

	// busyRate is the packet rate (per second) from which wake-ups are
	// moderated. Below it there is nothing to win: about ten calls.
	busyRate = 1500

	// moderation is how long the loop then waits between two looks. It is
	// added to a packet's way half of it on average, in each of the two
	// processes, and must keep the sum well under the promised 2 ms.
	moderation = 700 * time.Microsecond

	// rateWindow is how long packets are counted before the rate is judged.
	rateWindow = 50 * time.Millisecond
)

// moderator decides whether the loop should wait before it looks again.
type moderator struct {
	since   time.Time
	packets int
	busy    bool
}

// observe counts n packets handled by now and reports whether to wait.
func (m *moderator) observe(n int, now time.Time) bool {
	m.packets += n
	if elapsed := now.Sub(m.since); elapsed >= rateWindow {
		m.busy = time.Duration(m.packets)*time.Second/busyRate >= elapsed
		m.since, m.packets = now, 0
	}
	return m.busy
}
