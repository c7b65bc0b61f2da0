package call

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// carrier is a far end that says exactly what a test tells it to, over a real
// socket, and has no transactions: what it does not send is not sent.
type carrier struct {
	t       *testing.T
	network string
	addr    netip.AddrPort
	got     chan incoming
	seen    map[string]bool // requests by branch and method
	pc      net.PacketConn
	ln      net.Listener

	mu    sync.Mutex
	conns []net.Conn
	wg    sync.WaitGroup
}

// incoming is a message and the way back.
type incoming struct {
	msg   sip.Message
	reply func([]byte)
}

func newCarrier(t *testing.T, network string) *carrier {
	t.Helper()
	c := &carrier{t: t, network: network, got: make(chan incoming, 64), seen: make(map[string]bool)}
	if network == "udp" {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.pc, c.addr = pc, addrPort(pc.LocalAddr())
		c.wg.Go(c.readUDP)
	} else {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c.ln, c.addr = ln, addrPort(ln.Addr())
		c.wg.Go(c.accept)
	}
	t.Cleanup(c.close)
	return c
}

func (c *carrier) close() {
	if c.pc != nil {
		_ = c.pc.Close()
	}
	if c.ln != nil {
		_ = c.ln.Close()
	}
	c.mu.Lock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
	c.mu.Unlock()
	c.wg.Wait()
}

func (c *carrier) readUDP() {
	buf := make([]byte, 65536)
	for {
		n, from, err := c.pc.ReadFrom(buf)
		if err != nil {
			return
		}
		c.take(bytes.Clone(buf[:n]), func(b []byte) { _, _ = c.pc.WriteTo(b, from) })
	}
}

func (c *carrier) accept() {
	for {
		conn, err := c.ln.Accept()
		if err != nil {
			return
		}
		c.serve(conn)
	}
}

func (c *carrier) serve(conn net.Conn) {
	c.mu.Lock()
	c.conns = append(c.conns, conn)
	c.mu.Unlock()
	c.wg.Go(func() {
		r := bufio.NewReader(conn)
		for {
			raw, err := readStream(r)
			if err != nil {
				return
			}
			c.take(raw, func(b []byte) { _, _ = conn.Write(b) })
		}
	})
}

