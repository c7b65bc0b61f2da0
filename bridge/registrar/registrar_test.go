package registrar

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

const (
	home     = "192.0.2.10:5062"
	password = "correct horse"
)

// house is a registrar whose clock stands still.
type house struct {
	*Registrar
	t   *testing.T
	now time.Time
	seq int
}

func newHouse(t *testing.T) *house {
	h := &house{t: t, now: time.Unix(1_700_000_000, 0)}
	h.Registrar = New(Config{Now: func() time.Time { return h.now }, Logger: slog.New(slog.DiscardHandler)})
	h.Load([]Extension{{Number: "610", Password: password, Name: "front desk"}, {Number: "611", Password: "another horse"}})
	return h
}

// request makes a REGISTER as it arrives from source.
func (h *house) request(user, source string, headers ...string) *sip.Request {
	h.t.Helper()
	h.seq++
	text := fmt.Sprintf("REGISTER sip:dialroom SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: <sip:%s@dialroom>;tag=1\r\nTo: <sip:%s@dialroom>\r\nCall-ID: one\r\nCSeq: %d REGISTER\r\n",
		source, h.seq, user, user, h.seq)
	for _, header := range headers {
		text += header + "\r\n"
	}
	msg, err := sip.ParseMessage([]byte(text + "Content-Length: 0\r\n\r\n"))
	if err != nil {
		h.t.Fatal(err)
	}
	req := msg.(*sip.Request)
	req.SetSource(source)
	req.SetTransport("UDP")
	return req
}

// answerTo adds a digest answer to the challenge in res.
func answerTo(t *testing.T, res *sip.Response, method, user, password string, edit ...func(*digest.Options)) string {
	t.Helper()
	challenge, err := digest.ParseChallenge(res.GetHeader("WWW-Authenticate").Value())
	if err != nil {
		t.Fatal(err)
	}
	o := digest.Options{Method: method, URI: "sip:dialroom", Count: 1, Username: user, Password: password}
	for _, f := range edit {
		f(&o)
	}
	creds, err := digest.Digest(challenge, o)
	if err != nil {
		t.Fatal(err)
	}
	return "Authorization: " + creds.String()
}

// register goes the whole way.
func (h *house) register(user, password, source string, headers ...string) *sip.Response {
	h.t.Helper()
	challenge := h.Register(h.request(user, source, headers...))
	if challenge == nil || challenge.StatusCode != 401 {
		h.t.Fatalf("no challenge: %v", challenge)
	}
	return h.Register(h.request(user, source, append(headers, answerTo(h.t, challenge, "REGISTER", user, password))...))
}

func contactOf(port int) string { return fmt.Sprintf("Contact: <sip:610@192.0.2.10:%d>", port) }

func TestADeviceRegistersAndRunsOut(t *testing.T) {
	h := newHouse(t)
	res := h.register("610", password, home, contactOf(5062), "Expires: 300")
	if res.StatusCode != 200 || !strings.Contains(res.String(), "expires=300") {
		t.Fatalf("answered\n%s", res)
	}
	list := h.Bindings("610")
	if len(list) != 1 || list[0].URI.String() != "sip:610@192.0.2.10:5062" || list[0].NAT || list[0].Network != "udp" {
		t.Fatalf("bindings %+v", list)
	}
	h.now = h.now.Add(299 * time.Second)
	if len(h.Bindings("610")) != 1 {
		t.Error("gone too early")
	}
	h.now = h.now.Add(time.Second)
	if len(h.Bindings("610")) != 0 {
		t.Error("still there")
	}
}

