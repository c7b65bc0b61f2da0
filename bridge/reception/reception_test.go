package reception

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"

	"dialroom/bridge/call"
	"dialroom/bridge/registrar"
	"dialroom/bridge/trunk"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

const (
	carrierAt  = "192.0.2.1:5060"
	phoneAt    = "198.51.100.7:5062"
	strangerAt = "203.0.113.9:5060"
	password   = "correct horse"
)

// front is a desk with a carrier, an extension and a number, and itself the
// agent and the sfu.
type front struct {
	*Desk
	t         *testing.T
	own       bool // the INVITE is one of ours
	registrar *registrar.Registrar
	trunks    *trunk.Table
	seq       int

	asked    wire.LegRequest
	granted  wire.LegResponse
	err      error
	leased   []string
	noLease  bool
	transfer []string
}

func (f *front) OwnInvite(*sip.Request) bool { return f.own }

func (f *front) Do(_ context.Context, method, path string, in, out any) error {
	if method != http.MethodPost || path != wire.PathLegs {
		f.t.Errorf("asked for %s %s", method, path)
	}
	f.asked = in.(wire.LegRequest)
	*out.(*wire.LegResponse) = f.granted
	return f.err
}

func newFront(t *testing.T, edit ...func(*trunk.Trunk)) *front {
	t.Helper()
	carrier := trunk.Trunk{
		ID: "tr_main", Enabled: true, Host: "192.0.2.1", Prefixes: []string{"+"}, DialFormat: trunk.E164,
		CallerID: "+4930123456", Username: "acct", Codecs: []wire.Codec{wire.PCMA}, MaxCalls: 1,
	}
	for _, e := range edit {
		e(&carrier)
	}
	f := &front{t: t, trunks: trunk.NewTable([]trunk.Trunk{carrier}, time.Now), registrar: registrar.New(registrar.Config{})}
	f.registrar.Load([]registrar.Extension{{Number: "610", Password: password, Name: "front desk"}})
	f.Desk = New(Config{
		Agent: f, Trunks: f.trunks, Registrar: f.registrar, SFU: f, Media: netip.MustParseAddrPort("127.0.0.1:7000"),
		Lease: func(id, instance string) bool {
			f.leased = append(f.leased, id+" "+instance)
			return !f.noLease
		},
		Place: func(_ context.Context, by, room, number string) (string, error) {
			f.transfer = []string{by, room, number}
			return "c_new", nil
		},
		Logger: slog.New(slog.DiscardHandler),
	})
	f.Load(map[string]call.Line{"+4930123400": {Room: "reception"}})
	return f
}

// invite is an INVITE as it arrives.
func (f *front) invite(called, from, source string, headers ...string) *sip.Request {
	f.t.Helper()
	return f.request("INVITE", called, from, source, headers...)
}

func (f *front) request(method, called, from, source string, headers ...string) *sip.Request {
	f.t.Helper()
	f.seq++
	to := "<sip:" + called + ">"
	if method == "REGISTER" {
		to = from
	}
	text := fmt.Sprintf("%s sip:%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%d\r\nFrom: %s;tag=1\r\nTo: %s\r\nCall-ID: one\r\nCSeq: %d %s\r\n",
		method, called, source, f.seq, from, to, f.seq, method)
	for _, h := range headers {
		text += h + "\r\n"
	}
	msg, err := sip.ParseMessage([]byte(text + "Content-Length: 0\r\n\r\n"))
	if err != nil {
		f.t.Fatal(err)
	}
	req := msg.(*sip.Request)
	req.SetSource(source)
	req.SetTransport("UDP")
	return req
}

// authorized is the request again with the answer to the challenge it got.
func (f *front) authorized(method, called, from, source, secret string, headers ...string) *sip.Request {
	f.t.Helper()
	a := f.Admit(f.request(method, called, from, source, headers...))
	if a.Answer == nil || a.Answer.StatusCode != 401 {
		f.t.Fatalf("not challenged: %+v", a)
	}
	challenge, err := digest.ParseChallenge(a.Answer.GetHeader("WWW-Authenticate").Value())
	if err != nil {
		f.t.Fatal(err)
	}
	creds, err := digest.Digest(challenge, digest.Options{Method: method, URI: "sip:" + called, Count: 1, Username: "610", Password: secret})
	if err != nil {
		f.t.Fatal(err)
	}
	return f.request(method, called, from, source, append(headers, "Authorization: "+creds.String())...)
}

