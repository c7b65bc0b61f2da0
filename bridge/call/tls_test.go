package call

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

// authority makes certificates for a test.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, _ = x509.ParseCertificate(der)
	return a
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// certify returns a certificate for a name or an address.
func (a *authority) certify(name string) tls.Certificate {
	a.t.Helper()
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// newTLSCarrier is a carrier that speaks TLS with this configuration.
func newTLSCarrier(t *testing.T, cfg *tls.Config) *carrier {
	t.Helper()
	c := &carrier{t: t, network: tlsNetwork, got: make(chan incoming, 64), seen: make(map[string]bool)}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.ln, c.addr = ln, addrPort(ln.Addr())
	c.wg.Go(c.accept)
	t.Cleanup(c.close)
	return c
}

// secure is a bridge that listens on TLS too and believes ca. The name
// carrier.example leads to the loopback address.
func secure(t *testing.T, ca *authority) *bridge {
	own := ca.certify("bridge.example")
	return newBridge(t, func(c *Config) {
		c.TLS = "127.0.0.1:0"
		c.TLSConfig = &tls.Config{
			RootCAs: ca.pool(), Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12,
		}
		c.Resolver = names{ip: map[string]string{"carrier.example": "127.0.0.1"}}
	})
}

func onCarrierExample(far *carrier) func(*trunk.Trunk) {
	return func(tr *trunk.Trunk) { tr.Host = "carrier.example:" + port(far.addr) }
}

func TestCallOverTLSFromInviteToBye(t *testing.T) {
	ca := newAuthority(t)
	far := newTLSCarrier(t, &tls.Config{Certificates: []tls.Certificate{ca.certify("carrier.example")}})
	b := secure(t, ca)
	b.place("c_1", far, onCarrierExample(far))
	d := far.invited()
	local := b.agent.TLSAddr()
	if got, want := d.invite.Contact().Value(), "<sip:dialroom@"+local.String()+";transport=tls>"; got != want {
		t.Errorf("Contact %s, want %s", got, want)
	}
	if via := d.invite.Via(); via.Transport != "TLS" || via.Port != int(local.Port()) {
		t.Errorf("Via %s", via.Value())
	}
	// The Contact is an address, which no certificate names: the ACK goes by
	// the connection that is there.
	d.say(200, "one", sdp(4000, "sendrecv"))
	far.request(sip.ACK)
	b.event(wire.Answered)
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
	far.mu.Lock()
	defer far.mu.Unlock()
	if len(far.conns) != 1 {
		t.Errorf("%d connections for one call", len(far.conns))
	}
}

// The story of the BYE over TLS that went nowhere: the connection broke during
// the call, and the Contact is an address no certificate names.
func TestByeOverTLSFindsItsWayAfterTheConnectionBroke(t *testing.T) {
	ca := newAuthority(t)
	far := newTLSCarrier(t, &tls.Config{Certificates: []tls.Certificate{ca.certify("carrier.example")}})
	b := secure(t, ca)
	talk(t, b, far, onCarrierExample(far))
	far.mu.Lock()
	_ = far.conns[0].Close()
	far.mu.Unlock()
	waitFor(t, "the connection to be forgotten", func() bool {
		_, open := b.agent.conns.to(tlsNetwork, far.addr)
		return !open
	})
	if err := b.agent.Hangup("c_1", wire.HangupRoom); err != nil {
		t.Fatal(err)
	}
	b.ended(wire.HangupRoom)
	bye, reply := far.request(sip.BYE)
	reply(respond(bye, 200, "", ""))
	b.over()
}

func TestCertificateThatIsNotTheCarriersPlacesNoCall(t *testing.T) {
	ca := newAuthority(t)
	for name, cert := range map[string]tls.Certificate{
		"for another name":       ca.certify("attacker.example"),
		"of another authority":   newAuthority(t).certify("carrier.example"),
		"for the address it has": ca.certify("127.0.0.1"),
	} {
		t.Run(name, func(t *testing.T) {
			far := newTLSCarrier(t, &tls.Config{Certificates: []tls.Certificate{cert}})
			b := secure(t, ca)
			b.place("c_1", far, onCarrierExample(far))
			b.ended(wire.TrunkFailed)
			b.over()
			far.nothing()
		})
	}
}

func TestCarrierThatAsksForOurCertificateGetsIt(t *testing.T) {
	ca := newAuthority(t)
	far := newTLSCarrier(t, &tls.Config{
		Certificates: []tls.Certificate{ca.certify("carrier.example")},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.pool(), MinVersion: tls.VersionTLS12,
	})
	b := secure(t, ca)
	b.place("c_1", far, onCarrierExample(far))
	d := far.invited()
	d.say(486, "x", "")
	far.request(sip.ACK)
	b.ended(wire.Busy)
	b.over()
}

func TestRegistrationOverTLSIsRenewedWhenItsConnectionIsLost(t *testing.T) {
	ca := newAuthority(t)
	far := newTLSCarrier(t, &tls.Config{Certificates: []tls.Certificate{ca.certify("carrier.example")}})
	b := secure(t, ca)
	lost := make(chan string, 1)
	envoy := NewEnvoy(b.agent)
	envoy.OnLost(func(id string) { lost <- id })
	acc := accountAt(far)
	onCarrierExample(far)(&acc)
	done := register(b, envoy, acc)
	req, reply := far.request(sip.REGISTER)
	reply(respond(req, 200, "r", "", "Expires: 300"))
	if got := <-done; got.err != nil {
		t.Fatal(got.err)
	}
	far.mu.Lock()
	_ = far.conns[0].Close()
	far.mu.Unlock()
	select {
	case id := <-lost:
		if id != "tr_acc" {
			t.Errorf("%s has lost its connection", id)
		}
	case <-time.After(patience):
		t.Fatal("nobody noticed")
	}
}

func TestInboundTLSIsAnsweredWithOurCertificate(t *testing.T) {
	ca := newAuthority(t)
	b := secure(t, ca)
	conn, err := tls.Dial("tcp", b.agent.TLSAddr().String(), &tls.Config{RootCAs: ca.pool(), ServerName: "bridge.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	far := &carrier{t: t, network: tlsNetwork, got: make(chan incoming, 8), seen: make(map[string]bool)}
	far.serve(conn)
	t.Cleanup(far.close)
	_, _ = conn.Write([]byte("OPTIONS sip:bridge.example SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1;branch=z9hG4bKx;rport\r\n" +
		"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"))
	far.response(200)
}

func TestKeepAliveIsSentAndOneThatCannotBeSentEndsTheConnection(t *testing.T) {
	far := newCarrier(t, "tcp")
	b := newBridge(t, func(c *Config) { c.KeepAlive = time.Minute })
	done := register(b, NewEnvoy(b.agent), accountAt(far))
	req, reply := far.request(sip.REGISTER)
	reply(respond(req, 200, "r", "", "Expires: 300"))
	if got := <-done; got.err != nil {
		t.Fatal(got.err)
	}
	for range 3 {
		b.clock.advance(time.Minute)
	}
	// The carrier's reader takes CRLF for an empty message, which nothing is.
	waitFor(t, "the connection to be kept", func() bool {
		_, open := b.agent.conns.to("tcp", far.addr)
		return open
	})
	far.close()
	waitFor(t, "the connection to be forgotten", func() bool {
		_, open := b.agent.conns.to("tcp", far.addr)
		return !open
	})
}

func TestConnectionsThatOthersOpenAreBounded(t *testing.T) {
	d := newDoor(nil)
	ip := addrPort(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}).Addr()
	for range maxAcceptedIP {
		if !d.enter(ip) {
			t.Fatal("too few from one address")
		}
	}
	if d.enter(ip) {
		t.Error("one too many from one address")
	}
	other := ip.Next()
	for d.enter(other) {
		other = other.Next()
	}
	if d.all != maxAccepted {
		t.Errorf("%d all together", d.all)
	}
	d.leave(ip)
	if !d.enter(ip) {
		t.Error("no room after one has left")
	}
}