func TestSeveralDevicesAndUnregister(t *testing.T) {
	h := newHouse(t)
	h.register("610", password, home, contactOf(5062))
	res := h.register("610", password, "192.0.2.10:5070", contactOf(5070))
	if n := strings.Count(res.String(), "Contact:"); n != 2 {
		t.Fatalf("%d contacts in\n%s", n, res)
	}
	res = h.register("610", password, home, contactOf(5062)+";expires=0")
	if n := strings.Count(res.String(), "Contact:"); n != 1 || h.Bindings("610")[0].URI.Port != 5070 {
		t.Fatalf("%d contacts in\n%s", n, res)
	}
	if res = h.register("610", password, home, "Contact: *", "Expires: 0"); res.StatusCode != 200 || len(h.Bindings("610")) != 0 {
		t.Fatalf("answered\n%s", res)
	}
}

func TestAQueryChangesNothing(t *testing.T) {
	h := newHouse(t)
	h.register("610", password, home, contactOf(5062))
	if res := h.register("610", password, "192.0.2.99:1"); strings.Count(res.String(), "Contact:") != 1 || len(h.Bindings("610")) != 1 {
		t.Errorf("answered\n%s", res)
	}
}

func TestADeviceBehindNATIsKeptWhereItCameFrom(t *testing.T) {
	h := newHouse(t)
	res := h.register("610", password, "198.51.100.7:40123", "Contact: <sip:610@10.0.0.5:5060>", "Expires: 3600")
	if !strings.Contains(res.String(), "expires=120") {
		t.Errorf("the NAT would forget it:\n%s", res)
	}
	b := h.BehindNAT()
	if len(b) != 1 || b[0].Source.String() != "198.51.100.7:40123" {
		t.Errorf("kept %+v", b)
	}
}

func TestOldAndRepeatedRegistersChangeNothing(t *testing.T) {
	h := newHouse(t)
	h.register("610", password, home, contactOf(5062))
	h.seq -= 2 // the same numbers again
	if res := h.register("610", password, home, contactOf(5062)+";expires=0"); res.StatusCode != 500 || len(h.Bindings("610")) != 1 {
		t.Errorf("answered %d", res.StatusCode)
	}
}

func TestWhatARegisterMayNotSay(t *testing.T) {
	tests := []struct {
		name    string
		headers []string
		want    int
	}{
		{"a very short registration is 423", []string{contactOf(5062), "Expires: 5"}, 423},
		{"a star with an expiry is 400", []string{"Contact: *", "Expires: 60"}, 400},
		{"a star beside a contact is 400", []string{"Contact: *", contactOf(5062), "Expires: 0"}, 400},
		{"another scheme is 400", []string{"Contact: <mailto:a@b.example>"}, 400},
		{"an extension nobody knows is 420", []string{contactOf(5062), "Require: outbound"}, 420},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newHouse(t)
			if res := h.register("610", password, home, test.headers...); res.StatusCode != test.want || len(h.Bindings("610")) != 0 {
				t.Errorf("answered %d", res.StatusCode)
			}
		})
	}
}

// TestUnknownUserAndWrongPasswordAreTheSame is the story of CVE-2009-3727: names
// were found by the different words for them.
func TestUnknownUserAndWrongPasswordAreTheSame(t *testing.T) {
	h := newHouse(t)
	random := regexp.MustCompile(`(nonce="|tag=|branch=z9hG4bK)[^";\r]+`)
	text := func(user, password string) string {
		h.seq = 0
		res := h.register(user, password, home, contactOf(5062))
		return random.ReplaceAllString(strings.ReplaceAll(res.String(), user, "USER"), "$1")
	}
	wrong, unknown := text("610", "wrong"), text("699", "wrong")
	if wrong != unknown {
		t.Errorf("told apart:\n%s\n%s", wrong, unknown)
	}
	if !strings.HasPrefix(wrong, "SIP/2.0 401 ") {
		t.Errorf("answered\n%s", wrong)
	}
	work := func(account string) float64 {
		challenge := h.Register(h.request("610", home))
		req := h.request("610", home, contactOf(5062), answerTo(t, challenge, "REGISTER", "610", "wrong"))
		creds := h.credentials(req)
		return testing.AllocsPerRun(100, func() { matches(req, creds, account) })
	}
	if a, b := work(h.accounts["610"]), work(h.decoy); a != b {
		t.Errorf("%v and %v allocations: one is worked harder on than the other", a, b)
	}
}

