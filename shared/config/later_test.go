package config

import (
	"strings"
	"testing"
)

func TestWhatComesLaterIsRefusedAndNotIgnored(t *testing.T) {
	trunk := "trunks:\n- id: a\n  host: h\n  "
	for src, key := range map[string]string{
		"bridge:\n  sip:\n    tls: \":5061\"\n":                       "3: bridge.sip.tls",
		"bridge:\n  sip:\n    tls_cert: a\n":                          "3: bridge.sip.tls_cert",
		"bridge:\n  sip:\n    tls_key: a\n":                           "3: bridge.sip.tls_key",
		trunk + "register: true\n":                                    "4: trunks[0].register",
		trunk + "transport: tls\n":                                    "4: trunks[0].transport",
		trunk + "dial_format: national\n":                             "4: trunks[0].dial_format",
		trunk + "srtp: optional\n":                                    "4: trunks[0].srtp",
		trunk + "srtp: required\n":                                    "4: trunks[0].srtp",
		trunk + "allowed_sources: [192.0.2.0/24]\n":                   "4: trunks[0].allowed_sources",
		trunk + "codecs: [G722]\n":                                    "4: trunks[0].codecs",
		"extensions:\n- {number: \"610\", password: p, name: desk}\n": "1: extensions",
		"numbers:\n- {number: \"+4930123400\", room: r}\n":            "1: numbers",
	} {
		t.Run(strings.TrimSuffix(key[3:], "[0]"), func(t *testing.T) {
			_, err := parse(t, src+keysOnly, nil)
			if want := "dialroom.yaml:" + key + ": not supported yet"; err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestLaterKeysMayBeSpelledOutAtTheirDefaults(t *testing.T) {
	_, err := parse(t, keysOnly+`
sfu: {turn: {url: "", secret: ""}}
bridge: {sip: {tls: "", tls_cert: "", tls_key: ""}}
trunks: [{id: a, host: h, register: false, srtp: off, allowed_sources: [], codecs: [G722, PCMA]}]
extensions: []
numbers: []
`, nil)
	if err != nil {
		t.Error(err)
	}
}
