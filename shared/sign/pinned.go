package sign

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"os"
)

// Pinned returns how to speak TLS with the sfu on this host or network: its
// certificate names the public host, and not the address it is asked at here, so
// it is held against the PEM file of the settings instead, which is stricter. The
// file is read again for every connection. Errors: a file without a certificate.
func Pinned(path string) (*tls.Config, error) {
	if _, err := certificateOf(path); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(s tls.ConnectionState) error {
			want, err := certificateOf(path)
			if err != nil {
				return err
			}
			if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, want) {
				return errors.New("the sfu does not show the certificate of the settings; has it been reloaded?")
			}
			return nil
		},
	}, nil
}

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
