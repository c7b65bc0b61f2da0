package ua

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"go.uber.org/goleak"

	"dialroom/scripts/carrier/audio"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(os.Exit))
}

// caller is a telephone made of two sockets and text, so that nothing of the
// carrier tests itself.
type caller struct {
	t      *testing.T
	sip    net.Conn
	rtp    *net.UDPConn
	stream *sip.ParserStream // over TCP
	proto  string
	number string
	callID string
	cseq   int
	toTag  string
	remote netip.AddrPort // RTP, from the carrier's SDP
	ready  []sip.Message
	ssrc   uint32
}

const patience = 5 * time.Second

func newCarrier(t *testing.T, change func(*Config)) *Carrier {
	t.Helper()
	cfg := Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0", Record: true}
	if change != nil {
		change(&cfg)
	}
	c, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func newCaller(t *testing.T, c *Carrier, proto, number string) *caller {
	t.Helper()
	conn, err := net.Dial(proto, c.Addr(proto).String())
	if err != nil {
		t.Fatal(err)
	}
	rtp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); rtp.Close() })
	return &caller{
		t: t, sip: conn, rtp: rtp, stream: sip.NewParser().NewSIPStream(), proto: proto, number: number,
		callID: sip.GenerateTagN(12), ssrc: 0x1234,
	}
}

func (p *caller) offer() string {
	at := p.rtp.LocalAddr().(*net.UDPAddr).AddrPort()
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 8 0 101\r\n"+
		"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n",
		at.Addr(), at.Addr(), at.Port())
}

// send writes a request of the dialog; INVITE and BYE take a new CSeq.
func (p *caller) send(method, body string, extra ...string) {
	p.t.Helper()
	if method != "ACK" && method != "CANCEL" {
		p.cseq++
	}
	to := fmt.Sprintf("<sip:%s@carrier.test>", p.number)
	if p.toTag != "" {
		to += ";tag=" + p.toTag
	}
	branch := fmt.Sprintf("z9hG4bK%s%d", p.callID, p.cseq)
	if method == "ACK" {
		branch += "ack" // of a 2xx: a transaction of its own
	}
	lines := append([]string{
		fmt.Sprintf("%s sip:%s@carrier.test SIP/2.0", method, p.number),
		fmt.Sprintf("Via: SIP/2.0/%s %s;branch=%s;rport", strings.ToUpper(p.proto), p.sip.LocalAddr(), branch),
		"From: <sip:tester@127.0.0.1>;tag=t1",
		"To: " + to,
		"Call-ID: " + p.callID,
		fmt.Sprintf("CSeq: %d %s", p.cseq, method),
		fmt.Sprintf("Contact: <sip:tester@%s>", p.sip.LocalAddr()),
		"Max-Forwards: 70",
	}, extra...)
	if body != "" {
		lines = append(lines, "Content-Type: application/sdp")
	}
	lines = append(lines, fmt.Sprintf("Content-Length: %d", len(body)), "", body)
	if _, err := p.sip.Write([]byte(strings.Join(lines, "\r\n"))); err != nil {
		p.t.Fatal(err)
	}
}

// next returns the next message of the carrier.
func (p *caller) next() sip.Message {
	p.t.Helper()
	if err := p.sip.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for len(p.ready) == 0 {
		n, err := p.sip.Read(buf)
		if err != nil {
			p.t.Fatal("no message from the carrier: ", err)
		}
		if p.proto == "udp" {
			msg, err := sip.NewParser().ParseSIP(append([]byte(nil), buf[:n]...))
			if err != nil {
				p.t.Fatal(err)
			}
			p.ready = append(p.ready, msg)
			continue
		}
		err = p.stream.ParseSIPStream(buf[:n], func(m sip.Message) { p.ready = append(p.ready, m) })
		if err != nil && err != sip.ErrParseSipPartial {
			p.t.Fatal(err)
		}
	}
	msg := p.ready[0]
	p.ready = p.ready[1:]
	return msg
}

