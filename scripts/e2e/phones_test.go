package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
	"dialroom/scripts/carrier/ua"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
)

// Two telephones and no browser: a script calls both into one room, where each
// hears the other. One is the demo carrier's, the other baresip, which was written by
// others, in ways of its own.
func TestBaresipIsUnderstoodHoweverItSpeaks(t *testing.T) {
	secure := []string{"module srtp.so"}
	for _, c := range []struct {
		name   string
		phone  manner
		trunk  func(*config.Trunk)
		tls    bool
		secure bool // SRTP is what they must agree on
	}{
		{"G.722", manner{codec: "G722/16000/1", config: []string{"module g722.so"}}, nil, false, false},
		{"SRTP is required", manner{account: ";mediaenc=srtp-mand", config: secure}, func(t *config.Trunk) { t.SRTP = "required" }, false, true},
		{"SRTP is optional, and the phone likes it", manner{account: ";mediaenc=srtp", config: secure}, func(t *config.Trunk) { t.SRTP = "optional" }, false, true},
		{"SRTP is optional, and the phone has none", manner{}, func(t *config.Trunk) { t.SRTP = "optional" }, false, false},
		{"TLS, SRTP and G.722", manner{account: ";mediaenc=srtp-mand", codec: "G722/16000/1", config: append([]string{"module g722.so"}, secure...)},
			func(t *config.Trunk) { t.SRTP = "required" }, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var authority string
			if c.tls {
				var certificate string
				authority, certificate = certificates(t, hostIP(t))
				c.phone.config = append(c.phone.config, "sip_certificate "+certificate, "sip_cafile "+authority)
				c.phone.account += ";transport=tls"
			}
			log := said(t)
			phone := startBaresip(t, log, "610", c.phone)
			host := hostIP(t)
			w := newWorld(t, options{carrier: func(c *ua.Config) { c.UDP, c.TCP = host+":0", "" }, settings: func(cfg *config.Config) {
				_, port, _ := net.SplitHostPort(cfg.Bridge.SIP.UDP)
				cfg.Bridge.SIP.UDP, cfg.Bridge.SIP.TCP = "0.0.0.0:"+port, ""
				cfg.SFU.EmptyRoomGrace = time.Minute // nobody comes with a browser
				desk := stack.Trunk("tr_desk", phone.address, "udp")
				desk.Codecs = []string{"G722", "PCMA"}
				if c.tls {
					cfg.Bridge.SIP.TLS, cfg.Bridge.SIP.TLSCA = "0.0.0.0:0", authority
					desk.Transport, desk.Host = "tls", phone.tlsAddress(t)
				}
				if c.trunk != nil {
					c.trunk(&desk)
				}
				cfg.Trunks = append(cfg.Trunks, desk)
			}})
			attempt := 0
			atLeastOnce(t, func() []string {
				if attempt++; attempt > 1 {
					// Its greeting is over after a while, and with it the call.
					eventually(t, patience, "baresip has hung up", func() bool {
						return strings.Count(log.String(), "terminated (duration") == attempt-1
					})
					phone.forget(t)
				}
				for number, trunk := range map[string]string{"601": "tr_demo", "610": "tr_desk"} {
					if out, err := w.dialScript(w.stack.Secret(stack.ScriptKey), number, fmt.Sprintf("desk %d", attempt), trunk); err != nil {
						t.Fatalf("dial.sh: %v\n%s", err, out)
					}
				}
				far := w.call("601", attempt-1)
				eventually(t, patience, "both phones have heard seven seconds", func() bool {
					return phone.listened(t) > 7*time.Second && len(far.Heard().PCM()) > 7*audio.Rate
				})
				return append(unfollowed(t, "baresip", speech.Greeting(), phone.heard(t)),
					unfollowed(t, "the carrier's phone", speech.Greeting(), far.Heard().PCM())...)
			})
			if strings.Contains(log.String(), "SRTP is Enabled") != c.secure {
				t.Errorf("SRTP is in use: %v, want %v", !c.secure, c.secure)
			}
		})
	}
}

// tlsAddress is where baresip takes SIP over TLS: one port above.
func (b *baresip) tlsAddress(t *testing.T) string {
	t.Helper()
	host, port, err := net.SplitHostPort(b.address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(host, big.NewInt(int64(n+1)).String())
}

// certificates makes an authority and a certificate of it with its key, both as PEM files.
func certificates(t *testing.T, host string) (authority, certificate string) {
	t.Helper()
	dir := t.TempDir()
	now := time.Now()
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, IPAddresses: []net.IP{net.ParseIP(host)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	write := func(name string, blocks ...*pem.Block) string {
		var b []byte
		for _, block := range blocks {
			b = append(b, pem.EncodeToMemory(block)...)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	signed := func(c *x509.Certificate, key *ecdsa.PrivateKey) *pem.Block {
		der, err := x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, caKey)
		if err != nil {
			t.Fatal(err)
		}
		return &pem.Block{Type: "CERTIFICATE", Bytes: der}
	}
	key, err := x509.MarshalPKCS8PrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return write("authority.pem", signed(ca, caKey)),
		write("phone.pem", signed(leaf, own), &pem.Block{Type: "PRIVATE KEY", Bytes: key})
}

// said is a log book that is shown when the test fails.
func said(t *testing.T) *logBook {
	l := &logBook{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what baresip said:\n%s", l)
		}
	})
	return l
}
