package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// provider is a carrier that wants a password before it keeps a registration,
// and calls by it.
type provider struct {
	conn net.PacketConn
	wg   sync.WaitGroup

	mu       sync.Mutex
	contact  *sip.Uri // guarded by mu; of the registration, nil without
	from     net.Addr // guarded by mu; who registered
	probes   int      // guarded by mu
	statuses []int    // guarded by mu; of responses to our INVITE
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{conn: conn}
	p.wg.Go(p.run)
	t.Cleanup(func() {
		_ = conn.Close()
		p.wg.Wait()
	})
	return p
}

func (p *provider) run() {
	buf := make([]byte, 65536)
	for {
		n, from, err := p.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		msg, err := sip.ParseMessage(bytes.Clone(buf[:n]))
		if err != nil {
			continue
		}
		p.mu.Lock()
		switch m := msg.(type) {
		case *sip.Response:
			p.statuses = append(p.statuses, m.StatusCode)
		case *sip.Request:
			res := sip.NewResponseFromRequest(m, 200, "OK", nil)
			switch {
			case m.IsAck():
				res = nil
			case m.Method == sip.OPTIONS:
				p.probes++
			case m.Method == sip.REGISTER && m.GetHeader("Authorization") == nil:
				res = sip.NewResponseFromRequest(m, 401, "Unauthorized", nil)
				res.AppendHeader(sip.NewHeader("WWW-Authenticate", `Digest realm="provider", nonce="1", algorithm=MD5`))
			case m.Method == sip.REGISTER && m.GetHeader("Expires").Value() == "0":
				p.contact = nil
			case m.Method == sip.REGISTER:
				p.contact, p.from = m.Contact().Address.Clone(), from
				res.AppendHeader(sip.NewHeader("Contact", "<"+p.contact.String()+">;expires=120"))
			}
			if res != nil {
				_, _ = p.conn.WriteTo([]byte(res.String()), from)
			}
		}
		p.mu.Unlock()
	}
}

func (p *provider) port() uint16 { return p.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

func (p *provider) registered() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.contact != nil
}

// calls sends an INVITE to the registration.
func (p *provider) calls(number string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"
	_, _ = p.conn.WriteTo(fmt.Appendf(nil, "INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bKin;rport\r\n"+
		"From: <sip:+4989654321@provider>;tag=in\r\nTo: <sip:%s@provider>\r\nCall-ID: in-1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n"+
		"Contact: <sip:provider@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
		p.contact.String(), p.conn.LocalAddr(), number, p.conn.LocalAddr(), len(offer), offer), p.from)
}

func (p *provider) got180() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, status := range p.statuses {
		if status == sip.StatusRinging || status == sip.StatusOK {
			return true
		}
	}
	return false
}

// The story of the bridge that had no registration with its carrier: outbound
// worked, and nobody could call in.
func TestOrdinaryCarrierThatIsRegisteredWithCallsIn(t *testing.T) {
	b := newBridge(t, newCarrier(t, 200))
	p := newProvider(t)
	text := strings.Replace(fmt.Sprintf(settings, t.TempDir(), "http://127.0.0.1:1", 9), "trunks:\n",
		fmt.Sprintf("numbers:\n  - {number: \"+4930123400\", room: reception}\ntrunks:\n"+
			"  - {id: tr_acc, host: \"localhost:%d\", username: alice, password: hush, register: true, priority: 50}\n", p.port()), 1)
	b.write(text)
	b.m.Reload()
	eventually(t, "the registration", p.registered)
	face := func() (w wire.Trunk) {
		var list struct {
			Trunks []wire.Trunk `json:"trunks"`
		}
		if err := json.Unmarshal(b.send(sfuKey, "GET", wire.PathTrunks, "").raw, &list); err != nil {
			t.Fatal(err)
		}
		for _, tr := range list.Trunks {
			if tr.ID == "tr_acc" {
				w = tr
			}
		}
		return w
	}
	eventually(t, "the status", func() bool { return face().Registration == wire.Registered && face().State == "up" })
	p.calls("4930123400")
	eventually(t, "the sfu to be asked for a leg", func() bool {
		for _, leg := range b.room.asked() {
			if leg.Room == "reception" && leg.Direction == "in" && leg.Trunk == "tr_acc" && leg.Number != "" {
				return true
			}
		}
		return false
	})
	eventually(t, "the caller to hear something", p.got180)
	if addr := netip.MustParseAddr("127.0.0.1"); !b.m.trunks.Trusts(addr) {
		t.Error("the carrier is not known by its address")
	}
	b.m.Close()
	if p.registered() {
		t.Error("the registration was not taken back")
	}
}
