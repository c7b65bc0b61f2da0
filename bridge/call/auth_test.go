package call

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

func account(t *trunk.Trunk) { t.Username, t.Password = "user", "secret" }

// challengeLine is a challenge as carriers send them.
func challengeLine(header, nonce, extra string) string {
	return fmt.Sprintf(`%s: Digest realm="carrier", nonce="%s", qop="auth, auth-int", algorithm=md5%s`, header, nonce, extra)
}

// verify recomputes a request's credentials.
func verify(t *testing.T, req *sip.Request, header, nonce string, count int) {
	t.Helper()
	h := req.GetHeader(header)
	if h == nil {
		t.Fatalf("%s has no %s", req.Method, header)
	}
	got, err := digest.ParseCredentials(h.Value())
	if err != nil {
		t.Fatal(err)
	}
	if got.Nonce != nonce || got.Nc != count || got.URI != req.Recipient.String() {
		t.Errorf("credentials for nonce %q, count %d, URI %q", got.Nonce, got.Nc, got.URI)
	}
	want, err := digest.Digest(
		&digest.Challenge{Realm: "carrier", Nonce: nonce, QOP: []string{"auth"}, Algorithm: "MD5"},
		digest.Options{Method: req.Method.String(), URI: got.URI, Count: got.Nc, Cnonce: got.Cnonce, Username: "user", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Response != want.Response {
		t.Error("the digest is wrong")
	}
}

func TestDigest(t *testing.T) {
	tests := []struct {
		name           string
		status         int
		header, answer string
	}{
		{"a 401 is answered with Authorization", 401, "WWW-Authenticate", "Authorization"},
		{"a 407 is answered with Proxy-Authorization", 407, "Proxy-Authenticate", "Proxy-Authorization"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			transports(t, func(t *testing.T, b *bridge, far *carrier) {
				b.place("c_1", far, account)
				d := far.invited()
				d.say(test.status, "auth", "", challengeLine(test.header, "n1", ""))
				far.request(sip.ACK)
				again := far.invited()
				if again.invite.CSeq().SeqNo != d.invite.CSeq().SeqNo+1 || again.invite.CallID().Value() != d.invite.CallID().Value() ||
					again.invite.From().Value() != d.invite.From().Value() || again.invite.To().Params.Has("tag") {
					t.Errorf("not the same call once more:\n%s", again.invite)
				}
				if len(again.invite.GetHeaders("Via")) != 1 || again.invite.Via().Value() == d.invite.Via().Value() {
					t.Error("not a new transaction")
				}
				verify(t, again.invite, test.answer, "n1", 1)
				again.say(200, "one", sdp(4000, "sendrecv"))
				ack, _ := far.request(sip.ACK)
				verifySame(t, again.invite, ack, test.answer)
				b.event(wire.Answered)
				if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
					t.Fatal(err)
				}
				b.ended(wire.HangupRoom)
				bye, reply := far.request(sip.BYE)
				verify(t, bye, test.answer, "n1", 2)
				reply(respond(bye, 200, "", ""))
				b.over()
			})
		})
	}
}

func verifySame(t *testing.T, invite, ack *sip.Request, header string) {
	t.Helper()
	if h := ack.GetHeader(header); h == nil || h.Value() != invite.GetHeader(header).Value() {
		t.Errorf("the ACK's credentials are not the INVITE's: %v", h)
	}
}

func TestProxyAndFarEndBothChallenge(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far, account)
	d := far.invited()
	d.say(407, "p", "", challengeLine("Proxy-Authenticate", "p1", ""))
	far.request(sip.ACK)
	d = far.invited()
	d.say(401, "u", "", challengeLine("WWW-Authenticate", "u1", ""))
	far.request(sip.ACK)
	d = far.invited()
	verify(t, d.invite, "Proxy-Authorization", "p1", 2)
	verify(t, d.invite, "Authorization", "u1", 1)
	d.say(486, "u", "")
	far.request(sip.ACK)
	b.ended(wire.Busy)
	b.over()
}

func TestStaleNonceIsReplacedOnce(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far, account)
	far.invited().say(401, "u", "", challengeLine("WWW-Authenticate", "n1", ""))
	far.request(sip.ACK)
	far.invited().say(401, "u", "", challengeLine("WWW-Authenticate", "n2", ", stale=TRUE"))
	far.request(sip.ACK)
	d := far.invited()
	verify(t, d.invite, "Authorization", "n2", 1)
	d.say(401, "u", "", challengeLine("WWW-Authenticate", "n3", ", stale=TRUE"))
	far.request(sip.ACK)
	b.ended(wire.TrunkFailed)
	b.over()
}

func TestPasswordsThatDoNotHelp(t *testing.T) {
	tests := []struct {
		name      string
		edit      func(*trunk.Trunk)
		challenge []string // one per INVITE
	}{
		{"a wrong password is not tried twice", account,
			[]string{challengeLine("WWW-Authenticate", "n1", ""), challengeLine("WWW-Authenticate", "n2", "")}},
		{"without a password there is no second try", func(*trunk.Trunk) {}, []string{challengeLine("WWW-Authenticate", "n1", "")}},
		{"an algorithm nobody knows cannot be answered", account, []string{`WWW-Authenticate: Digest realm="r", nonce="n", algorithm=ROT13`}},
		{"Basic is never answered", account, []string{`WWW-Authenticate: Basic realm="r"`}},
		{"a challenge without a challenge cannot be answered", account, []string{"X-Nothing: here"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			far := newCarrier(t, "udp")
			b := newBridge(t)
			b.place("c_1", far, test.edit)
			for _, challenge := range test.challenge {
				far.invited().say(401, "u", "", challenge)
				far.request(sip.ACK)
			}
			if ev := b.ended(wire.TrunkFailed); ev.Code != 401 {
				t.Errorf("ended %+v", ev)
			}
			b.over()
		})
	}
}

func TestByeIsChallenged(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	talk(t, b, far, account)
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 407, "", "", challengeLine("Proxy-Authenticate", "n1", "")))
	again, reply := far.request(sip.BYE)
	verify(t, again, "Proxy-Authorization", "n1", 1)
	if again.CSeq().SeqNo <= bye.CSeq().SeqNo {
		t.Error("the second BYE has no CSeq of its own")
	}
	reply(respond(again, 200, "", ""))
	b.over()
}

func TestHangupBetweenChallengeAndSecondInvite(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far, account)
	d := far.invited()
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	d.say(401, "u", "", challengeLine("WWW-Authenticate", "n1", ""))
	far.request(sip.ACK)
	b.over()
	far.nothing()
}

func TestSecretsAreNotInTheMessages(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far, account)
	d := far.invited()
	d.say(401, "u", "", challengeLine("WWW-Authenticate", "n1", ""))
	far.request(sip.ACK)
	d = far.invited()
	if strings.Contains(d.invite.String(), "secret") {
		t.Error("the password travels")
	}
	d.say(486, "u", "")
	far.request(sip.ACK)
	b.ended(wire.Busy)
	b.over()
}
