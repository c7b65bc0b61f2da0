package call

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// forged is a socket that also returns datagrams a test has made up.
type forged struct {
	net.PacketConn
	mu    sync.Mutex
	queue []netip.AddrPort
	data  []byte
}

func (f *forged) ReadFrom(b []byte) (int, net.Addr, error) {
	f.mu.Lock()
	if len(f.queue) > 0 {
		from := f.queue[0]
		f.queue = f.queue[1:]
		f.mu.Unlock()
		return copy(b, f.data), net.UDPAddrFromAddrPort(from), nil
	}
	f.mu.Unlock()
	return f.PacketConn.ReadFrom(b)
}

func TestForgedSourcesDoNotFillTheMemoryAndCallsGoOn(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	// A second socket of the same agent, on which the forger writes.
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &forged{PacketConn: pc, data: []byte("\r\n\r\n")}
	ip := netip.MustParseAddr("10.0.0.1")
	for range 5 * maxSources {
		f.queue = append(f.queue, netip.AddrPortFrom(ip, 5060))
		ip = ip.Next()
	}
	done := make(chan struct{})
	go func() { b.agent.serveUDP(f); close(done) }()
	through := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.queue) == 0
	}
	// It has a lot to write: under the race detector, on a busy machine, longer than patience.
	for deadline := time.Now().Add(6 * patience); !through() && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if !through() {
		t.Fatal("the forger is not through")
	}
	if n := b.agent.tpl.Pool(udp).Size(); n > maxSources+recentSources+16 {
		t.Errorf("%d addresses are remembered", n)
	}
	// The socket still serves.
	peer, err := net.Dial("udp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	fmt.Fprintf(peer, "OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKx;rport\r\n"+
		"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n", peer.LocalAddr())
	_ = peer.SetReadDeadline(time.Now().Add(patience))
	if n, err := peer.Read(make([]byte, 2048)); err != nil || n == 0 {
		t.Errorf("no answer: %v", err)
	}
	talk(t, b, far)
	_ = b.agent.Hangup("c_1", "hangup-room")
	b.ended("hangup-room")
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
	b.agent.cancel()
	_ = pc.Close()
	<-done
}
