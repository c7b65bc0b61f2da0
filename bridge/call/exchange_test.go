package call

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
)

// accountAt is a trunk that registers with a carrier.
func accountAt(far *carrier) trunk.Trunk {
	return trunk.Trunk{
		ID: "tr_acc", Enabled: true, Register: true, Host: far.addr.String(), Transport: far.network,
		Username: "alice", Password: "secret", CallerID: "+4930123456", DialFormat: trunk.E164,
	}
}

type registered struct {
	granted time.Duration
	err     error
}

// register registers in the background.
func register(b *bridge, e *Envoy, t trunk.Trunk) <-chan registered {
	done := make(chan registered, 1)
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	go func() {
		defer cancel()
		granted, err := e.Register(ctx, t, 10*time.Minute)
		done <- registered{granted, err}
	}()
	return done
}

const challenge = `WWW-Authenticate: Digest realm="carrier", nonce="abc", algorithm=MD5, qop="auth"`

// The story of the client that read only Expires: the carrier grants each
// contact its own time.
func TestRegistrationTakesTheTimeGrantedToItsOwnContact(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		envoy := NewEnvoy(b.agent)
		done := register(b, envoy, accountAt(far))
		first, reply := far.request(sip.REGISTER)
		reply(respond(first, 401, "r", "", challenge))
		second, reply := far.request(sip.REGISTER)
		checks := []struct{ what, got, want string }{
			{"Request-URI", second.Recipient.String(), "sip:" + far.addr.String()},
			{"From", strings.Split(second.From().Value(), ";")[0], "<sip:alice@127.0.0.1>"},
			{"To", second.To().Value(), "<sip:alice@127.0.0.1>"},
			{"Call-ID", second.CallID().Value(), first.CallID().Value()},
			{"Expires", second.GetHeader("Expires").Value(), "600"},
			{"Contact's user", second.Contact().Address.User, "tr_acc"},
		}
		for _, c := range checks {
			if c.got != c.want {
				t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
			}
		}
		if second.CSeq().SeqNo <= first.CSeq().SeqNo {
			t.Errorf("CSeq %d after %d", second.CSeq().SeqNo, first.CSeq().SeqNo)
		}
		if h := second.GetHeader("Authorization"); h == nil || !strings.Contains(h.Value(), `username="alice"`) {
			t.Errorf("no credentials: %v", h)
		}
		reply(respond(second, 200, "r", "", "Expires: 3600",
			"Contact: <sip:other@192.0.2.9>;expires=1800, "+contactWith(second, "expires=120")))
		if got := <-done; got.err != nil || got.granted != 120*time.Second {
			t.Errorf("granted %v, %v", got.granted, got.err)
		}
		// The refresh carries the credentials and counts on.
		done = register(b, envoy, accountAt(far))
		third, reply := far.request(sip.REGISTER)
		if third.CallID().Value() != first.CallID().Value() || third.CSeq().SeqNo <= second.CSeq().SeqNo || third.GetHeader("Authorization") == nil {
			t.Errorf("the refresh is not of the same registration:\n%s", third)
		}
		reply(respond(third, 200, "r", "", "Expires: 90"))
		if got := <-done; got.err != nil || got.granted != 90*time.Second {
			t.Errorf("granted %v, %v by Expires alone", got.granted, got.err)
		}
	})
}

func contactWith(req *sip.Request, param string) string {
	return "<" + req.Contact().Address.String() + ">;" + param
}

func TestRegistrationThatIsNotAmongTheContactsIsNone(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	envoy := NewEnvoy(b.agent)
	done := register(b, envoy, accountAt(far))
	req, reply := far.request(sip.REGISTER)
	reply(respond(req, 200, "r", "", "Contact: <sip:other@192.0.2.9>;expires=1800"))
	if got := <-done; got.err == nil {
		t.Errorf("believed to be registered for %v", got.granted)
	}
}

func TestRegistrationTooBriefIsAskedForLonger(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	envoy := NewEnvoy(b.agent)
	done := register(b, envoy, accountAt(far))
	req, reply := far.request(sip.REGISTER)
	reply(respond(req, 423, "r", "", "Min-Expires: 1800"))
	req, reply = far.request(sip.REGISTER)
	if got := req.GetHeader("Expires").Value(); got != "1800" {
		t.Errorf("asked for %s", got)
	}
	reply(respond(req, 200, "r", "", contactHeader(req)))
	if got := <-done; got.err != nil || got.granted != 1800*time.Second {
		t.Errorf("granted %v, %v", got.granted, got.err)
	}
}

func contactHeader(req *sip.Request) string {
	return "Contact: <" + req.Contact().Address.String() + ">"
}

func TestRegistrationWithAWrongPasswordEndsAndStartsAfresh(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	envoy := NewEnvoy(b.agent)
	for range 2 {
		done := register(b, envoy, accountAt(far))
		for range 2 {
			req, reply := far.request(sip.REGISTER)
			reply(respond(req, 401, "r", "", challenge))
		}
		var refused *refused
		if got := <-done; !errors.As(got.err, &refused) || refused.status != 401 {
			t.Fatalf("got %+v", got)
		}
	}
	far.nothing()
}

