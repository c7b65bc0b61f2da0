package config

import (
	"strings"
	"testing"
)

func TestWhatComesLaterIsRefusedAndNotIgnored(t *testing.T) {
	for src, key := range map[string]string{
		"sfu:\n  api_keys: [{id: ops, key: k}]\n": "2: sfu.api_keys",

		"fraud:\n  block: [\"+4918\"]\n":          "2: fraud.block",
		"fraud:\n  block_types: [premium_rate]\n": "2: fraud.block_types",
		"fraud:\n  per_day: {total: 1}\n":         "2: fraud.per_day.total",
		"fraud:\n  per_day: {number: 1}\n":        "2: fraud.per_day.number",
		"fraud:\n  per_minute: {ip: 1}\n":         "2: fraud.per_minute.ip",
		"fraud:\n  concurrent: {ip: 1}\n":         "2: fraud.concurrent.ip",
		"fraud:\n  time_zone: Europe/Berlin\n":    "2: fraud.time_zone",
		"links:\n  secret: 0123456789abcdef\n":    "2: links.secret",
		"links:\n  require_signed: true\n":        "2: links.require_signed",
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
sfu: {api_keys: [], turn: {url: "", secret: ""}}
trunks: [{id: a, host: h, register: false, srtp: required, nat: true, allowed_sources: [], codecs: [G722]}]
extensions: []
numbers: []
fraud:
  block: []
  block_types: [premium_rate, shared_cost, personal, uan, satellite]
  per_day: {total: 200, ip: 10, room: 5, number: 5}
  per_minute: {ip: 3}
  concurrent: {total: 20, ip: 2}
  time_zone: UTC
links: {secret: "", require_signed: false}
`, nil)
	if err != nil {
		t.Error(err)
	}
}