func TestANonceIsGoodOnce(t *testing.T) {
	h := newHouse(t)
	challenge := h.Register(h.request("610", home))
	auth := answerTo(t, challenge, "REGISTER", "610", password)
	if res := h.Register(h.request("610", home, contactOf(5062), auth)); res.StatusCode != 200 {
		t.Fatalf("answered %d", res.StatusCode)
	}
	for name, source := range map[string]string{"replayed": home, "replayed from elsewhere": "203.0.113.5:5060"} {
		t.Run(name, func(t *testing.T) {
			if res := h.Register(h.request("610", source, contactOf(5063), auth)); res.StatusCode != 401 {
				t.Errorf("answered %d", res.StatusCode)
			}
		})
	}
	second := answerTo(t, challenge, "REGISTER", "610", password, func(o *digest.Options) { o.Count = 2 })
	res := h.Register(h.request("610", home, contactOf(5062), second))
	if res.StatusCode != 401 || !strings.Contains(res.GetHeader("WWW-Authenticate").Value(), "stale=TRUE") {
		t.Errorf("a phone that uses its nonce again is not told to take another:\n%s", res)
	}
	if len(h.Bindings("610")) != 1 {
		t.Error("a replay has changed something")
	}
}

func TestAnAgedNonceIsStale(t *testing.T) {
	h := newHouse(t)
	challenge := h.Register(h.request("610", home))
	h.now = h.now.Add(nonceLife + time.Second)
	res := h.Register(h.request("610", home, contactOf(5062), answerTo(t, challenge, "REGISTER", "610", password)))
	if res.StatusCode != 401 || !strings.Contains(res.String(), "stale=TRUE") {
		t.Errorf("answered\n%s", res)
	}
}

func TestOneExtensionDoesNotRegisterAnother(t *testing.T) {
	h := newHouse(t)
	challenge := h.Register(h.request("611", home))
	res := h.Register(h.request("611", home, contactOf(5062), answerTo(t, challenge, "REGISTER", "610", password)))
	if res.StatusCode != 401 || len(h.Bindings("611")) != 0 {
		t.Errorf("answered %d", res.StatusCode)
	}
}

func TestWhoGuessesPasswordsIsBannedByAddress(t *testing.T) {
	h := newHouse(t)
	for range maxFailures {
		if res := h.register("610", "wrong", home); res.StatusCode != 401 {
			t.Fatalf("answered %d", res.StatusCode)
		}
	}
	if res := h.Register(h.request("610", home)); res != nil {
		t.Fatalf("still answered\n%s", res)
	}
	if res := h.register("610", password, "192.0.2.11:5062", contactOf(5062)); res.StatusCode != 200 {
		t.Error("another address is banned too")
	}
	h.now = h.now.Add(banTime + time.Second)
	if res := h.register("610", password, home, contactOf(5062)); res.StatusCode != 200 {
		t.Error("banned for ever")
	}
}

func TestAForgedSourceBansNobody(t *testing.T) {
	h := newHouse(t)
	for range 3 * maxFailures {
		// Without a challenge that reached the address no answer counts.
		h.Register(h.request("610", home, `Authorization: Digest username="610", realm="dialroom", nonce="forged", uri="sip:dialroom", response="00", qop=auth, nc=00000001, cnonce="x"`))
	}
	if res := h.register("610", password, home, contactOf(5062)); res.StatusCode != 200 {
		t.Error("somebody else's datagrams have banned the phone")
	}
}

func TestAnExtensionThatIsGoneIsForgotten(t *testing.T) {
	h := newHouse(t)
	h.register("610", password, home, contactOf(5062))
	h.Load([]Extension{{Number: "610", Password: "new password"}})
	if len(h.Bindings("610")) != 0 {
		t.Error("a device with the old password is still rung")
	}
}
