package leg

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dialroom/shared/udp"
	"dialroom/shared/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network is sockets that exist only in memory: what is written is kept,
// what arrives is put in by hand.
type network struct {
	sockets map[netip.AddrPort]*socket
	taken   map[uint16]bool // ports of other programs
	next    uint16
}

type socket struct {
	net     *network
	addr    netip.AddrPort
	handler udp.Handler
	sent    []packet
}

type packet struct {
	data []byte
	to   netip.AddrPort
}

func (n *network) listen(addr netip.AddrPort, h udp.Handler) (conn, error) {
	if addr.Port() == 0 {
		n.next++
		addr = netip.AddrPortFrom(addr.Addr(), 40000+n.next)
	}
	if n.sockets[addr] != nil || n.taken[addr.Port()] {
		return nil, fmt.Errorf("bind: %w", syscall.EADDRINUSE)
	}
	s := &socket{net: n, addr: addr, handler: h}
	n.sockets[addr] = s
	return s, nil
}

func (s *socket) WriteTo(p []byte, to netip.AddrPort) error {
	s.sent = append(s.sent, packet{append([]byte(nil), p...), to})
	return nil
}
func (s *socket) LocalAddr() netip.AddrPort { return s.addr }
func (s *socket) Close() error              { delete(s.net.sockets, s.addr); return nil }

// bench is a hub with one leg on a network in memory, and a clock to turn.
type bench struct {
	t               testing.TB
	now             time.Time
	net             *network
	hub             *Hub
	leg             *Leg
	rtp, rtcp, link *socket // the leg's two, and the one shared towards the sfu
}

var (
	sfuAddr   = netip.MustParseAddrPort("127.0.0.1:41000")
	phoneAddr = netip.MustParseAddrPort("198.51.100.7:30000")
	phoneRTCP = netip.MustParseAddrPort("198.51.100.7:30001")
	theWire   = wire.Leg{Media: sfuAddr.String(), SSRCFromPhone: 0x0f0f0f0f, SSRCToPhone: 0x70707070}
)

// phonePort is where the bench's leg has its RTP.
const phonePort = 20000

func newBench(t testing.TB) *bench {
	b := &bench{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), net: &network{sockets: map[netip.AddrPort]*socket{}, taken: map[uint16]bool{}}}
	b.hub = b.newHub(phonePort, phonePort+1)
	b.leg = b.newLeg("c_1", theWire)
	b.link = b.hub.shared.(*socket)
	b.rtp, b.rtcp = b.leg.rtp.(*socket), b.leg.rtcp.(*socket)
	return b
}

func (b *bench) newHub(minPort, maxPort int) *Hub {
	b.t.Helper()
	h, err := newHub(Config{
		Listen: netip.MustParseAddrPort("127.0.0.1:0"), MinPort: minPort, MaxPort: maxPort,
		PublicIP: netip.MustParseAddr("192.0.2.10"), Now: func() time.Time { return b.now },
	}, b.net.listen)
	if err != nil {
		b.t.Fatal(err)
	}
	return h
}

func (b *bench) newLeg(id string, w wire.Leg) *Leg {
	b.t.Helper()
	l, err := b.hub.New(id, w)
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

// answered is a bench whose leg has offered PCMA and PCMU and got this answer.
func answered(t testing.TB, answer string) *bench {
	t.Helper()
	b := newBench(t)
	b.leg.Offer([]wire.Codec{wire.PCMA, wire.PCMU})
	if _, err := b.leg.Answer([]byte(answer)); err != nil {
		t.Fatal(err)
	}
	return b
}

// sdpOf joins lines to an SDP with the usual head, from the host given.
func sdpOf(host string, lines ...string) string {
	kind := "IP4"
	if strings.Contains(host, ":") {
		kind = "IP6"
	}
	head := []string{"v=0", "o=phone 1 1 IN " + kind + " " + host, "s=call", "c=IN " + kind + " " + host, "t=0 0"}
	return strings.Join(append(head, lines...), "\r\n") + "\r\n"
}

// plain is the answer of an ordinary phone.
var plain = sdpOf("198.51.100.7", "m=audio 30000 RTP/AVP 8 101", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000")

// rtpPacket makes a packet with a payload that says which one it is.
func rtpPacket(pt uint8, seq uint16, ts, ssrc uint32) []byte {
	p := make([]byte, rtpHeaderSize+160)
	putHeader(p, rtpHeader{pt: pt, seq: seq, ts: ts, ssrc: ssrc})
	for i := range 160 {
		p[rtpHeaderSize+i] = byte(seq)
	}
	return p
}

func (b *bench) fromPhone(p []byte) { b.rtp.handler(p, phoneAddr) }
func (b *bench) fromSFU(p []byte)   { b.link.handler(p, sfuAddr) }

// sent takes the packets that left a socket since the last time, parsed.
func (s *socket) take(t testing.TB) []rtpHeader {
	t.Helper()
	var out []rtpHeader
	for _, p := range s.sent {
		h, ok := parseRTP(p.data)
		if !ok {
			t.Fatalf("not RTP: % x", p.data)
		}
		if h.start != rtpHeaderSize {
			t.Fatalf("header of %d bytes", h.start)
		}
		out = append(out, h)
	}
	s.sent = nil
	return out
}

func (s *socket) one(t testing.TB) rtpHeader {
	t.Helper()
	got := s.take(t)
	if len(got) != 1 {
		t.Fatalf("%d packets were sent, want 1", len(got))
	}
	return got[0]
}

func (s *socket) none(t testing.TB) {
	t.Helper()
	if got := s.take(t); len(got) != 0 {
		t.Fatalf("%d packets were sent, want none", len(got))
	}
}

func be16(p []byte) uint16 { return binary.BigEndian.Uint16(p) }
