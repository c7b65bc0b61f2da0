package call

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/net/dns/dnsmessage"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// named is names with NAPTR records.
type named struct {
	names
	naptr map[string][]NAPTR
}

func (n named) LookupNAPTR(_ context.Context, name string) ([]NAPTR, error) {
	return n.naptr[name], nil
}

// LookupSRV takes the whole name too, as net.Resolver does.
func (n named) LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if service == "" && proto == "" {
		n.srv = map[string][]string{"_._." + name: n.srv[name]}
	}
	return n.names.LookupSRV(ctx, service, proto, name)
}

func resolved(t *testing.T, b *bridge, to target) []string {
	t.Helper()
	hops, err := b.agent.resolve(t.Context(), to)
	if err != nil {
		return []string{err.Error()}
	}
	var list []string
	for _, h := range hops {
		list = append(list, h.network+" "+h.addr.String())
	}
	return list
}

func TestWhereANameLeads(t *testing.T) {
	dns := named{
		names: names{
			srv: map[string][]string{
				"_sip._udp.plain.example":   {"one.example:5080", "gone.example:5060", "two.example:5060"},
				"_sips._tcp.plain.example":  {"one.example:5071"},
				"_special._udp.far.example": {"two.example:5090"},
				"_sip._udp.pointed.example": {"one.example:5060"},
			},
			ip: map[string]string{"one.example": "192.0.2.1", "two.example": "192.0.2.2", "plain.example": "192.0.2.9", "pointed.example": "192.0.2.8"},
		},
		naptr: map[string][]NAPTR{"pointed.example": {
			{Order: 20, Flags: "s", Service: "SIP+D2U", Replacement: "_sip._udp.pointed.example"},
			{Order: 10, Flags: "s", Service: "SIP+D2T", Replacement: "_sip._tcp.nowhere.example"},
			{Order: 10, Preference: 1, Flags: "S", Service: "sip+d2u", Replacement: "_special._udp.far.example."},
		}},
	}
	b := newBridge(t, func(c *Config) { c.Resolver = dns })
	for _, test := range []struct {
		name string
		to   target
		want []string
	}{
		{"an address is used as it is", target{host: "192.0.2.7", network: udp}, []string{"udp 192.0.2.7:5060"}},
		{"TLS has a port of its own", target{host: "192.0.2.7", network: tlsNetwork}, []string{"tls 192.0.2.7:5061"}},
		{"SRV records in their order, without the one that leads nowhere",
			target{host: "plain.example", network: udp}, []string{"udp 192.0.2.1:5080", "udp 192.0.2.2:5060"}},
		{"those of TLS are sips over tcp", target{host: "plain.example", network: tlsNetwork}, []string{"tls 192.0.2.1:5071"}},
		{"without SRV records the name itself", target{host: "plain.example", network: tcp}, []string{"tcp 192.0.2.9:5060"}},
		{"a port rules SRV out", target{host: "plain.example", port: 5099, network: udp}, []string{"udp 192.0.2.9:5099"}},
		{"NAPTR names the SRV records of its transport, best order first",
			target{host: "pointed.example", network: udp}, []string{"udp 192.0.2.2:5090"}},
		{"NAPTR that leads nowhere does no harm", target{host: "pointed.example", network: tcp}, []string{"tcp 192.0.2.8:5060"}},
		{"an unknown name", target{host: "unknown.example", network: udp}, []string{"looking up the far end's host: " + errNoRecord.Error()}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := resolved(t, b, test.to); !slices.Equal(got, test.want) {
				t.Errorf("leads to %v, want %v", got, test.want)
			}
		})
	}
}

// stuck is a name server that never answers, as long as down is open.
type stuck struct {
	names
	down chan struct{}
}

func (s stuck) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	select {
	case <-s.down:
		return s.names.LookupNetIP(ctx, network, host)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestNameServerThatSwallowsQuestionsHoldsUpOnlyItsOwnCalls(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t, func(c *Config) { c.Resolver = stuck{down: make(chan struct{})} })
	b.place("c_stuck", far, func(tr *trunk.Trunk) { tr.Host = "slow.example:5060" })
	b.place("c_1", far)
	d := far.invited()
	d.say(486, "x", "")
	far.request(sip.ACK)
	b.ended(wire.Busy)
	if err := b.agent.Hangup("c_stuck", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	b.over()
}

func TestNamesThatWereFoundOnceAreKnownWhileDNSIsDown(t *testing.T) {
	working := names{ip: map[string]string{"carrier.example": "192.0.2.1"}}
	server := &switchable{Resolver: working}
	b := newBridge(t, func(c *Config) { c.Resolver = server })
	to := target{host: "carrier.example", port: 5060, network: udp}
	want := []string{"udp 192.0.2.1:5060"}
	if got := resolved(t, b, to); !slices.Equal(got, want) {
		t.Fatalf("%v", got)
	}
	server.Resolver = failing{&net.DNSError{Err: "server misbehaving", IsTemporary: true}}
	if got := resolved(t, b, to); !slices.Equal(got, want) {
		t.Errorf("while DNS is down it leads to %v", got)
	}
	b.clock.advance(rememberFor)
	if got := resolved(t, b, to); slices.Equal(got, want) {
		t.Error("remembered for ever")
	}
	server.Resolver = working
	resolved(t, b, to)
	server.Resolver = failing{&net.DNSError{Err: "no such host", IsNotFound: true}}
	if got := resolved(t, b, to); slices.Equal(got, want) {
		t.Error("the name is gone, and still leads somewhere")
	}
}

type switchable struct{ Resolver }

type failing struct{ err error }

func (f failing) LookupSRV(context.Context, string, string, string) (string, []*net.SRV, error) {
	return "", nil, f.err
}

func (f failing) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, f.err
}

// rdata of a NAPTR record: order 50, preference 51, "s", "SIP+D2U", "", _sip._udp.example.
var rdata = append([]byte{0, 50, 0, 51, 1, 's', 7}, "SIP+D2U\x00\x04_sip\x04_udp\x07example\x00"...)

func TestNAPTRFromANameServer(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1024)
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if err := query.Unpack(buf[:n]); err != nil {
			t.Error(err)
			return
		}
		answer := dnsmessage.Message{Header: query.Header, Questions: query.Questions, Answers: []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: query.Questions[0].Name, Class: dnsmessage.ClassINET},
			Body:   &dnsmessage.UnknownResource{Type: typeNAPTR, Data: rdata},
		}}}
		answer.Response = true
		packet, _ := answer.Pack()
		answer.ID++ // somebody guesses
		forged, _ := answer.Pack()
		_, _ = pc.WriteTo(forged, from)
		_, _ = pc.WriteTo(packet, from)
	}()
	r := SystemResolver{Servers: func() []string { return []string{pc.LocalAddr().String()} }}
	got, err := r.LookupNAPTR(t.Context(), "carrier.example")
	want := []NAPTR{{50, 51, "s", "SIP+D2U", "_sip._udp.example"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	<-done
	_ = pc.Close()
	start := time.Now()
	if _, err := r.LookupNAPTR(t.Context(), "carrier.example"); err == nil || time.Since(start) > 3*naptrTime {
		t.Errorf("a server that is gone: %v after %v", err, time.Since(start))
	}
}

func FuzzNAPTR(f *testing.F) {
	f.Add(rdata)
	f.Add([]byte{0, 1, 0, 1, 0, 0, 0, 0})
	f.Add([]byte{0, 1, 0, 1, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, ok := readNAPTR(data); ok && r.Replacement == "" {
			t.Error("a record without a name")
		}
	})
}
