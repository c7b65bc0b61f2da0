package sign

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"os"
	"sync/atomic"
)

// Pinned returns how to speak TLS with the sfu on this host or network: its
// certificate names the public host, and not the address it is asked at here, so
// it is held against the PEM file of the settings instead, which is stricter. The
// file is read again for every connection. When it has been renewed, the
// certificate before is good until the sfu shows the new one. Errors: a file
// without a certificate.
func Pinned(path string) (*tls.Config, error) {
	first, err := certificateOf(path)
	if err != nil {
		return nil, err
	}
	var known atomic.Pointer[[]byte] // what the sfu has shown last
	known.Store(&first)
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return errNotPinned
			}
			shown := s.PeerCertificates[0].Raw
			if bytes.Equal(shown, *known.Load()) {
				return nil
			}
			wanted, err := certificateOf(path)
			if err != nil {
				return err
			}
			if !bytes.Equal(shown, wanted) {
				return errNotPinned
			}
			known.Store(&shown)
			return nil
		},
	}, nil
}

var errNotPinned = errors.New("the sfu does not show the certificate of the settings; has it been reloaded?")

// certificateOf returns the first certificate of a PEM file, in DER.
func certificateOf(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return block.Bytes, nil
		}
	}
	return nil, errors.New("no certificate in it")
}
