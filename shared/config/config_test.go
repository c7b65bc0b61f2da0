package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
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
  allowed_origins: ["https://crm.example.org", "http://localhost:3000"]
  tls: {cert: a.pem, key: b.pem}
  trusted_proxies: [10.0.0.0/8, "::1/128"]
  media: {udp_port: 0, tcp_port: 7883, public_ip: 192.0.2.1}
  turn: {url: "turn:turn.example.org:3478", secret: "s"}
  bridge_url: https://127.0.0.1:8090
  leg_listen: "127.0.0.1:40000"
  empty_room_grace: 1m30s
bridge:
  listen: ":8090"
  sfu_url: http://127.0.0.1:8080/
  leg_listen: "127.0.0.2:0"
  sip: {udp: "", tcp: "localhost:5060", public_ip: "2001:db8::1"}
  rtp: {ports: 20000-20100, public_ip: 192.0.2.2}
keys:
  - {id: sfu, role: sfu, secret: "0123456789abcdef-sfu"}
  - {id: sfu-new, role: sfu, secret: "0123456789abcdef-sfu-new"}
  - {id: bridge, role: bridge, secret: "${BRIDGE}"}
  - {id: crm, role: script, secret: "x${CRM}x"}
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
fraud:
  allow: ["+49", "6"]
  max_ring: 45s
  max_duration: 30m