func (f *front) taken() int { return f.trunks.List()[0].Calls }

func TestWhoIsLetInFromATrunk(t *testing.T) {
	const from = `"Ada" <sip:+4989654321@carrier>`
	for _, test := range []struct {
		name, called string
		headers      []string
		want         string // the number, "" for not found
	}{
		{"the number as it is configured", "+4930123400@x", nil, "+4930123400"},
		{"without its plus", "4930123400@x", nil, "+4930123400"},
		{"a number that leads nowhere is not found", "+4930999@x", nil, ""},
		{"a name is not found", "reception@x", nil, ""},
		{"nobody at all is not found", "x", nil, ""},
		{"a dialog instead of a number", "dialroom@x", []string{"Replaces: 1;to-tag=2;from-tag=3"}, "dialroom"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFront(t)
			a := f.Admit(f.invite(test.called, from, carrierAt, test.headers...))
			switch {
			case a.Drop || a.Answer != nil:
				t.Fatalf("%+v", a)
			case test.want == "":
				if a.Visit != nil || f.taken() != 0 {
					t.Errorf("let in to %+v, %d slots taken", a.Visit, f.taken())
				}
			case a.Visit == nil:
				t.Error("not let in")
			case test.headers == nil && (a.Visit.Called != test.want || a.Visit.Line.Room != "reception" || a.Visit.Caller != "+4989654321" ||
				a.Visit.Name != "Ada" || a.Visit.Trunk.ID != "tr_main" || a.Visit.Slot == nil || f.taken() != 1):
				t.Errorf("let in as %+v", a.Visit)
			}
		})
	}
}

func TestFullTrunkIsToldSoAndAStrangerNothing(t *testing.T) {
	f := newFront(t)
	const from = "<sip:+4989654321@carrier>"
	if a := f.Admit(f.invite("+4930123400@x", from, carrierAt)); a.Visit == nil {
		t.Fatalf("%+v", a)
	}
	if a := f.Admit(f.invite("+4930123400@x", from, carrierAt)); a.Answer == nil || a.Answer.StatusCode != 486 {
		t.Errorf("over its limit: %+v", a)
	}
	if a := f.Admit(f.invite("+4930123400@x", from, strangerAt)); !a.Drop {
		t.Errorf("a stranger: %+v", a)
	}
	req := f.invite("+4930123400@x", from, carrierAt)
	req.SetSource("not an address")
	if a := f.Admit(req); !a.Drop {
		t.Errorf("from nowhere: %+v", a)
	}
}

func TestStrangerWhoClaimsToBeAnExtensionIsAskedForItsPasswordWhetherThereIsOneOrNot(t *testing.T) {
	f := newFront(t)
	for _, user := range []string{"610", "999"} {
		if a := f.Admit(f.invite("601@x", "<sip:"+user+"@x>", strangerAt)); a.Answer == nil || a.Answer.StatusCode != 401 || a.Visit != nil {
			t.Errorf("%s: %+v", user, a)
		}
	}
	f.registrar.Load(nil)
	if a := f.Admit(f.invite("601@x", "<sip:610@x>", strangerAt)); !a.Drop {
		t.Errorf("in a house without phones: %+v", a)
	}
}

