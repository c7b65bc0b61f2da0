package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"sync/atomic"
	"time"

	"dialroom/shared/config"
)

// certificate is what SIP over TLS shows and believes. The files are read
// again by Reload, as certificates do not live long.
type certificate struct {
	own atomic.Pointer[tls.Certificate]
}

// newCertificate reads the files of the settings. Without any it makes a
// certificate of its own: trunks that are called do not ask for one, and
// whoever calls in and checks has to be given a real one.
func newCertificate(settings *config.Config) (*certificate, *tls.Config, error) {
	c, s := &certificate{}, settings.Bridge.SIP
	if err := c.load(settings); err != nil {
		return nil, nil, err
	}
	cfg := &tls.Config{
		MinVersion:           tls.VersionTLS12,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.own.Load(), nil },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return c.own.Load(), nil },
	}
	if s.TLSCA != "" {
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool() // a box without any
		}
		pem, err := os.ReadFile(s.TLSCA)
		if err != nil {
			return nil, nil, settings.Fail("bridge.sip.tls_ca", "expected a PEM file: %v", err)
		}
		if !roots.AppendCertsFromPEM(pem) {
			return nil, nil, settings.Fail("bridge.sip.tls_ca", "expected a PEM file with certificates, %s has none", s.TLSCA)
		}
		cfg.RootCAs = roots
	}
	return c, cfg, nil
}

// load reads the own certificate. After an error the one before stays.
func (c *certificate) load(settings *config.Config) error {
	s := settings.Bridge.SIP
	var own tls.Certificate
	var err error
	if s.TLSCert == "" {
		if c.own.Load() != nil {
			return nil
		}
		own, err = selfSigned()
	} else {
		own, err = tls.LoadX509KeyPair(s.TLSCert, s.TLSKey)
	}
	if err != nil {
		return settings.Fail("bridge.sip.tls_cert", "expected a certificate and its key: %v", err)
	}
	c.own.Store(&own)
	return nil
}

// selfSigned makes a certificate that nobody has reason to believe.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "dialroom"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(10, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
