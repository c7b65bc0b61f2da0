package call

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// acknowledge sends the carrier's ACK to our answer to its last request.
func (d *dialogue) acknowledge(tag, body string) {
	d.reply(d.compose("ACK", tag, body, d.cseq, fmt.Sprintf("z9hG4bKack%d", d.cseq)))
}

// hangs ends a call from the carrier's side.
func (d *dialogue) hangs(b *bridge) {
	d.ask("BYE", "one", "")
	d.response(200)
	b.ended(wire.HangupPhone)
	b.over()
}

func TestHoldAndResume(t *testing.T) {
	tests := []struct{ name, offer, want string }{
		{"sendonly is answered recvonly", "sendonly", "a=recvonly"},
		{"inactive is answered inactive", "inactive", "a=inactive"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			transports(t, func(t *testing.T, b *bridge, far *carrier) {
				d := talk(t, b, far)
				d.ask("INVITE", "one", sdp(4000, test.offer))
				res := far.response(200)
				if !strings.Contains(string(res.Body()), test.want) {
					t.Errorf("hold answered with\n%s", res.Body())
				}
				if res.Contact() == nil {
					t.Error("the answer has no Contact")
				}
				d.acknowledge("one", "")
				d.ask("INVITE", "one", sdp(4000, "sendrecv"))
				if res := far.response(200); !strings.Contains(string(res.Body()), "a=sendrecv") {
					t.Errorf("resume answered with\n%s", res.Body())
				}
				d.acknowledge("one", "")
				d.hangs(b)
			})
		})
	}
}

func TestHoldPausesTheMediaTimeout(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.ask("INVITE", "one", sdp(4000, "sendonly"))
	far.response(200)
	d.acknowledge("one", "")
	settle(t, b, func(c *Call) bool { return c.reinvite == nil })
	for range 5 {
		b.clock.advance(silenceTime)
		settle(t, b, func(c *Call) bool { return c.timers[silence] != nil })
	}
	d.ask("INVITE", "one", sdp(4000, "sendrecv"))
	far.response(200)
	d.acknowledge("one", "")
	settle(t, b, func(c *Call) bool { return c.reinvite == nil })
	b.clock.advance(silenceTime - time.Second)
	if c, _ := b.agent.Call("c_1"); c.State != wire.Answered {
		t.Fatalf("the call is %s right after it was resumed", c.State)
	}
	b.clock.advance(silenceTime)
	b.ended(wire.MediaLost)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestReinviteToAnotherCodecIsReported(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.ask("INVITE", "one", sdp(4000, "sendrecv", "PCMU"))
	far.response(200)
	if ev := b.event(wire.Answered); ev.Codec != wire.PCMU {
		t.Errorf("reported %+v", ev)
	}
	d.acknowledge("one", "")
	d.hangs(b)
}

func TestReinviteWithoutAnOffer(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		d := talk(t, b, far)
		d.ask("INVITE", "one", "")
		res := far.response(200)
		if body := string(res.Body()); !strings.Contains(body, "m=audio") || !strings.Contains(body, "a=sendrecv") {
			t.Fatalf("no offer of ours:\n%s", body)
		}
		d.acknowledge("one", sdp(4010, "sendrecv", "PCMU"))
		if ev := b.event(wire.Answered); ev.Codec != wire.PCMU {
			t.Errorf("the ACK's answer was not taken: %+v", ev)
		}
		d.hangs(b)
	})
}

func TestAckWithoutTheAnswerItOwesEndsTheCall(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.ask("INVITE", "one", "")
	far.response(200)
	d.acknowledge("one", "")
	b.ended(wire.TrunkFailed)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestAnswerToAReinviteIsRepeatedUntilTheACK(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		d := talk(t, b, far)
		d.ask("INVITE", "one", sdp(4000, "sendrecv"))
		first := far.response(200)
		b.clock.advance(t1)
		if second := far.response(200); second.String() != first.String() {
			t.Errorf("repeated as\n%s", second)
		}
		b.clock.advance(2 * t1)
		far.response(200)
		d.acknowledge("one", "")
		settle(t, b, func(c *Call) bool { return c.reinvite == nil && c.timers[ackWait] == nil })
		d.hangs(b)
	})
}

