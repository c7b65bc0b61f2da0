package udp

import (
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddrPort("127.0.0.1:0")

// newPoller returns a poller that is closed with the test.
func newPoller(t testing.TB) *Poller {
	t.Helper()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func listen(t testing.TB, p *Poller, addr netip.AddrPort, h Handler) *Conn {
	t.Helper()
	c, err := p.Listen(addr, h)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func receive(t testing.TB, got <-chan string, want string) {
	t.Helper()
	select {
	case s := <-got:
		if s != want {
			t.Fatalf("received %q, want %q", s, want)
		}
	case <-time.After(5 * time.Second):
		t.Fatalf("nothing received, want %q", want)
	}
}

func TestAHandlerGetsEveryDatagramWithItsSource(t *testing.T) {
	t.Parallel()
	for name, bind := range map[string]string{
		"IPv4":             "127.0.0.1:0",
		"all of IPv4":      "0.0.0.0:0",
		"IPv4 by IPv6":     "[::]:0",
		"loopback of IPv6": "[::1]:0",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPoller(t)
			got := make(chan string, 1)
			var from netip.AddrPort
			c := listen(t, p, netip.MustParseAddrPort(bind), func(b []byte, src netip.AddrPort) {
				from = src
				got <- string(b)
			})
			local := loopback
			if bind == "[::1]:0" {
				local = netip.MustParseAddrPort("[::1]:0")
			}
			answer := make(chan string, 1)
			peer := listen(t, p, local, func(b []byte, _ netip.AddrPort) { answer <- string(b) })
			if err := peer.WriteTo([]byte("there"), netip.AddrPortFrom(local.Addr(), c.LocalAddr().Port())); err != nil {
				t.Fatal(err)
			}
			receive(t, got, "there")
			if from != peer.LocalAddr() {
				t.Fatalf("from %v, want %v", from, peer.LocalAddr())
			}
			if err := c.WriteTo([]byte("and back"), from); err != nil {
				t.Fatal(err)
			}
			receive(t, answer, "and back")
		})
	}
}

func TestABurstLargerThanABatchArrivesWholeAndInOrder(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	const n = 300
	got := make(chan byte, n)
	c := listen(t, p, loopback, func(b []byte, _ netip.AddrPort) { got <- b[0] })
	peer := listen(t, p, loopback, func([]byte, netip.AddrPort) {})
	for i := range n {
		if err := peer.WriteTo([]byte{byte(i)}, c.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		select {
		case b := <-got:
			if b != byte(i) {
				t.Fatalf("datagram %d is %d", i, b)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("only %d of %d arrived", i, n)
		}
	}
}

func TestASocketMayBeClosedFromItsOwnHandler(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	got := make(chan string, 8)
	var c *Conn
	ready := make(chan struct{})
	c = listen(t, p, loopback, func(b []byte, _ netip.AddrPort) {
		<-ready
		_ = c.Close()
		got <- string(b)
	})
	close(ready)
	peer := listen(t, p, loopback, func(b []byte, _ netip.AddrPort) { got <- "peer " + string(b) })
	_ = peer.WriteTo([]byte("last"), c.LocalAddr())
	receive(t, got, "last")
	// The loop goes on for the others, and the closed socket says so.
	for {
		if err := c.WriteTo([]byte("x"), peer.LocalAddr()); err == ErrClosed {
			break
		}
		<-got
	}
	_ = peer.WriteTo([]byte("still here"), peer.LocalAddr())
	for s := range got {
		if s == "peer still here" {
			break
		}
	}
}

func TestATakenPortIsAClearError(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	c := listen(t, p, loopback, func([]byte, netip.AddrPort) {})
	if _, err := p.Listen(c.LocalAddr(), func([]byte, netip.AddrPort) {}); err == nil {
		t.Fatal("the same port was given out twice")
	}
}

func TestAClosedPollerOpensNothing(t *testing.T) {
	t.Parallel()
	p := newPoller(t)
	c := listen(t, p, loopback, func([]byte, netip.AddrPort) {})
	_ = p.Close()
	_ = c.Close()
	if err := c.WriteTo([]byte("x"), c.LocalAddr()); err == nil {
		t.Fatal("wrote to a closed socket")
	}
	if _, err := p.Listen(loopback, nil); err == nil {
		t.Fatal("a closed poller opened a socket")
	}
}

func TestWakeUpsAreModeratedOnlyWhenPacketsComeThick(t *testing.T) {
	t.Parallel()
	start := time.Unix(0, 0)
	m := moderator{since: start}
	for ms := range 200 { // 1000 per second
		if m.observe(1, start.Add(time.Duration(ms)*time.Millisecond)) {
			t.Fatal("waited at 1000 packets per second")
		}
	}
	busy := false
	for ms := 200; ms < 400; ms++ { // 5000 per second
		busy = m.observe(5, start.Add(time.Duration(ms)*time.Millisecond))
	}
	if !busy {
		t.Fatal("did not wait at 5000 packets per second")
	}
}

func TestNeitherReadingNorWritingAllocates(t *testing.T) {
	p := newPoller(t)
	got := make(chan struct{}, 1)
	c := listen(t, p, loopback, func([]byte, netip.AddrPort) { got <- struct{}{} })
	packet := make([]byte, 172)
	if n := testing.AllocsPerRun(1000, func() {
		_ = c.WriteTo(packet, c.LocalAddr())
		<-got
	}); n != 0 {
		t.Fatalf("%v allocations per packet", n)
	}
}

// BenchmarkSendAndReceive is one datagram of a phone call to ourselves and back into the handler.
func BenchmarkSendAndReceive(b *testing.B) {
	p := newPoller(b)
	got := make(chan struct{}, 1)
	c := listen(b, p, loopback, func([]byte, netip.AddrPort) { got <- struct{}{} })
	packet := make([]byte, 172)
	b.ReportAllocs()
	for b.Loop() {
		_ = c.WriteTo(packet, c.LocalAddr())
		<-got
	}
}