// readStream reads one message by its Content-Length.
func readStream(r *bufio.Reader) ([]byte, error) {
	var raw []byte
	length := 0
	for {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if len(raw) == 0 && len(bytes.TrimSpace(line)) == 0 {
			continue // a keep-alive, RFC 5626 §3.5.1
		}
		raw = append(raw, line...)
		if name, value, ok := strings.Cut(string(line), ":"); ok && strings.EqualFold(name, "Content-Length") {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
		if len(bytes.TrimSpace(line)) == 0 {
			body := make([]byte, length)
			_, err := io.ReadFull(r, body)
			return append(raw, body...), err
		}
	}
}

func (c *carrier) take(raw []byte, reply func([]byte)) {
	msg, err := sip.ParseMessage(raw)
	if err != nil {
		c.t.Errorf("the bridge sent something unreadable: %v\n%s", err, raw)
		return
	}
	c.got <- incoming{msg, reply}
}

// dialogue is one INVITE as the carrier sees it.
type dialogue struct {
	*carrier
	invite *sip.Request
	reply  func([]byte)
	cseq   int
}

// next returns the next message, skipping requests sent again.
func (c *carrier) next(what string) incoming {
	c.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case in := <-c.got:
			if req, ok := in.msg.(*sip.Request); ok && req.Method != sip.ACK {
				branch, _ := req.Via().Params.Get("branch")
				key := branch + string(req.Method)
				if c.seen[key] {
					continue
				}
				c.seen[key] = true
			}
			return in
		case <-deadline:
			c.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// request waits for a request of this method, and fails on anything else.
func (c *carrier) request(method sip.RequestMethod) (*sip.Request, func([]byte)) {
	c.t.Helper()
	in := c.next(string(method))
	req, ok := in.msg.(*sip.Request)
	if !ok || req.Method != method {
		c.t.Fatalf("waited for %s, got %s", method, strings.SplitN(in.msg.String(), "\r\n", 2)[0])
	}
	return req, in.reply
}

// response waits for a response with this status.
func (c *carrier) response(status int) *sip.Response {
	c.t.Helper()
	for {
		in := c.next(fmt.Sprint(status))
		res, ok := in.msg.(*sip.Response)
		if ok && res.StatusCode == 100 && status != 100 {
			continue // the library's own, when the machine is slow
		}
		if !ok || res.StatusCode != status {
			c.t.Fatalf("waited for a %d, got\n%s", status, in.msg.String())
		}
		return res
	}
}

// nothing checks that no message came.
func (c *carrier) nothing() {
	c.t.Helper()
	select {
	case in := <-c.got:
		c.t.Fatalf("unexpected message:\n%s", in.msg.String())
	default:
	}
}

// invited waits for an INVITE.
func (c *carrier) invited() *dialogue {
	c.t.Helper()
	req, reply := c.request(sip.INVITE)
	return &dialogue{carrier: c, invite: req, reply: reply, cseq: 100}
}

// respond answers a request. tag "" leaves To as it is.
func respond(req *sip.Request, status int, tag, body string, headers ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d Test\r\n", status)
	for _, via := range req.GetHeaders("Via") {
		fmt.Fprintf(&b, "%s\r\n", via.String())
	}
	fmt.Fprintf(&b, "%s\r\n", req.From().String())
	to := req.To().String()
	if tag != "" && !req.To().Params.Has("tag") {
		to += ";tag=" + tag
	}
	fmt.Fprintf(&b, "%s\r\nCall-ID: %s\r\nCSeq: %s\r\n", to, req.CallID().Value(), req.CSeq().Value())
	for _, h := range headers {
		fmt.Fprintf(&b, "%s\r\n", h)
	}
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return []byte(b.String())
}

// contactLine is the carrier's Contact.
func (c *carrier) contactLine() string {
	return fmt.Sprintf("Contact: <sip:carrier@%s;transport=%s>", c.addr, c.network)
}

// say sends a response to the INVITE.
func (d *dialogue) say(status int, tag, body string, headers ...string) {
	d.reply(respond(d.invite, status, tag, body, append([]string{d.contactLine()}, headers...)...))
}

// ask sends a request inside the dialog with our tag.
func (d *dialogue) ask(method, tag, body string, headers ...string) (branch string) {
	d.cseq++
	branch = fmt.Sprintf("z9hG4bKcarrier%d%s", d.cseq, tag)
	d.reply(d.compose(method, tag, body, d.cseq, branch, headers...))
	return branch
}

func (d *dialogue) compose(method, tag, body string, cseq int, branch string, headers ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", method, d.invite.Contact().Address.String())
	fmt.Fprintf(&b, "Via: SIP/2.0/%s %s;branch=%s;rport\r\n", strings.ToUpper(d.network), d.addr, branch)
	fmt.Fprintf(&b, "From: <%s>;tag=%s\r\n", d.invite.To().Address.String(), tag)
	ours, _ := d.invite.From().Params.Get("tag")
	fmt.Fprintf(&b, "To: <%s>;tag=%s\r\n", d.invite.From().Address.String(), ours)
	fmt.Fprintf(&b, "Call-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n", d.invite.CallID().Value(), cseq, method)
	for _, h := range headers {
		fmt.Fprintf(&b, "%s\r\n", h)
	}
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return []byte(b.String())
}

// sdp is a carrier's session description.
func sdp(port int, direction string, codecs ...string) string {
	pts := map[string]string{"PCMU": "0", "PCMA": "8"}
	if len(codecs) == 0 {
		codecs = []string{"PCMA"}
	}
	var list []string
	for _, c := range codecs {
		list = append(list, pts[c])
	}
	return fmt.Sprintf("v=0\r\no=- 1 %d IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %d RTP/AVP %s 101\r\na=rtpmap:101 telephone-event/8000\r\na=%s\r\n",
		port, port, strings.Join(list, " "), direction)
}
