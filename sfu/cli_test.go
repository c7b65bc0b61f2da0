package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dialroom/shared/config"
)

func TestWhereTheCommandsFindTheSFU(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", ":8080": "http://127.0.0.1:8080", "0.0.0.0:8080": "http://127.0.0.1:8080",
		"[::]:8080": "http://[::1]:8080", "192.0.2.7:80": "http://192.0.2.7:80", "localhost:8080": "http://localhost:8080",
		"127.0.0.1:0": "", "nowhere": "",
	} {
		base, _, err := clientOf(&config.Config{SFU: config.SFU{Listen: listen}})
		if base != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", listen, base, err)
		}
	}
}

// The key goes to nobody but the sfu of the settings.
func TestTheCommandsTrustTheCertificateOfTheSettingsOnly(t *testing.T) {
	given := 0
	far := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given++
		if r.Header.Get("Authorization") != "Bearer 0123456789abcdef-ops" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		fmt.Fprint(w, `{"data":[],"next":null}`)
	}))
	far.StartTLS()
	defer far.Close()
	dir := t.TempDir()
	write := func(name string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own, other := write("own.pem", far.Certificate().Raw), write("other.pem", append([]byte("x"), far.Certificate().Raw...))
	run := func(cert string) (int, string) {
		text := strings.Replace(settings(dir, "http://127.0.0.1:9", ""), `"127.0.0.1:0"`, fmt.Sprintf("%q\n  tls: {cert: %q, key: unread}\n  api_keys: [{id: ops, key: 0123456789abcdef-ops}]", far.Listener.Addr(), cert), 1)
		var out, errs bytes.Buffer
		return command([]string{"link", "list", "--config", writeSettings(t, text)}, &out, &errs), errs.String()
	}
	if code, errs := run(own); code != 0 || given != 1 {
		t.Errorf("its own certificate: %d %s", code, errs)
	}
	for _, cert := range []string{other, filepath.Join(dir, "none.pem")} {
		if code, errs := run(cert); code != 1 || errs == "" || given != 1 {
			t.Errorf("%s: %d %q", filepath.Base(cert), code, errs)
		}
	}
}

func TestTheCommandsNeedAKey(t *testing.T) {
	var out, errs bytes.Buffer
	path := writeSettings(t, settings(t.TempDir(), "http://127.0.0.1:9", ""))
	if code := command([]string{"explain", "--number", "610", "--config", path}, &out, &errs); code != 1 || !strings.Contains(errs.String(), "sfu.api_keys") {
		t.Errorf("%d %q", code, errs.String())
	}
}
