package call

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// desk is a reception that lets everybody in as a test wants it.
type desk struct {
	mu      sync.Mutex
	visit   Visit
	verdict func(req *sip.Request) Admission // instead of visit
	err     error                            // of Leg
	present bool
	asked   []string      // rooms
	came    []Visit       // asked for
	hold    chan struct{} // Leg waits for it

	transfer func(Transfer) (string, error)
	wish     Transfer // the last one
}

func (d *desk) Transfer(_ context.Context, t Transfer) (string, error) {
	d.mu.Lock()
	d.wish = t
	f := d.transfer
	d.mu.Unlock()
	return f(t)
}

func (d *desk) Admit(req *sip.Request) Admission {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.verdict != nil {
		return d.verdict(req)
	}
	if req.Method != sip.INVITE {
		return Admission{}
	}
	v := d.visit
	return Admission{Visit: &v}
}

func (d *desk) Leg(ctx context.Context, v Visit, room string) (Grant, error) {
	if d.hold != nil {
		select {
		case <-d.hold:
		case <-ctx.Done():
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked, d.came = append(d.asked, room), append(d.came, v)
	if d.err != nil {
		return Grant{}, d.err
	}
	return Grant{ID: "c_1", Room: room, Present: d.present, Leg: wire.Leg{
		Media: sfuMedia, SSRCFromPhone: 7, SSRCToPhone: 8, MaxRing: 60, MaxDuration: 7200,
	}}, nil
}

func (d *desk) rooms() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

// reception is a bridge with a desk, whose trunk is counted.
func reception(t *testing.T, edit ...func(*desk)) (*bridge, *desk) {
	t.Helper()
	b := newBridge(t)
	b.table = trunk.NewTable([]trunk.Trunk{{ID: "tr_in", Enabled: true, Host: "127.0.0.1", Prefixes: []string{""}, Codecs: []wire.Codec{wire.PCMA, wire.PCMU}, MaxCalls: 10}}, b.clock.Now)
	slot, err := b.table.First("610", "")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{visit: Visit{Caller: "+4989654321", Called: "+4930123400", Trunk: slot.Trunk, Slot: slot, Line: Line{Room: "reception", Wait: time.Minute}}}
	for _, f := range edit {
		f(d)
	}
	b.agent.Attend(d)
	return b, d
}

// caller is a far end that calls us.
type caller struct {
	*carrier
	b      *bridge
	branch string
	cseq   int
	tag    string // ours, once known
	remote string // our Contact
}

// to sends bytes to the bridge.
func (c *caller) to(raw []byte) {
	c.t.Helper()
	if c.network == "udp" {
		if _, err := c.pc.WriteTo(raw, udpAddrOf(c.b)); err != nil {
			c.t.Fatal(err)
		}
		return
	}
	c.mu.Lock()
	conn := c.conns[0]
	c.mu.Unlock()
	if _, err := conn.Write(raw); err != nil {
		c.t.Fatal(err)
	}
}

func (c *caller) compose(method string, cseq int, branch, body string, headers ...string) []byte {
	var b bytes.Buffer
	uri := "sip:+4930123400@127.0.0.1"
	if c.remote != "" && method != "CANCEL" {
		uri = c.remote
	}
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", method, uri)
	fmt.Fprintf(&b, "Via: SIP/2.0/%s %s;branch=%s;rport\r\n", strings.ToUpper(c.network), c.addr, branch)
	fmt.Fprintf(&b, "From: \"Caller\" <sip:+4989654321@127.0.0.1>;tag=theirs\r\nTo: <sip:+4930123400@127.0.0.1>")
	if c.tag != "" && method != "CANCEL" {
		fmt.Fprintf(&b, ";tag=%s", c.tag)
	}
	fmt.Fprintf(&b, "\r\nCall-ID: inbound@test\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n%s\r\n", cseq, method, c.contactLine())
	for _, h := range headers {
		fmt.Fprintf(&b, "%s\r\n", h)
	}
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.Bytes()
}

// calls sends the INVITE.
func calls(b *bridge, far *carrier, body string, headers ...string) *caller {
	b.t.Helper()
	c := &caller{carrier: far, b: b, branch: "z9hG4bKin1", cseq: 1}
	if far.network == "tcp" {
		far.dial(b)
	}
	c.to(c.compose("INVITE", 1, c.branch, body, headers...))
	return c
}

// hears waits for a response to the INVITE and notes our tag.
func (c *caller) hears(status int) *sip.Response {
	c.t.Helper()
	res := c.response(status)
	if tag, ok := res.To().Params.Get("tag"); ok && status > 100 {
		if c.tag != "" && c.tag != tag {
			c.t.Errorf("a response has another tag than the one before")
		}
		c.tag = tag
	}
	if res.Contact() != nil {
		c.remote = res.Contact().Address.String()
	}
	return res
}

// ask sends a request in the dialog.
func (c *caller) ask(method, body string, headers ...string) {
	c.cseq++
	c.to(c.compose(method, c.cseq, fmt.Sprintf("z9hG4bKin%d", c.cseq), body, headers...))
}

func (c *caller) ack(body string) { c.to(c.compose("ACK", 1, "z9hG4bKinack", body)) }

// hangsUp ends the answered call.
func (c *caller) hangsUp() {
	c.t.Helper()
	c.ask("BYE", "")
	c.response(200)
	c.b.ended(wire.HangupPhone)
	c.b.over()
}