func TestReinviteThatIsNeverACKedEndsTheCall(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.ask("INVITE", "one", sdp(4000, "sendonly"))
	far.response(200)
	for wait := t1; ; wait = min(2*wait, t2) {
		b.clock.advance(wait)
		in := far.next("a repeated 200 or BYE")
		if bye, ok := in.msg.(*sip.Request); ok {
			in.reply(respond(bye, 200, "", ""))
			break
		}
	}
	b.ended(wire.TrunkFailed)
	b.over()
}

func TestUnusableOfferLeavesTheCallAsItWas(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		d := talk(t, b, far)
		branch := d.ask("INVITE", "one", "v=0\r\nthis is no SDP")
		far.response(488)
		d.reply(d.compose("ACK", "one", "", d.cseq, branch))
		d.ask("UPDATE", "one", sdp(4000, "sendrecv"))
		far.response(200)
		d.hangs(b)
	})
}

func TestUpdate(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		d := talk(t, b, far)
		d.ask("UPDATE", "one", "") // a session refresh
		if res := far.response(200); len(res.Body()) != 0 {
			t.Errorf("a refresh was answered with SDP:\n%s", res.Body())
		}
		d.ask("UPDATE", "one", sdp(4000, "sendonly"))
		if res := far.response(200); !strings.Contains(string(res.Body()), "a=recvonly") {
			t.Errorf("hold by UPDATE answered with\n%s", res.Body())
		}
		d.hangs(b)
	})
}

func TestRequestsInTheDialog(t *testing.T) {
	tests := []struct {
		name, method, tag, body string
		headers                 []string
		want                    int
	}{
		{"INFO is fine", "INFO", "one", "", nil, 200},
		{"OPTIONS tells what we can do", "OPTIONS", "one", "", nil, 200},
		{"a known method we do not do is 405", "SUBSCRIBE", "one", "", nil, 405},
		{"PRACK for nothing is 481", "PRACK", "one", "", nil, 481},
		{"an unknown method is 501", "FROBNICATE", "one", "", nil, 501},
		{"an unknown tag is 481", "BYE", "other", "", nil, 481},
		{"an extension nobody announced is 420", "UPDATE", "one", "", []string{"Require: timer, gruu"}, 420},
		{"a body that is no SDP is 415", "INVITE", "one", "", []string{"Content-Type: text/plain", "Content-Length: 2\r\n\r\nhi"}, 415},
	}
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			branch := d.ask(test.method, test.tag, test.body, test.headers...)
			res := far.response(test.want)
			switch test.want {
			case 405:
				if res.GetHeader("Allow") == nil {
					t.Error("405 without Allow")
				}
			case 420:
				if h := res.GetHeader("Unsupported"); h == nil || h.Value() != "gruu" {
					t.Errorf("Unsupported: %v", h)
				}
			}
			if test.method == "INVITE" {
				d.reply(d.compose("ACK", test.tag, "", d.cseq, branch))
			}
		})
	}
	d.hangs(b)
}

func TestRequestOutOfOrderIs500(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.ask("UPDATE", "one", "")
	far.response(200)
	d.reply(d.compose("UPDATE", "one", "", 50, "z9hG4bKold"))
	far.response(500)
	d.hangs(b)
}

func TestReinviteThatOvertakesTheACKOfTheOneBefore(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.ask("INVITE", "one", sdp(4000, "sendonly"))
	far.response(200)
	first := d.cseq
	d.ask("INVITE", "one", sdp(4000, "sendrecv"))
	far.response(200)
	d.reply(d.compose("ACK", "one", "", first, "z9hG4bKack"))
	d.acknowledge("one", "")
	settle(t, b, func(c *Call) bool { return c.reinvite == nil })
	d.hangs(b)
}