func TestWhereADeskPhoneMayCall(t *testing.T) {
	const from = "<sip:610@x>"
	for _, test := range []struct {
		name, called string
		want         call.Line
	}{
		{"a virtual number", "+4930123400@x", call.Line{Room: "reception"}},
		{"a room by its name", "lounge@x", call.Line{Room: "lounge", Wait: roomWait}},
		{"a number outside is a dial", "+4989777@x", call.Line{Dial: "+4989777", Wait: roomWait}},
		{"and so is one without a plus", "089777@x", call.Line{Dial: "089777", Wait: roomWait}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFront(t)
			a := f.Admit(f.authorized("INVITE", test.called, from, phoneAt, password))
			if a.Visit == nil || a.Visit.Extension != "610" || a.Visit.Caller != "610" || a.Visit.Name != "front desk" || a.Visit.Slot != nil {
				t.Fatalf("%+v", a)
			}
			got := a.Visit.Line
			if got.Room != test.want.Room || got.Dial != test.want.Dial || got.Wait != test.want.Wait {
				t.Errorf("leads to %+v, want %+v", got, test.want)
			}
			if !a.Visit.Trunk.NAT || a.Visit.Trunk.SRTP != PhoneSRTP || !slices.Equal(a.Visit.Trunk.Codecs, ownCodecs()) {
				t.Errorf("speaks as %+v", a.Visit.Trunk)
			}
		})
	}
	f := newFront(t)
	if a := f.Admit(f.authorized("INVITE", "lounge@x", from, phoneAt, "wrong horse")); a.Visit != nil || a.Answer == nil || a.Answer.StatusCode != 401 {
		t.Errorf("with a wrong password: %+v", a)
	}
}

func TestPhoneIsAskedForItsPasswordAlsoWhereItIsRegistered(t *testing.T) {
	f := newFront(t)
	res := f.Admit(f.authorized("REGISTER", "x", "<sip:610@x>", phoneAt, password, "Contact: <sip:610@"+phoneAt+">"))
	if res.Visit != nil || res.Answer == nil || res.Answer.StatusCode != 200 || len(f.registrar.Bindings("610")) != 1 {
		t.Fatalf("%+v", res)
	}
	a := f.Admit(f.invite("lounge@x", "<sip:lounge@x>", phoneAt))
	if a.Visit != nil || a.Answer == nil || a.Answer.StatusCode != 401 {
		t.Errorf("%+v", a)
	}
}

func TestREGISTERIsNobodysBusinessInAHouseWithoutPhones(t *testing.T) {
	f := newFront(t)
	f.registrar.Load(nil)
	if a := f.Admit(f.request("REGISTER", "x", "<sip:610@x>", phoneAt)); a.Drop || a.Answer != nil || a.Visit != nil {
		t.Errorf("%+v", a)
	}
}

func TestRoomCallsAVirtualNumberWithinTheHouse(t *testing.T) {
	f := newFront(t)
	f.own = true
	a := f.Admit(f.invite("+4930123400@x", `"sales" <sip:dialroom@x>`, strangerAt))
	if a.Visit == nil || !a.Visit.House || a.Visit.Line.Room != "reception" || a.Visit.Name != "sales" || a.Visit.Slot != nil {
		t.Errorf("%+v", a)
	}
	if a := f.Admit(f.invite("+4989777@x", "<sip:dialroom@x>", strangerAt)); a.Visit != nil || a.Drop {
		t.Errorf("to a number outside: %+v", a)
	}
}

func TestCallByARegistrationIsItsTrunks(t *testing.T) {
	f := newFront(t, func(tr *trunk.Trunk) { tr.Register = true })
	a := f.Admit(f.invite("tr_main@x", "<sip:+4989654321@carrier>", carrierAt, "P-Called-Party-ID: <sip:+4930123400@carrier>"))
	if a.Visit == nil || a.Visit.Called != "+4930123400" || a.Visit.Trunk.ID != "tr_main" {
		t.Errorf("%+v", a.Visit)
	}
}

func TestWhoCalls(t *testing.T) {
	for _, test := range []struct {
		name, from string
		headers    []string
		number     string
		who        string
	}{
		{"as From says", `"Ada" <sip:+4989654321@c>`, nil, "+4989654321", "Ada"},
		{"as the carrier vouches for", `"Ada" <sip:100@c>`, []string{`P-Asserted-Identity: "x" <sip:+4989654321@c>`}, "+4989654321", "Ada"},
		{"an identity that is none is passed over", `<sip:+4989654321@c>`, []string{"P-Asserted-Identity: <<"}, "+4989654321", ""},
		{"withheld", `"Ada" <sip:+4989654321@c>`, []string{"Privacy: id"}, "", ""},
		{"withheld from nobody", `"Ada" <sip:+4989654321@c>`, []string{"Privacy: none"}, "+4989654321", "Ada"},
		{"anonymous", `"Anonymous" <sip:anonymous@anonymous.invalid>`, nil, "", "Anonymous"},
		{"anonymous, though the carrier knows", `"Anonymous" <sip:anonymous@anonymous.invalid>`, []string{"P-Asserted-Identity: <sip:+4989654321@c>"}, "", "Anonymous"},
		{"a name for a number", `<sip:ada@c>`, nil, "", ""},
		{"digits without end", "<sip:" + strings.Repeat("1", 21) + "@c>", nil, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFront(t)
			number, who := callerOf(f.invite("+4930123400@x", test.from, carrierAt, test.headers...))
			if number != test.number || who != test.who {
				t.Errorf("%q %q, want %q %q", number, who, test.number, test.who)
			}
		})
	}
}

