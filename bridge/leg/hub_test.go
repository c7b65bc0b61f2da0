package leg

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"dialroom/shared/udp"
	"dialroom/shared/wire"
)

// wireOf is a leg's wire with SSRCs of its own.
func wireOf(n uint32) wire.Leg {
	return wire.Leg{Media: sfuAddr.String(), SSRCFromPhone: n, SSRCToPhone: ^n}
}

func TestAPortIsNotGivenToTheNextCallUntilItHasCooledDown(t *testing.T) {
	b := newBench(t)
	b.leg.Close()
	wasFull := func(after time.Duration) (*Leg, *PortsError) {
		b.now = b.now.Add(after)
		l, err := b.hub.New("c_2", wireOf(2))
		var full *PortsError
		if err != nil && !errors.As(err, &full) {
			t.Fatal(err)
		}
		return l, full
	}
	if _, full := wasFull(0); full == nil || full.Resting != 1 {
		t.Fatalf("right after: %v", full)
	}
	if _, full := wasFull(portRest - time.Millisecond); full == nil {
		t.Fatal("just before its time")
	}
	l, full := wasFull(time.Millisecond)
	if full != nil {
		t.Fatal(full)
	}
	// What the old call's phone still sends is not the new call's.
	l.rtp.(*socket).handler(rtpPacket(8, 1, 1, 1), phoneAddr)
	b.link.none(t)
}

func TestPortsAreEvenTheirNeighbourIsRTCPAndAFullRangeSaysSo(t *testing.T) {
	b := newBench(t)
	b.net.taken[21004] = true // RTP port of another program
	b.net.taken[21007] = true // and an RTCP port
	b.hub = b.newHub(21001, 21010)
	used := make(map[uint16]bool)
	for i := range uint32(2) {
		l := b.newLeg("c", wireOf(i))
		port := l.rtp.LocalAddr().Port()
		if port%2 != 0 || port < 21001 || port > 21009 || l.rtcp.LocalAddr().Port() != port+1 || used[port] {
			t.Errorf("ports %d and %d", port, l.rtcp.LocalAddr().Port())
		}
		used[port] = true
	}
	_, err := b.hub.New("c", wireOf(9))
	var full *PortsError
	if !errors.As(err, &full) || *full != (PortsError{21001, 21010, 2, 0, 2}) {
		t.Fatalf("%v", err)
	}
	if want := "no RTP port left in 21001-21010: 2 pairs in use, 0 cooling down, 2 taken by other programs"; full.Error() != want {
		t.Errorf("%q", full.Error())
	}
	if b.net.sockets[netip.MustParseAddrPort("0.0.0.0:21006")] != nil {
		t.Error("the RTP port was kept although its RTCP port could not be had")
	}
}

func TestPortRangesThatHoldNoPairAreRefused(t *testing.T) {
	for _, r := range [][2]int{{0, 0}, {0, 10}, {10001, 10002}, {10000, 10000}, {65534, 65536}, {20, 10}} {
		if _, err := newPortPool(r[0], r[1]); err == nil {
			t.Errorf("%v was taken", r)
		}
	}
}

func TestHubRefusesWhatWouldMixUpLegs(t *testing.T) {
	b := newBench(t)
	b.hub.ports, _ = newPortPool(22000, 22099)
	if _, err := b.hub.New("c_2", theWire); err == nil {
		t.Error("a second leg with the same SSRC")
	}
	for _, media := range []string{"", "localhost:5", "127.0.0.1", "127.0.0.1:0"} {
		if _, err := b.hub.New("c_3", wire.Leg{Media: media}); err == nil {
			t.Errorf("media %q", media)
		}
	}
	if len(b.net.sockets) != 3 {
		t.Errorf("%d sockets are open, not the hub's and the one leg's two", len(b.net.sockets))
	}
}

func TestLocalIPIsTheAddressOfTheRoute(t *testing.T) {
	ip, err := LocalIP(netip.MustParseAddr("127.0.0.1"))
	if err != nil || ip != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("%v, %v", ip, err)
	}
	if ip := defaultIP(netip.IPv4Unspecified()); !ip.IsValid() || ip.IsUnspecified() {
		t.Errorf("%v", ip)
	}
}

// udpPeer is a plain socket on loopback, a phone or an sfu.
type udpPeer struct {
	*net.UDPConn
	t *testing.T
}

func newUDPPeer(t *testing.T) udpPeer {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return udpPeer{c, t}
}

func (u udpPeer) addr() netip.AddrPort { return u.LocalAddr().(*net.UDPAddr).AddrPort() }

func (u udpPeer) receive() rtpHeader {
	u.t.Helper()
	b := make([]byte, 2048)
	_ = u.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := u.Read(b)
	if err != nil {
		u.t.Fatal(err)
	}
	h, ok := parseRTP(b[:n])
	if !ok {
		u.t.Fatalf("% x", b[:n])
	}
	return h
}

// The whole way over real sockets: both directions, and keys at their pace.
func TestOverRealSockets(t *testing.T) {
	poller, err := udp.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer poller.Close()
	loopback := netip.MustParseAddr("127.0.0.1")
	hub, err := NewHub(Config{Poller: poller, Listen: netip.AddrPortFrom(loopback, 0), MinPort: 23000, MaxPort: 23999, BindIP: loopback})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close()
	phone, sfu := newUDPPeer(t), newUDPPeer(t)
	l, err := hub.New("c_1", wire.Leg{Media: sfu.addr().String(), SSRCFromPhone: 7, SSRCToPhone: 8})
	if err != nil {
		t.Fatal(err)
	}
	l.Offer(nil)
	answer := sdpOf("127.0.0.1", "m=audio "+phone.addr().String()[len("127.0.0.1:"):]+" RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000")
	s, err := l.Answer([]byte(answer))
	if err != nil || s.Remote != phone.addr() {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := phone.WriteToUDPAddrPort(rtpPacket(8, 1, 1, 99), l.rtp.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if h := sfu.receive(); h.ssrc != 7 || h.pt != 8 {
		t.Errorf("%+v", h)
	}
	if _, err := sfu.WriteToUDPAddrPort(rtpPacket(8, 1, 1, 8), hub.Media()); err != nil {
		t.Fatal(err)
	}
	first := phone.receive()
	begin := time.Now()
	if err := l.DTMF("1"); err != nil {
		t.Fatal(err)
	}
	for i := range uint16(7) {
		if h := phone.receive(); h.pt != 101 || h.seq != first.seq+1+i {
			t.Errorf("key packet %d: %+v", i, h)
		}
	}
	if took := time.Since(begin); took < 110*time.Millisecond {
		t.Errorf("seven packets 20 ms apart came within %v", took)
	}
	hub.Close()
	if _, err := hub.New("c_2", wireOf(2)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
