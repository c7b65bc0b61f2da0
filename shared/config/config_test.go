package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// keysOnly is the least a settings file must say.
const keysOnly = `keys:
  - {id: sfu, role: sfu, secret: "0123456789abcdef-sfu"}
  - {id: bridge, role: bridge, secret: "0123456789abcdef-bridge"}
`

func parse(t *testing.T, src string, env map[string]string) (*Config, error) {
	t.Helper()
	return Parse("dialroom.yaml", []byte(src), func(name string) string { return env[name] })
}

// messages splits a joined error into its lines.
func messages(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestAFileWithNothingButKeysHasTheDefaults(t *testing.T) {
	cfg, err := parse(t, keysOnly, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Keys = []Key{
		{ID: "sfu", Role: "sfu", Secret: "0123456789abcdef-sfu"},
		{ID: "bridge", Role: "bridge", Secret: "0123456789abcdef-bridge"},
	}
	cfg.places = places{}
	if !reflect.DeepEqual(*cfg, want) {
		t.Errorf("got  %+v\nwant %+v", *cfg, want)
	}
}

func TestATrunkThatSaysOnlyItsIDAndHostHasTheDefaults(t *testing.T) {
	cfg, err := parse(t, keysOnly+"trunks: [{id: tr_1, host: sip.example.net}]\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Trunk{
		ID: "tr_1", Name: "tr_1", Priority: 10, Enabled: true, Host: "sip.example.net", Transport: "udp",
		Prefixes: []string{"+"}, DialFormat: "e164", Codecs: []string{"PCMA", "PCMU", "G722"}, SRTP: "off", MaxCalls: 10,
		ProbeEvery: 30 * time.Second,
	}
	if !reflect.DeepEqual(cfg.Trunks[0], want) {
		t.Errorf("got  %+v\nwant %+v", cfg.Trunks[0], want)
	}
}

func TestEveryKeyReachesItsField(t *testing.T) {
	cfg, err := parse(t, `
data_dir: /var/lib/dialroom
sfu:
  listen: "[::1]:0"
  public_url: https://call.example.org
  add_phone: false
  embed_origins: ["https://crm.example.com:8443"]
  allowed_origins: ["https://crm.example.org", "http://localhost:3000"]
  tls: {cert: a.pem, key: b.pem}
  trusted_proxies: [10.0.0.0/8, "::1/128"]
  media: {udp_port: 0, tcp_port: 7883, public_ip: 192.0.2.1}
  turn: {url: "turn:turn.example.org:3478", secret: "s"}
  bridge_url: https://127.0.0.1:8090
  leg_listen: "127.0.0.1:40000"
  empty_room_grace: 1m30s
  api_keys: [{id: ops, key: "${BRIDGE}"}]
bridge:
  listen: ":8090"
  sfu_url: https://127.0.0.1:8080/
  leg_listen: "127.0.0.2:0"
  sip: {udp: "", tcp: "localhost:5060", public_ip: "2001:db8::1"}
  rtp: {ports: 20000-20100, public_ip: 192.0.2.2}
keys:
  - {id: sfu, role: sfu, secret: "0123456789abcdef-sfu"}
  - {id: sfu-new, role: sfu, secret: "0123456789abcdef-sfu-new"}
  - {id: bridge, role: bridge, secret: "${BRIDGE}"}
  - {id: crm, role: script, secret: "x${CRM}x", allow: [DE, "+43"], per_day: 20, per_minute: 4, concurrent: 2}
trunks:
  - id: tr_1
    name: main carrier
    priority: ${PRIORITY}
    enabled: false
    host: sip.example.net:5070
    transport: tcp
    username: user
    password: "${PASSWORD}"
    register: false
    from: {user: "49301", host: example.org, display: Example Ltd}
    caller_id: "+4930123456"
    prefixes: ["+49", "", "6"]
    dial_format: plus
    codecs: [PCMU]
    srtp: off
    max_calls: 3
    per_minute: 6
    allowed_prefixes: ["+49", "6"]
    max_duration: 1h
fraud:
  allow: [NO, "+49", "6"]
  block: ["+4918", RU]
  block_types: [premium_rate, pager]
  per_day: {total: 100, ip: "${PRIORITY}", room: off, number: 4, key: 50, minutes: 600, spend: 12.5}
  per_minute: {ip: 1}
  concurrent: {total: 10, ip: off}
  rates: [{prefix: "+49", per_minute: 0.02, currency: EUR}, {prefix: "+", per_minute: 1, currency: EUR}]
  rates_file: rates.csv
  max_ring: 45s
  max_duration: 30m
  time_zone: Europe/Berlin
  home_region: DE
links: {secret: 0123456789abcdef-links, require_signed: true, require_to_join: true}
ledger: {retention: 8760h}
`, map[string]string{"BRIDGE": "0123456789abcdef", "CRM": "fedcba9876543210", "PRIORITY": "7", "PASSWORD": "${not: again}"})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		DataDir: "/var/lib/dialroom",
		SFU: SFU{
			Listen: "[::1]:0", PublicURL: "https://call.example.org",
			AddPhone:       false,
			EmbedOrigins:   []string{"https://crm.example.com:8443"},
			AllowedOrigins: []string{"https://crm.example.org", "http://localhost:3000"},
			TLS:            TLS{Cert: "a.pem", Key: "b.pem"},
			TrustedProxies: []string{"10.0.0.0/8", "::1/128"},
			Media:          Media{UDPPort: 0, TCPPort: 7883, PublicIP: "192.0.2.1"},
			TURN:           TURN{URL: "turn:turn.example.org:3478", Secret: "s"},
			BridgeURL:      "https://127.0.0.1:8090", LegListen: "127.0.0.1:40000", EmptyRoomGrace: 90 * time.Second,
			APIKeys: []APIKey{{ID: "ops", Key: "0123456789abcdef"}},
		},
		Bridge: Bridge{
			Listen: ":8090", SFUURL: "https://127.0.0.1:8080/", LegListen: "127.0.0.2:0",
			SIP: SIP{TCP: "localhost:5060", PublicIP: "2001:db8::1"},
			RTP: RTP{Ports: "20000-20100", PublicIP: "192.0.2.2", MinPort: 20000, MaxPort: 20100},
		},
		Keys: []Key{
			{ID: "sfu", Role: "sfu", Secret: "0123456789abcdef-sfu"},
			{ID: "sfu-new", Role: "sfu", Secret: "0123456789abcdef-sfu-new"},
			{ID: "bridge", Role: "bridge", Secret: "0123456789abcdef"},
			{ID: "crm", Role: "script", Secret: "xfedcba9876543210x", Allow: []string{"DE", "+43"}, PerDay: 20, PerMinute: 4, Concurrent: 2},
		},
		Trunks: []Trunk{{
			ID: "tr_1", Name: "main carrier", Priority: 7, Host: "sip.example.net:5070", Transport: "tcp",
			Username: "user", Password: "${not: again}", From: From{User: "49301", Host: "example.org", Display: "Example Ltd"},
			CallerID: "+4930123456", Prefixes: []string{"+49", "", "6"}, DialFormat: "plus", Codecs: []string{"PCMU"},
			SRTP: "off", MaxCalls: 3, PerMinute: 6, AllowedPrefixes: []string{"+49", "6"}, MaxDuration: time.Hour, ProbeEvery: 30 * time.Second,
		}},
		Fraud: Fraud{
			Allow: []string{"NO", "+49", "6"}, Block: []string{"+4918", "RU"}, BlockTypes: []string{"premium_rate", "pager"},
			PerDay:    PerDay{Total: 100, IP: 7, Number: 4, Key: 50, Minutes: 600, Spend: 12.5},
			PerMinute: PerMinute{IP: 1}, Concurrent: Concurrent{Total: 10},
			Rates:     []Rate{{Prefix: "+49", PerMinute: 0.02, Currency: "EUR"}, {Prefix: "+", PerMinute: 1, Currency: "EUR"}},
			RatesFile: "rates.csv", MaxRing: 45 * time.Second, MaxDuration: 30 * time.Minute, TimeZone: "Europe/Berlin", HomeRegion: "DE",
		},
		Links:  Links{Secret: "0123456789abcdef-links", RequireSigned: true, RequireToJoin: true},
		Ledger: Ledger{Retention: 365 * 24 * time.Hour},
	}
	cfg.places = places{}
	if !reflect.DeepEqual(*cfg, want) {
		t.Errorf("got  %+v\nwant %+v", *cfg, want)
	}
}

func TestCapsAreWrittenAsTheyAreRead(t *testing.T) {
	for _, fraud := range []Fraud{Default().Fraud, {PerDay: PerDay{Total: 3, Spend: 1.25}}} {
		src, err := yaml.Marshal(map[string]any{"per_day": fraud.PerDay, "concurrent": fraud.Concurrent, "rates": []Rate{{Prefix: "+", PerMinute: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := parse(t, keysOnly+"fraud:\n  "+strings.ReplaceAll(strings.TrimSpace(string(src)), "\n", "\n  ")+"\n", nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		if cfg.Fraud.PerDay != fraud.PerDay || cfg.Fraud.Concurrent != fraud.Concurrent {
			t.Errorf("got %+v from\n%s", cfg.Fraud, src)
		}
	}
}

func TestSectionsWithEverythingCommentedOutAreDefaults(t *testing.T) {
	if _, err := parse(t, "sfu:\n  # listen: nowhere\ntrunks:\nfraud:\n  allow:\n"+keysOnly, nil); err != nil {
		t.Error(err)
	}
}

func TestAllErrorsAreReportedAtOnceInTheOrderOfTheirLines(t *testing.T) {
	_, err := parse(t, `fraud:
  allow: ["x"]
trunks:
  - id: tr_1
    host: sip.example.net
    transport: sctp
    colour: red
sfu: {listen: here}
`, nil)
	want := []string{"2: fraud.allow[0]", "6: trunks[0].transport", "7: trunks[0].colour", "8: sfu.listen"}
	got := messages(err)
	// The two missing keys stand at line 1.
	if len(got) != len(want)+2 {
		t.Fatalf("got %d errors, want %d:\n%v", len(got), len(want)+2, err)
	}
	for i, w := range want {
		if !strings.HasPrefix(got[i+2], "dialroom.yaml:"+w+": ") {
			t.Errorf("error %d: got %s, want %s", i+2, got[i+2], w)
		}
	}
	var one *Error
	if !errors.As(err, &one) || one.File != "dialroom.yaml" || one.Key != "keys" || one.Line != 1 {
		t.Errorf("errors.As gave %+v", one)
	}
}

func TestAValueThatCannotBeReadIsOneErrorAndNotTwo(t *testing.T) {
	_, err := parse(t, keysOnly+"extensions:\n- {number: 610, password: averylongone}\ntrunks:\n- &one {id: tr_1, host: sip.example.net}\nsfu: {listen: [here]}\n", nil)
	if got := messages(err); len(got) != 3 {
		t.Errorf("said %q", got)
	}
}

func TestAKeyThatOnlyItsUserCanCheckIsNamedWithItsLine(t *testing.T) {
	cfg, err := parse(t, keysOnly+"sfu:\n  tls: {cert: a.pem, key: a.key}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Count(keysOnly, "\n") + 2
	if got, want := cfg.Fail("sfu.tls", "expected a file").Error(), fmt.Sprintf("dialroom.yaml:%d: sfu.tls: expected a file", line); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := new(Config).Fail("sfu.tls", "expected a file").Error(); !strings.HasSuffix(got, ":1: sfu.tls: expected a file") {
		t.Errorf("of settings without a file: %s", got)
	}
}

func TestTheTwoProcessesFindEachOtherWhereTheyListen(t *testing.T) {
	secure := keysOnly + "sfu: {tls: {cert: a.pem, key: a.key}}\n"
	cfg, err := parse(t, secure, nil)
	if err != nil || cfg.Bridge.SFUURL != "https://127.0.0.1:8080" {
		t.Errorf("by default: %+v, %v", cfg, err)
	}
	cfg, err = parse(t, keysOnly+"sfu: {listen: \"0.0.0.0:443\", tls: {cert: a.pem, key: a.key}}\nbridge: {listen: \"[::]:9000\"}\n", nil)
	if err != nil || cfg.Bridge.SFUURL != "https://127.0.0.1:443" || cfg.SFU.BridgeURL != "http://[::1]:9000" {
		t.Errorf("where they listen: %+v, %v", cfg, err)
	}
	if _, err := parse(t, secure+"bridge: {sfu_url: \"http://127.0.0.1:8080\"}\n", nil); err == nil || !strings.Contains(err.Error(), "bridge.sfu_url: expected https://, because sfu.tls is set") {
		t.Errorf("plain HTTP, to which nobody would answer: %v", err)
	}
}

func TestSecretsAreNeverRepeatedInErrors(t *testing.T) {
	_, err := parse(t, "keys:\n- {id: a, role: sfu, secret: hunter2}\n- {id: b, role: bridge, secret: [hunter2]}\n"+
		"trunks:\n- {id: a, host: h, password: 424242}\n- {id: b, host: h, password: hunter2}\n", nil)
	if err == nil || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "424242") {
		t.Errorf("got %v", err)
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(path, []byte("speed: 3\n"+keysOnly), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.HasPrefix(err.Error(), "mine.yaml:1: speed: ") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(path + ".not-there"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %v", err, os.ErrNotExist)
	}
}

func TestAFileTooLargeIsRefused(t *testing.T) {
	if _, err := Parse("f", make([]byte, maxFile+1), os.Getenv); err == nil || err.Error() != "f:1: expected at most 4194304 bytes" {
		t.Errorf("got %v", err)
	}
}

// FuzzParse shows that no file panics, and that every error has a line and a text.
func FuzzParse(f *testing.F) {
	f.Add([]byte(keysOnly))
	f.Add([]byte("trunks: [{id: a, host: h, codecs: [G722]}]\nsfu: {media: {udp_port: ${PORT}}}\n"))
	f.Add([]byte("a: &a [*a]\n<<: *a\n? [x]\n: y\n"))
	f.Add([]byte("sfu:\n\t- x\n--- !!binary x\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		cfg, err := Parse("f", src, func(string) string { return "7" })
		if (cfg == nil) == (err == nil) {
			t.Fatalf("got %v and %v", cfg, err)
		}
		if err == nil {
			return
		}
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Fatalf("%T is not joined", err)
		}
		for _, e := range joined.Unwrap() {
			if one, ok := e.(*Error); !ok || one.Line < 1 || one.Want == "" {
				t.Errorf("got %#v", e)
			}
		}
	})
}
