package config

import (
	"strings"
	"testing"
	"time"
)

func TestTrunksOfOrdinaryCarriers(t *testing.T) {
	cfg, err := parse(t, keysOnly+`
trunks:
- id: a
  host: sip.example.net
  outbound_proxy: "proxy.example.net:5080"
  username: alice
  password: secret
  register: true
  probe_every: 0s
  hide_caller_id: true
  dial_format: national
  rewrite: [{from: "+49", to: "0"}, {from: "+", to: "00"}]
  max_calls_in: 4
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := cfg.Trunks[0]
	if !got.Register || got.OutboundProxy != "proxy.example.net:5080" || got.ProbeEvery != 0 || !got.HideCallerID ||
		got.MaxCalls != 10 || got.MaxCallsIn != 4 || got.MaxCallsOut != 0 ||
		len(got.Rewrite) != 2 || got.Rewrite[1] != (Rewrite{"+", "00"}) {
		t.Errorf("%+v", got)
	}
	if d := defaultTrunk().ProbeEvery; d != 30*time.Second {
		t.Errorf("probed every %v by default", d)
	}
}

func TestTrunkMistakesAreNamed(t *testing.T) {
	for src, want := range map[string]string{
		"register: true":                               "trunks[0].username: expected the user name to register with",
		"outbound_proxy: \"sip:proxy\"":                "trunks[0].outbound_proxy: expected a host",
		"probe_every: 1s":                              "trunks[0].probe_every: expected from 5s to 1h0m0s, got 1s",
		"max_calls_in: 11":                             "trunks[0].max_calls_in: expected at most max_calls, which is 10, got 11",
		"max_calls_out: 0":                             "trunks[0].max_calls_out: expected a whole number from 1 up, or off for no cap",
		"dial_format: national":                        "trunks[0].rewrite: expected rules",
		"rewrite: [{from: \"+49\", to: \"0\"}]":        "trunks[0].rewrite: expected dial_format national",
		"rewrite: [{from: \"49\", to: \"0\"}]":         "trunks[0].rewrite[0].from: expected + and digits",
		"rewrite: [{from: \"+49\", to: \"0;x=\"}]":     "trunks[0].rewrite[0].to: expected digits",
		"rewrite: [{from: \"+49\", to: \"0\", by: 1}]": "trunks[0].rewrite[0].by: unknown key",
	} {
		t.Run(src, func(t *testing.T) {
			_, err := parse(t, "trunks:\n- id: a\n  host: h\n  "+src+"\n"+keysOnly, nil)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestTLSNeedsBothFilesOrNeither(t *testing.T) {
	if _, err := parse(t, keysOnly+"bridge: {sip: {udp: \"\", tls: \":5061\"}}\ntrunks: [{id: a, host: h, transport: tls}]\n", nil); err != nil {
		t.Error(err)
	}
	_, err := parse(t, keysOnly+"bridge: {sip: {tls: \":5061\", tls_cert: a.pem}}\n", nil)
	if err == nil || !strings.Contains(err.Error(), "bridge.sip: expected both tls_cert and tls_key, or neither") {
		t.Errorf("got %v", err)
	}
}
