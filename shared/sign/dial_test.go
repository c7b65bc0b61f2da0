package sign

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// script runs scripts/dial.sh against a server that verifies. Curl and openssl are what the script is made of, so a
// machine without them fails here.
func script(t *testing.T, v *Verifier, secret string, args ...string) (bodies []string, out string, code int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, body, err := v.VerifyRequest(r)
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, `{"error":"unauthorized"}`)
			return
		}
		if key.ID != "crm" || r.Method != "POST" || r.URL.Path != "/v1/calls" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("got %s %s %s %v", key.ID, r.Method, r.URL, r.Header)
		}
		bodies = append(bodies, string(body))
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"call":{"id":"c_1","state":"dialing"}}`)
	}))
	defer server.Close()
	cmd := exec.Command("../../scripts/dial.sh", args...)
	cmd.Env = append(cmd.Environ(), "DIALROOM_KEY_ID=crm", "DIALROOM_KEY_SECRET="+secret, "DIALROOM_BRIDGE="+server.URL+"/")
	printed, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return bodies, string(printed), cmd.ProcessState.ExitCode()
}

func TestTheDialScriptSignsWhatTheVerifierAccepts(t *testing.T) {
	for name, secret := range map[string]string{
		"a usual secret":               "a secret of the tests, 32 bytes.",
		"one with everything in it":    "q\"'\\$(x)`%s\t%n é€ \xff 0123456789",
		"one of exactly a block":       strings.Repeat("x", 64),
		"one longer than a block":      strings.Repeat("long", 30),
		"one that looks like a switch": "-n -n -n -n -n -n",
	} {
		t.Run(name, func(t *testing.T) {
			v := newVerifier(t, "", time.Now, Key{ID: "crm", Role: RoleScript, Secret: []byte(secret)})
			bodies, out, code := script(t, v, secret, "+4930123456", "sales")
			if code != 0 || len(bodies) != 1 || bodies[0] != `{"number":"+4930123456","room":"sales"}` ||
				out != `{"call":{"id":"c_1","state":"dialing"}}`+"\n" {
				t.Errorf("exit %d, sent %q, printed %s", code, bodies, out)
			}
		})
	}
}

func TestTheDialScriptEscapesWhatItSends(t *testing.T) {
	v := newVerifier(t, "", time.Now)
	room := `a "b" \n 'c' $HOME %s €/@`
	bodies, out, code := script(t, v, string(testKey().Secret), "610", room, "tr_1")
	var sent struct{ Number, Room, Trunk string }
	if code != 0 || len(bodies) != 1 || json.Unmarshal([]byte(bodies[0]), &sent) != nil {
		t.Fatalf("exit %d, sent %q, printed %s", code, bodies, out)
	}
	if sent.Number != "610" || sent.Room != room || sent.Trunk != "tr_1" {
		t.Errorf("sent %+v", sent)
	}
}

func TestTheDialScriptSaysWhenItFails(t *testing.T) {
	v := newVerifier(t, "", time.Now)
	for name, c := range map[string]struct {
		secret string
		args   []string
		code   int
		want   string
	}{
		"a wrong secret":     {"another secret of 32 bytes......", []string{"610", "r"}, 1, "HTTP status 401"},
		"no room":            {string(testKey().Secret), []string{"610"}, 2, "usage: dial.sh NUMBER ROOM [TRUNK]"},
		"no secret":          {"", []string{"610", "r"}, 2, "DIALROOM_KEY_SECRET is not set"},
		"a room of two rows": {string(testKey().Secret), []string{"610", "a\nb"}, 2, "control characters"},
	} {
		if bodies, out, code := script(t, v, c.secret, c.args...); code != c.code || len(bodies) != 0 || !strings.Contains(out, c.want) {
			t.Errorf("%s: exit %d, sent %q, printed %s", name, code, bodies, out)
		}
	}
}