func TestRegistrationSaysWhenToComeAgain(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	envoy := NewEnvoy(b.agent)
	done := register(b, envoy, accountAt(far))
	req, reply := far.request(sip.REGISTER)
	reply(respond(req, 503, "r", "", "Retry-After: 120 (busy)"))
	var later *trunk.RetryAfter
	if got := <-done; !errors.As(got.err, &later) || later.Wait != 2*time.Minute {
		t.Fatalf("got %+v", got)
	}
}

func TestRegistrationGoesToTheNextAddressOfTheCarrier(t *testing.T) {
	far := newCarrier(t, "tcp")
	b := newBridge(t, func(c *Config) {
		c.Resolver = names{
			srv: map[string][]string{"_sip._tcp.carrier.example": {"dead.example:" + port(deadTCP(t)), "sip.example:" + port(far.addr)}},
			ip:  map[string]string{"sip.example": "127.0.0.1", "dead.example": "127.0.0.1"},
		}
	})
	acc := accountAt(far)
	acc.Host = "carrier.example"
	done := register(b, NewEnvoy(b.agent), acc)
	req, reply := far.request(sip.REGISTER)
	reply(respond(req, 200, "r", "", "Expires: 300"))
	if got := <-done; got.err != nil || got.granted != 300*time.Second {
		t.Errorf("%+v", got)
	}
}

// deadTCP is an address nobody listens on.
func deadTCP(t *testing.T) netip.AddrPort {
	c := newCarrier(t, "tcp")
	c.close()
	return c.addr
}

func TestSeveralTrunksRegisterAtOnceAndASilentOneHoldsUpNobody(t *testing.T) {
	silent, far := newCarrier(t, "udp"), newCarrier(t, "udp")
	b := newBridge(t)
	other := accountAt(silent)
	other.ID = "tr_silent"
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() { _, _ = NewEnvoy(b.agent).Register(ctx, other, time.Minute); close(gone) }()
	silent.request(sip.REGISTER)
	done := register(b, NewEnvoy(b.agent), accountAt(far))
	req, reply := far.request(sip.REGISTER)
	reply(respond(req, 200, "r", "", "Expires: 300"))
	if got := <-done; got.err != nil {
		t.Error(got.err)
	}
	cancel()
	<-gone
}

func TestProbe(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		up     bool
	}{
		{"200 is somebody", 200, true},
		{"so is 404", 404, true},
		{"so is a challenge, which nobody answers", 401, true},
		{"503 is nobody", 503, false},
		{"408 is a proxy with nobody behind it", 408, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			far := newCarrier(t, "udp")
			b := newBridge(t)
			done := make(chan error, 1)
			go func() { _, err := NewEnvoy(b.agent).Probe(t.Context(), accountAt(far)); done <- err }()
			req, reply := far.request(sip.OPTIONS)
			if req.Recipient.User != "" || req.Contact() == nil {
				t.Errorf("a strange OPTIONS:\n%s", req)
			}
			reply(respond(req, test.status, "o", ""))
			if err := <-done; (err == nil) != test.up {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestOutboundProxyGetsTheRequestsAndTheHostIsInTheURI(t *testing.T) {
	transports(t, func(t *testing.T, b *bridge, far *carrier) {
		b.place("c_1", far, func(tr *trunk.Trunk) { tr.Proxy, tr.Host = tr.Host, "carrier.example" })
		d := far.invited()
		if got := d.invite.Recipient.String(); got != "sip:4989654321@carrier.example" {
			t.Errorf("Request-URI %s", got)
		}
		want := "<sip:" + far.addr.String() + ";lr>"
		if far.network == "tcp" {
			want = "<sip:" + far.addr.String() + ";lr;transport=tcp>"
		}
		if h := d.invite.GetHeader("Route"); h == nil || h.Value() != want {
			t.Errorf("Route %v, want %s", h, want)
		}
		d.say(486, "x", "")
		far.request(sip.ACK)
		b.ended("busy")
		b.over()
	})
}

func TestPrivateCallerIsToldToTheCarrierAlone(t *testing.T) {
	far := newCarrier(t, "udp")
	b := newBridge(t)
	b.place("c_1", far, func(tr *trunk.Trunk) { tr.Private, tr.FromDisplay, tr.FromUser = true, "Secret Ltd", "account" })
	d := far.invited()
	for what, c := range map[string][2]string{
		"From":                {strings.Split(d.invite.From().Value(), ";tag=")[0], `"Anonymous" <sip:anonymous@anonymous.invalid>`},
		"P-Asserted-Identity": {d.invite.GetHeader("P-Asserted-Identity").Value(), "<sip:4930123456@127.0.0.1>"},
		"Privacy":             {d.invite.GetHeader("Privacy").Value(), "id"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %q, want %q", what, c[0], c[1])
		}
	}
	if raw := d.invite.String(); strings.Contains(raw, "Secret Ltd") {
		t.Errorf("the name is told:\n%s", raw)
	}
	d.say(486, "x", "")
	far.request(sip.ACK)
	b.ended("busy")
	b.over()
}
