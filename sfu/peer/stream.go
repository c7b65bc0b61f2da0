package peer

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"time"
)

const (
	// streamQueue is how many frames may wait for a slow TCP connection: half a
	// second of audio and a picture. What is more is dropped, as UDP would.
	streamQueue = 64

	// firstCheck is how long a new TCP connection may take to identify itself.
	firstCheck = 10 * time.Second

	// streamSilence closes a TCP connection on which nothing comes any more.
	streamSilence = time.Minute

	// maxStreams bounds the connections that strangers can hold open.
	maxStreams = 4096
)

// stream is one ICE-TCP connection, each message in it preceded by its length (RFC 4571 §2).
type stream struct {
	conn net.Conn
	from netip.AddrPort
	out  chan []byte
	done chan struct{}
}

func (t *Transport) acceptLoop() {
	for {
		conn, err := t.tcp.Accept()
		if err != nil {
			select {
			case <-t.done:
				return
			default:
			}
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				continue
			}
			t.log.Warn("ICE-TCP accept failed", "error", err)
			select {
			case <-t.done:
				return
			case <-time.After(100 * time.Millisecond): // out of descriptors: others must close first
			}
			continue
		}
		s := &stream{
			conn: conn,
			from: conn.RemoteAddr().(*net.TCPAddr).AddrPort(),
			out:  make(chan []byte, streamQueue),
			done: make(chan struct{}),
		}
		t.mu.Lock()
		if t.closed || len(t.streams) >= maxStreams {
			t.mu.Unlock()
			_ = conn.Close()
			continue
		}
		t.streams[s] = struct{}{}
		t.mu.Unlock()
		t.running.Go(s.writeLoop)
		t.running.Go(func() { t.readLoop(s) })
	}
}

// readLoop takes frames until the connection ends. The first must be an authentic
// check: that ties the connection to its peer for good.
func (t *Transport) readLoop(s *stream) {
	defer func() {
		close(s.done)
		_ = s.conn.Close()
		t.mu.Lock()
		delete(t.streams, s)
		t.mu.Unlock()
	}()
	var (
		r      = bufio.NewReaderSize(s.conn, 4096)
		buffer [maxFrame]byte
		peer   *Peer
		via    = path{addr: s.from, stream: s}
	)
	_ = s.conn.SetReadDeadline(time.Now().Add(firstCheck))
	for {
		var length [2]byte
		if _, err := io.ReadFull(r, length[:]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(length[:]))
		if n == 0 {
			continue
		}
		if n > len(buffer) {
			return
		}
		frame := buffer[:n]
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		if frame[0] <= 3 {
			p := t.onSTUN(frame, s.from, via)
			if peer == nil && p == nil {
				return
			}
			if peer == nil {
				peer = p
			}
		} else if peer != nil {
			peer.onPacket(frame, via)
		}
		if peer != nil {
			_ = s.conn.SetReadDeadline(time.Now().Add(streamSilence))
		}
	}
}

// maxFrame is the longest frame taken from a TCP connection.
const maxFrame = 2048

func (s *stream) writeLoop() {
	for {
		select {
		case <-s.done:
			return
		case frame := <-s.out:
			_ = s.conn.SetWriteDeadline(time.Now().Add(firstCheck))
			if _, err := s.conn.Write(frame); err != nil {
				_ = s.conn.Close() // ends readLoop, which ends this
				<-s.done
				return
			}
		}
	}
}

// send queues one message; it is copied. A connection that does not keep up loses it.
func (s *stream) send(message []byte) {
	frame := make([]byte, 2+len(message))
	binary.BigEndian.PutUint16(frame, uint16(len(message)))
	copy(frame[2:], message)
	select {
	case s.out <- frame:
	default:
	}
}