`, map[string]string{"BRIDGE": "0123456789abcdef", "CRM": "fedcba9876543210", "PRIORITY": "7", "PASSWORD": "${not: again}"})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		DataDir: "/var/lib/dialroom",
		SFU: SFU{
			Listen: "[::1]:0", PublicURL: "https://call.example.org",
			AllowedOrigins: []string{"https://crm.example.org", "http://localhost:3000"},
			TLS:            TLS{Cert: "a.pem", Key: "b.pem"},
			TrustedProxies: []string{"10.0.0.0/8", "::1/128"},
			Media:          Media{UDPPort: 0, TCPPort: 7883, PublicIP: "192.0.2.1"},
			TURN:           TURN{URL: "turn:turn.example.org:3478", Secret: "s"},
			BridgeURL:      "https://127.0.0.1:8090", LegListen: "127.0.0.1:40000", EmptyRoomGrace: 90 * time.Second,
		},
		Bridge: Bridge{
			Listen: ":8090", SFUURL: "http://127.0.0.1:8080/", LegListen: "127.0.0.2:0",
			SIP: SIP{TCP: "localhost:5060", PublicIP: "2001:db8::1"},
			RTP: RTP{Ports: "20000-20100", PublicIP: "192.0.2.2", MinPort: 20000, MaxPort: 20100},
		},
		Keys: []Key{
			{ID: "sfu", Role: "sfu", Secret: "0123456789abcdef-sfu"},
			{ID: "sfu-new", Role: "sfu", Secret: "0123456789abcdef-sfu-new"},
			{ID: "bridge", Role: "bridge", Secret: "0123456789abcdef"},
			{ID: "crm", Role: "script", Secret: "xfedcba9876543210x"},
		},
		Trunks: []Trunk{{
			ID: "tr_1", Name: "main carrier", Priority: 7, Host: "sip.example.net:5070", Transport: "tcp",
			Username: "user", Password: "${not: again}", From: From{User: "49301", Host: "example.org", Display: "Example Ltd"},
			CallerID: "+4930123456", Prefixes: []string{"+49", "", "6"}, DialFormat: "plus", Codecs: []string{"PCMU"},
			SRTP: "off", MaxCalls: 3, ProbeEvery: 30 * time.Second,
		}},
		Fraud: Default().Fraud,
	}
	want.Fraud.Allow, want.Fraud.MaxRing, want.Fraud.MaxDuration = []string{"+49", "6"}, 45*time.Second, 30*time.Minute
	if !reflect.DeepEqual(*cfg, want) {
		t.Errorf("got  %+v\nwant %+v", *cfg, want)
	}
}

func TestSectionsWithEverythingCommentedOutAreDefaults(t *testing.T) {
	if _, err := parse(t, "sfu:\n  # listen: nowhere\ntrunks:\nfraud:\n  allow:\n"+keysOnly, nil); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongIsSaidWithLineAndKey(t *testing.T) {
	// Each src is put before keysOnly, so its first line is line 1.
	for _, c := range []struct{ name, src, want string }{
		{"an unknown key at the top", "data_dir: x\nspeed: 3\n",
			`2: speed: unknown key, expected one of data_dir, sfu, bridge, keys, trunks, extensions, numbers, fraud, links`},
		{"an unknown key below", "sfu:\n  tls: {cert: a, key: b, ca: c}\n", `2: sfu.tls.ca: unknown key, expected one of cert, key`},
		{"a key of another section", "bridge:\n  public_url: x\n",
			`2: bridge.public_url: unknown key, expected one of listen, sfu_url, leg_listen, sip, rtp`},
		{"a key twice", "data_dir: a\nsfu: {}\ndata_dir: b\n", `3: data_dir: expected the key once, it stands in line 1 too`},
		{"a list for text", "data_dir: [a]\n", `1: data_dir: expected text, got a list`},
		{"a number for text", "data_dir: 5\n", `1: data_dir: expected text, got a number: put it in quotes`},
		{"an unquoted phone number", "trunks:\n- id: a\n  host: h\n  caller_id: +4930123456\n",
			`4: trunks[0].caller_id: expected text, got a number: put it in quotes`},
		{"nothing for text", "data_dir:\n", `1: data_dir: expected text, got nothing`},
		{"text for keys", "sfu: hello\n", `1: sfu: expected keys and values (listen, public_url, allowed_origins, tls, trusted_proxies, media, turn, bridge_url, leg_listen, empty_room_grace, api_keys), got text`},
		{"text for a list", "sfu:\n  trusted_proxies: 10.0.0.0/8\n", `2: sfu.trusted_proxies: expected a list, got text`},
		{"text for a number", "sfu:\n  media: {udp_port: \"7882\"}\n", `2: sfu.media.udp_port: expected a whole number, got "7882"`},
		{"a fraction for a number", "sfu:\n  media:\n    udp_port: 78.5\n", `3: sfu.media.udp_port: expected a whole number, got "78.5"`},
		{"text for a switch", "trunks:\n- id: a\n  host: h\n  enabled: on\n", `4: trunks[0].enabled: expected true or false, got "on"`},
		{"a duration without a unit", "sfu: {empty_room_grace: 15}\n",
			`1: sfu.empty_room_grace: expected a duration such as 15s, 2m or 1h30m, got "15"`},
		{"a duration of nothing", "sfu: {empty_room_grace: 0s}\n", `1: sfu.empty_room_grace: expected from 1ms to 1h0m0s, got 0s`},
		{"no folder for data", "data_dir: \"\"\n", `1: data_dir: expected a folder, got ""`},
		{"listening on a name", "sfu:\n  listen: example.org:80\n", `2: sfu.listen: expected an address such as 127.0.0.1:8080, got "example.org:80"`},
		{"listening without a port", "bridge:\n  listen: 127.0.0.1\n", `2: bridge.listen: expected an address such as 127.0.0.1:8080, got "127.0.0.1"`},
		{"a public URL with a path", "sfu:\n  public_url: https://example.org/call\n",
			`2: sfu.public_url: expected http:// or https:// with a host and no path, got "https://example.org/call"`},
		{"an origin that is no URL", "sfu:\n  allowed_origins:\n  - \"*\"\n",
			`3: sfu.allowed_origins[0]: expected http:// or https:// with a host and no path, got "*"`},
		{"another scheme for the bridge", "sfu:\n  bridge_url: ws://127.0.0.1:1\n",
			`2: sfu.bridge_url: expected http:// or https:// with a host and no path, got "ws://127.0.0.1:1"`},
		{"a certificate without its key", "sfu:\n  tls: {cert: a.pem}\n", `2: sfu.tls: expected both cert and key, or neither`},
		{"a proxy that is no network", "sfu:\n  trusted_proxies: [10.0.0.1]\n",
			`2: sfu.trusted_proxies[0]: expected a network such as 10.0.0.0/8 or 192.0.2.7/32, got "10.0.0.1"`},
		{"a network with host bits", "sfu:\n  trusted_proxies: [10.0.0.0/8, 10.0.0.1/8]\n",
			`2: sfu.trusted_proxies[1]: expected a network such as 10.0.0.0/8 or 192.0.2.7/32, got "10.0.0.1/8"`},
		{"a port too high", "sfu:\n  media: {tcp_port: 65536}\n", `2: sfu.media.tcp_port: expected a port from 1 to 65535, or 0 for any free one, got 65536`},
		{"a public address that is a name", "sfu:\n  media: {public_ip: example.org}\n", `2: sfu.media.public_ip: expected an IP address, got "example.org"`},
		{"a TURN server without its secret", "sfu:\n  turn: {url: \"turn:h:1\"}\n", `2: sfu.turn: expected both url and secret, or neither`},
		{"a TURN server that is none", "sfu:\n  turn: {url: \"stun:h:1\", secret: s}\n", `2: sfu.turn.url: expected turn:host:port or turns:host:port, got "stun:h:1"`},
		{"a leg address nobody can send to", "bridge:\n  leg_listen: 0.0.0.0:0\n",
			`2: bridge.leg_listen: expected an IP address the other process can reach and a port, such as 127.0.0.1:0, got "0.0.0.0:0"`},
		{"no SIP at all", "bridge:\n  sip: {udp: \"\"}\n", `2: bridge.sip: expected an address in at least one of udp, tcp and tls`},
		{"RTP ports backwards", "bridge:\n  rtp: {ports: 20000-10000}\n",
			`2: bridge.rtp.ports: expected first-last such as 10000-19999, from 1024 to 65535, got "20000-10000"`},
		{"a single RTP port", "bridge:\n  rtp: {ports: \"10000\"}\n",
			`2: bridge.rtp.ports: expected first-last such as 10000-19999, from 1024 to 65535, got "10000"`},
		{"a trunk without a host", "trunks:\n- id: a\n", `2: trunks[0].host: expected a host, host:port or a domain, got ""`},
		{"a trunk without an id", "trunks:\n- host: h\n", `2: trunks[0].id: expected 1 to 64 letters, digits, dots, - and _, got ""`},
		{"a trunk id twice", "trunks:\n- {id: a, host: h}\n- {id: a, host: h}\n", `3: trunks[1].id: expected an id of its own, a is that of trunks[0]`},
		{"a host that is a URL", "trunks:\n- {id: a, host: \"sip:h\"}\n", `2: trunks[0].host: expected a host, host:port or a domain, got "sip:h"`},
		{"an unknown transport", "trunks:\n- id: a\n  host: h\n  transport: sctp\n", `4: trunks[0].transport: expected udp, tcp or tls, got "sctp"`},
		{"an unknown dial format", "trunks:\n- {id: a, host: h, dial_format: nice}\n", `2: trunks[0].dial_format: expected e164, plus or national, got "nice"`},
		{"an unknown SRTP mode", "trunks:\n- {id: a, host: h, srtp: true}\n", `2: trunks[0].srtp: expected text, got true or false: put it in quotes`},
		{"an unknown codec", "trunks:\n- {id: a, host: h, codecs: [PCMA, opus]}\n", `2: trunks[0].codecs[1]: expected PCMA, PCMU or G722, got "opus"`},
		{"a codec twice", "trunks:\n- {id: a, host: h, codecs: [PCMA, PCMA]}\n", `2: trunks[0].codecs[1]: expected each codec once, got PCMA again`},
		{"no codec", "trunks:\n- {id: a, host: h, codecs: []}\n", `2: trunks[0].codecs: expected at least one of PCMA, PCMU, G722`},
		{"no prefix", "trunks:\n- {id: a, host: h, prefixes: []}\n", `2: trunks[0].prefixes: expected at least one prefix`},
		{"a prefix with letters", "trunks:\n- {id: a, host: h, prefixes: [\"+\", \"+49x\"]}\n",
			`2: trunks[0].prefixes[1]: expected + and digits, digits, or "", got "+49x"`},
		{"a prefix written with 00", "fraud:\n  allow: [\"+49\", \"+49 30\"]\n",
			`2: fraud.allow[1]: expected + and digits, or the digits of an extension, got "+49 30"`},
		{"an empty prefix in the allow list", "fraud:\n  allow: [\"\"]\n",
			`2: fraud.allow[0]: expected + and digits, or the digits of an extension, got ""`},
		{"no calls at all", "trunks:\n- {id: a, host: h, max_calls: 0}\n", `2: trunks[0].max_calls: expected at least 1, got 0`},
		{"a password without a user", "trunks:\n- {id: a, host: h, password: p}\n", `2: trunks[0].username: expected a user name for the password`},
		{"a display name with a quote", "trunks:\n- {id: a, host: h, from: {display: 'a\"b'}}\n",
			`2: trunks[0].from.display: expected text without quotes, backslashes and line breaks, got "a\"b"`},
		{"a header smuggled into the caller id", "trunks:\n- {id: a, host: h, caller_id: \"1\\r\\nX: y\"}\n",
			`2: trunks[0].caller_id: expected a number or a SIP user name, got "1\r\nX: y"`},
		{"a From host with a space", "trunks:\n- {id: a, host: h, from: {host: \"a b\"}}\n", `2: trunks[0].from.host: expected a host or host:port, got "a b"`},
		{"a source that is no network", "trunks:\n- {id: a, host: h, allowed_sources: [h]}\n",
			`2: trunks[0].allowed_sources[0]: expected a network such as 10.0.0.0/8 or 192.0.2.7/32, got "h"`},
		{"an unknown time zone", "fraud: {time_zone: Mars/Base}\n", `1: fraud.time_zone: expected a time zone such as UTC or Europe/Berlin, got "Mars/Base"`},
		{"ringing for ever", "fraud: {max_ring: 1h}\n", `1: fraud.max_ring: expected from 1s to 10m0s, got 1h0m0s`},
		{"a variable that is not set", "sfu:\n  listen: 127.0.0.1:1\n  turn:\n    url: turn:h:1\n    secret: ${TURN_SECRET}\n",
			`5: sfu.turn.secret: expected the environment variable TURN_SECRET to be set`},
		{"a variable without a name", "data_dir: a${}\n", `1: data_dir: expected ${NAME} with a name of letters, digits and _`},
		{"a variable in a key", "sfu:\n  ${NAME}: 5\n", `2: sfu.${NAME}: unknown key, expected one of ` +
			`listen, public_url, allowed_origins, tls, trusted_proxies, media, turn, bridge_url, leg_listen, empty_room_grace, api_keys`},
		{"text from the environment for a number", "sfu:\n  media:\n    udp_port: ${WORD}\n", `3: sfu.media.udp_port: expected a whole number, got "word"`},
		{"an alias", "data_dir: &a x\n", `1: data_dir: expected the value itself, got a YAML anchor or alias`},
		{"a second document", "data_dir: x\n---\n", `2: expected one YAML document, got a second one`},
		{"no YAML", "data_dir: [x\nsfu: {}\n", `1: expected YAML: did not find expected ',' or ']'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.src+keysOnly, map[string]string{"WORD": "word"})
			found := false
			for _, m := range messages(err) {
				found = found || m == "dialroom.yaml:"+c.want
			}
			if !found {
				t.Errorf("got  %v\nwant dialroom.yaml:%s", err, c.want)
			}
		})
	}
}

func TestKeysMustBeThereAndBeTheirOwn(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"no keys at all", "", `1: keys: expected a key with the role sfu` + "\n" + `dialroom.yaml:1: keys: expected a key with the role bridge`},
		{"no key for the bridge", "\nkeys:\n- {id: a, role: sfu, secret: 0123456789abcdef}\n", `2: keys: expected a key with the role bridge`},
		{"an unknown role", keysOnly + "  - {id: x, role: admin, secret: 0123456789abcdef}\n", `4: keys[2].role: expected sfu, bridge or script, got "admin"`},
		{"a short secret", keysOnly + "  - {id: x, role: script, secret: 0123456789abcdeX}\n  - {id: y, role: script, secret: 0123456789abcde}\n",
			`5: keys[3].secret: expected at least 16 bytes, got 15`},
		{"an id twice", keysOnly + "  - {id: sfu, role: script, secret: 0123456789abcdef}\n", `4: keys[2].id: expected an id of its own, sfu is that of keys[0]`},
		{"a secret twice", keysOnly + "  - {id: x, role: script, secret: 0123456789abcdef-sfu}\n", `4: keys[2].secret: expected a secret of its own, it is that of keys[0]`},
		{"three keys in rotation", keysOnly + "  - {id: x, role: sfu, secret: 0123456789abcdef}\n  - {id: y, role: sfu, secret: 0123456789abcdeg}\n",
			`5: keys[3].role: expected at most 2 keys with the role sfu`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(t, c.src, nil)
			if err == nil || err.Error() != "dialroom.yaml:"+c.want {
				t.Errorf("got  %v\nwant dialroom.yaml:%s", err, c.want)
			}
		})
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
