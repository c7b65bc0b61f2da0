package sign

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

func TestARenewedCertificateIsWaitedForAndAStrangersIsNot(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "cert.pem")
	write := func(raw string) {
		t.Helper()
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(raw)}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("spring")
	pinned, err := Pinned(file)
	if err != nil {
		t.Fatal(err)
	}
	shows := func(raw string, want bool) {
		t.Helper()
		err := pinned.VerifyConnection(tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Raw: []byte(raw)}}})
		if (err == nil) != want {
			t.Errorf("the sfu shows %q: %v", raw, err)
		}
	}
	shows("spring", true)
	shows("a stranger's", false)
	write("autumn") // the sfu has not read it yet
	shows("spring", true)
	shows("autumn", true)
	shows("spring", false) // it was replaced
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	shows("autumn", true)
	shows("a stranger's", false)
	if err := pinned.VerifyConnection(tls.ConnectionState{}); err == nil {
		t.Error("no certificate at all was taken")
	}
}

func TestAFileWithoutACertificateIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := Pinned(filepath.Join(t.TempDir(), "none.pem")); err == nil {
		t.Error("a missing file was taken")
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Pinned(file); err == nil {
		t.Error("a key was taken for a certificate")
	}
}