func TestReinviteWhileOurOfferWaitsForItsAnswerIs500(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	d := talk(t, b, far)
	d.ask("INVITE", "one", "")
	far.response(200)
	first := d.cseq
	d.ask("INVITE", "one", sdp(4002, "sendrecv"))
	if res := far.response(500); res.GetHeader("Retry-After") == nil {
		t.Error("no Retry-After")
	}
	d.reply(d.compose("ACK", "one", sdp(4000, "sendrecv"), first, "z9hG4bKack"))
	settle(t, b, func(c *Call) bool { return c.reinvite == nil })
	d.hangs(b)
}

func TestReinviteBeforeTheAnswerIs491(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	d.say(180, "one", "")
	b.event(wire.Ringing)
	branch := d.ask("INVITE", "one", sdp(4000, "sendrecv"))
	far.response(491)
	d.reply(d.compose("ACK", "one", "", d.cseq, branch))
	d.ask("UPDATE", "one", sdp(4000, "sendrecv"))
	far.response(491)
	d.ask("UPDATE", "one", "")
	far.response(200)
	d.say(486, "one", "")
	far.request(sip.ACK)
	b.ended(wire.Busy)
	b.over()
}

func TestByeThatOvertakesTheAnswer(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far)
	d := far.invited()
	d.ask("BYE", "one", "")
	far.response(200)
	b.ended(wire.HangupPhone)
	d.say(200, "one", sdp(4000, "sendrecv"))
	far.request(sip.ACK)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 481, "", ""))
	b.over()
}

func TestByesThatCross(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		d := talk(t, b, far)
		if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
			t.Fatal(err)
		}
		b.ended(wire.HangupRoom)
		bye, reply := far.request(sip.BYE)
		d.ask("BYE", "one", "")
		far.response(200)
		reply(respond(bye, 481, "", ""))
		b.over()
	})
}

// stranger sends raw text to the bridge over UDP and returns the answer's
// status, or 0 when there must be none.
func stranger(t *testing.T, b *bridge, text string) *sip.Response {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(b.agent.UDPAddr()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\n", "\r\n"), "{me}", conn.LocalAddr().String())
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	msg, err := sip.ParseMessage(buf[:n])
	if err != nil {
		t.Fatal(err)
	}
	return msg.(*sip.Response)
}

const outside = "%s sip:610@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP {me};branch=z9hG4bK%s;rport\n" +
	"From: <sip:a@example.net>;tag=1\nTo: <sip:610@127.0.0.1>%s\nCall-ID: outside\nCSeq: 1 %s\nContent-Length: 0\n\n"

func TestRequestsOutsideAnyDialog(t *testing.T) {
	tests := []struct {
		name, method, to string
		want             int
	}{
		{"an OPTIONS ping is answered", "OPTIONS", "", 200},
		{"BYE for no dialog is 481", "BYE", ";tag=x", 481},
		{"BYE without a tag is 481", "BYE", "", 481},
		{"INVITE for no dialog is 481", "INVITE", ";tag=x", 481},
		{"CANCEL for no INVITE is 481", "CANCEL", "", 481},
		{"REGISTER is not for us", "REGISTER", "", 405},
		{"MESSAGE is not for us", "MESSAGE", "", 405},
		{"an unknown method is 501", "FROBNICATE", "", 501},
	}
	b := newBridge(t)
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res := stranger(t, b, fmt.Sprintf(outside, test.method, fmt.Sprint(i), test.to, test.method))
			if res.StatusCode != test.want {
				t.Errorf("got %d, want %d", res.StatusCode, test.want)
			}
		})
	}
}

func TestMalformedRequestIs400(t *testing.T) {
	b := newBridge(t)
	text := fmt.Sprintf(outside, "OPTIONS", "1", "", "INVITE") // CSeq of another method
	if res := stranger(t, b, text); res.StatusCode != 400 {
		t.Errorf("got %d", res.StatusCode)
	}
}