// response waits for the given status to the given method, past 100 and repetitions.
func (p *caller) response(method string, code int) *sip.Response {
	p.t.Helper()
	for {
		res, ok := p.next().(*sip.Response)
		if !ok || res.CSeq().MethodName.String() != method {
			continue
		}
		if res.StatusCode != code {
			if res.StatusCode == 100 || res.StatusCode == 180 && code != 180 {
				continue
			}
			p.t.Fatalf("%s was answered %d, want %d", method, res.StatusCode, code)
		}
		if tag, ok := res.To().Params.Get("tag"); ok && method == "INVITE" && code < 300 {
			p.toTag = tag
		}
		if len(res.Body()) > 0 {
			o, err := parseOffer(res.Body())
			if err != nil {
				p.t.Fatalf("SDP of the carrier: %v\n%s", err, res.Body())
			}
			p.remote = o.addr
		}
		return res
	}
}

// request waits for a request of the carrier and answers it 200.
func (p *caller) request(method string) *sip.Request {
	p.t.Helper()
	for {
		req, ok := p.next().(*sip.Request)
		if !ok {
			continue
		}
		if req.Method.String() != method {
			p.t.Fatalf("the carrier sent %s, want %s", req.Method, method)
		}
		res := sip.NewResponseFromRequest(req, 200, "OK", nil)
		if _, err := p.sip.Write([]byte(res.String())); err != nil {
			p.t.Fatal(err)
		}
		return req
	}
}

// connect dials and acknowledges the answer.
func (p *caller) connect() *sip.Response {
	p.t.Helper()
	p.send("INVITE", p.offer())
	res := p.response("INVITE", 200)
	p.send("ACK", "")
	return res
}

func (p *caller) hangup() {
	p.t.Helper()
	p.send("BYE", "")
	p.response("BYE", 200)
}

// say sends one RTP packet.
func (p *caller) say(pt uint8, seq uint16, timestamp uint32, payload []byte) {
	p.t.Helper()
	b := []byte{0x80, pt, byte(seq >> 8), byte(seq), byte(timestamp >> 24), byte(timestamp >> 16), byte(timestamp >> 8),
		byte(timestamp), byte(p.ssrc >> 24), byte(p.ssrc >> 16), byte(p.ssrc >> 8), byte(p.ssrc)}
	if _, err := p.rtp.WriteToUDPAddrPort(append(b, payload...), p.remote); err != nil {
		p.t.Fatal(err)
	}
}

// hear receives one RTP packet.
func (p *caller) hear() Packet {
	p.t.Helper()
	if err := p.rtp.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, _, err := p.rtp.ReadFromUDPAddrPort(buf)
	if err != nil {
		p.t.Fatal("no RTP from the carrier: ", err)
	}
	pkt, ok := parseRTP(buf[:n])
	if !ok {
		p.t.Fatal("the carrier sent something that is no RTP")
	}
	return pkt
}

// hearPCM receives n packets and decodes them.
func (p *caller) hearPCM(codec audio.Codec, n int) []int16 {
	p.t.Helper()
	var pcm []int16
	for range n {
		pcm = codec.Decode(pcm, p.hear().Payload)
	}
	return pcm
}

func awaitEvent(t *testing.T, c *Carrier, kind string) Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e, err := c.Await(ctx, func(e Event) bool { return e.Kind == kind })
	if err != nil {
		t.Fatalf("no %s: %v; events: %v", kind, err, c.Events())
	}
	return e
}

func port(t *testing.T, contact string) int {
	t.Helper()
	_, after, _ := strings.Cut(contact, "127.0.0.1:")
	n, err := strconv.Atoi(strings.TrimRight(strings.Split(after, ";")[0], ">"))
	if err != nil {
		t.Fatalf("Contact %q: %v", contact, err)
	}
	return n
}
