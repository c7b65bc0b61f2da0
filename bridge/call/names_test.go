package call

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"
)

// names is a resolver with a few records.
type names struct {
	srv map[string][]string // host:port, best first
	ip  map[string]string
}

var errNoRecord = errors.New("no such host")

func (n names) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	var records []*net.SRV
	for _, hp := range n.srv["_"+service+"._"+proto+"."+name] {
		host, port, _ := net.SplitHostPort(hp)
		p, _ := strconv.Atoi(port)
		records = append(records, &net.SRV{Target: host + ".", Port: uint16(p)})
	}
	if len(records) == 0 {
		return "", nil, errNoRecord
	}
	return name, records, nil
}

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if ip, ok := n.ip[host]; ok {
		return []netip.Addr{netip.MustParseAddr(ip)}, nil
	}
	return nil, errNoRecord
}

// settle waits until the call's own goroutine says that something is so.
func settle(t *testing.T, b *bridge, f func(c *Call) bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		b.agent.mu.Lock()
		c := b.agent.calls["c_1"]
		b.agent.mu.Unlock()
		if c == nil {
			t.Fatal("the call is over")
		}
		answer := make(chan bool, 1)
		if c.post(do(func() { answer <- f(c) })) && <-answer {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("waited in vain for the call to settle")
		}
	}
}