func TestLegOfAVisitorIsAskedForAndLeased(t *testing.T) {
	f := newFront(t)
	f.granted = wire.LegResponse{ID: "c_1", Room: "reception", Present: true, Leg: wire.Leg{Instance: "sfu-1", Media: "127.0.0.1:9"}}
	v := call.Visit{Caller: "+4989654321", Name: "Ada", Called: "+4930123400", Trunk: trunk.Trunk{ID: "tr_main"}, Line: call.Line{Wait: time.Minute}}
	grant, err := f.Leg(context.Background(), v, "reception")
	if err != nil || grant.ID != "c_1" || !grant.Present || grant.Room != "reception" || grant.Leg.Media != "127.0.0.1:9" {
		t.Fatalf("%+v, %v", grant, err)
	}
	a := f.asked
	if a.Direction != wire.In || a.Room != "reception" || a.Number != "+4989654321" || a.Name != "Ada" || a.Trunk != "tr_main" || a.Media != "127.0.0.1:7000" ||
		a.Visitor == nil || a.Visitor.Called != "+4930123400" || a.Visitor.Wait != 60 {
		t.Errorf("asked %+v %+v", a, a.Visitor)
	}
	if !slices.Equal(f.leased, []string{"c_1 sfu-1"}) {
		t.Errorf("leased %v", f.leased)
	}
	f.noLease = true
	var refusal *call.Refusal
	if _, err := f.Leg(context.Background(), v, "reception"); !errors.As(err, &refusal) || refusal.Status != 503 {
		t.Errorf("a lease that is not to be had: %v", err)
	}
	f.noLease, f.granted.ID = false, ""
	if _, err := f.Leg(context.Background(), v, "reception"); !errors.As(err, &refusal) || refusal.Status != 503 {
		t.Errorf("a leg without a call: %v", err)
	}
}

func TestWhatTheSFUsNoIsInSIP(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		want   int
		reason wire.Ending
	}{
		{400, `{"reason":"bad-number"}`, 404, wire.NotFound},
		{400, `{}`, 404, wire.NotFound},
		{403, `{"reason":"not-allowed"}`, 403, wire.Declined},
		{403, `{"reason":"shutdown"}`, 503, wire.Shutdown},
		{429, `{"reason":"cap-day"}`, 486, wire.Busy},
		{500, `nonsense`, 503, wire.Shutdown},
		{401, ``, 403, wire.Declined},
	} {
		err := refusalOf(fmt.Errorf("asking: %w", &sign.StatusError{Status: test.status, Body: []byte(test.body)}))
		var refusal *call.Refusal
		if !errors.As(err, &refusal) || refusal.Status != test.want || refusal.Reason != test.reason {
			t.Errorf("%d %s is %+v, want %d %s", test.status, test.body, err, test.want, test.reason)
		}
	}
	gone := errors.New("gone")
	if err := refusalOf(gone); !errors.Is(err, gone) {
		t.Errorf("an sfu that is not there: %v", err)
	}
}

func TestTransferIsPlacedForThePhoneThatWantsIt(t *testing.T) {
	f := newFront(t)
	id, err := f.Transfer(context.Background(), call.Transfer{Room: "reception", Number: "+4989777", By: "610"})
	if err != nil || id != "c_new" || !slices.Equal(f.transfer, []string{"610", "reception", "+4989777"}) {
		t.Errorf("%q %v, placed %v", id, err, f.transfer)
	}
}
