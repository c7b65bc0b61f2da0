package call

import (
	"bufio"
	"bytes"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"
)

// screenedPackets is a socket whose datagrams have been screened.
type screenedPackets struct {
	net.PacketConn
	log *slog.Logger
}

// ReadFrom returns the next datagram the library is to see.
func (s screenedPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := s.PacketConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		raw := bytes.TrimLeft(b[:n], "\r\n") // keep-alives, and RFC 3261 §7.5
		if len(raw) == 0 {
			return n, from, nil
		}
		v := screen(raw, true)
		switch {
		case v.answer != nil:
			if to, ok := backTo(raw, from); ok && len(v.answer) <= 2*n {
				_, _ = s.WriteTo(v.answer, to) // lost, it is asked for again
			}
		case v.plain != nil && len(v.plain) <= len(b):
			return copy(b, v.plain), from, nil
		}
		s.log.Debug("unreadable SIP message dropped", "from", from)
	}
}

// backTo is where the answer to a datagram goes: to its source, at the port of
// its Via unless that asks for the source's (RFC 3261 §18.2.2, RFC 3581 §4).
func backTo(raw []byte, from net.Addr) (net.Addr, bool) {
	source, ok := from.(*net.UDPAddr)
	m, readable := dissect(raw)
	if !ok || !readable {
		return nil, false
	}
	via, _, _ := strings.Cut(tidyVia(splitList(m.get("Via")[0])[0]), ",")
	_, sentBy, _ := strings.Cut(via, " ")
	host, params, _ := strings.Cut(sentBy, ";")
	for param := range strings.SplitSeq(params, ";") {
		if name, _, _ := strings.Cut(param, "="); strings.EqualFold(name, "rport") {
			return source, true
		}
	}
	port := defaultPort
	if _, text, err := net.SplitHostPort(host); err == nil {
		if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= 65535 {
			port = n
		}
	}
	return &net.UDPAddr{IP: source.IP, Port: port, Zone: source.Zone}, true
}

// screenedListener is a listener whose connections are screened.
type screenedListener struct{ net.Listener }

// Accept returns the next connection.
func (s screenedListener) Accept() (net.Conn, error) {
	conn, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &screenedStream{Conn: conn, in: bufio.NewReaderSize(conn, maxHead)}, nil
}

// screenedStream is a connection whose messages have been screened.
type screenedStream struct {
	net.Conn
	in   *bufio.Reader // read by the library's one reader only
	rest []byte        // of a message that did not fit into Read
}

// Read returns the next bytes the library is to see: keep-alives as they are,
// and whole messages in their plain form. A message whose end cannot be found
// is answered, and is the last one.
func (s *screenedStream) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		next, err := s.in.Peek(1)
		if err != nil {
			return 0, err
		}
		if next[0] == '\r' || next[0] == '\n' {
			blank, _ := s.in.Peek(min(s.in.Buffered(), len(b), 4))
			n := len(blank) - len(bytes.TrimLeft(blank, "\r\n"))
			return s.in.Read(b[:n])
		}
		raw, framed, err := s.message()
		if err != nil {
			return 0, err
		}
		v := screen(raw, false)
		if v.answer != nil {
			if err := s.SetWriteDeadline(time.Now().Add(connectTime)); err != nil {
				return 0, err
			}
			if _, err := s.Write(v.answer); err != nil {
				return 0, err
			}
			_ = s.SetWriteDeadline(time.Time{})
		}
		if !framed {
			return 0, net.ErrClosed
		}
		s.rest = v.plain
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// message reads one message. framed is whether its length was right, so that
// another one may follow.
func (s *screenedStream) message() (raw []byte, framed bool, err error) {
	for {
		line, err := s.in.ReadSlice('\n')
		raw = append(raw, line...)
		if err != nil || len(raw) > maxHead {
			return nil, false, net.ErrClosed
		}
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			break
		}
	}
	m, ok := dissect(raw)
	if !ok {
		return raw, false, nil
	}
	lengths := m.get("Content-Length")
	if len(lengths) == 0 {
		return raw, true, nil // RFC 3261 §18.3 wants one; without, there is no body
	}
	n, err := strconv.ParseUint(lengths[0], 10, 31)
	if err != nil || len(lengths) > 1 || n > maxText {
		return raw, false, nil
	}
	body := make([]byte, n)
	for read := 0; read < len(body); {
		k, err := s.in.Read(body[read:])
		if err != nil {
			return nil, false, err
		}
		read += k
	}
	return append(raw, body...), true, nil
}
