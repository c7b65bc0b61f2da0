package main

import (
	"strings"
	"testing"
)

func TestOptionsThatMakeNoSenseAreErrorsThatSayWhy(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		args       []string
	}{
		{"a codec it does not speak", `expected PCMA, PCMU or G722, got "G729"`, []string{"-codecs", "PCMA,G729"}},
		{"nowhere to listen", "needs a UDP, TCP or TLS address", []string{"-udp", ""}},
		{"an address that is none", "SIP over UDP", []string{"-udp", "nowhere:nothing"}},
		{"an unknown option", "not defined", []string{"-colour", "blue"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := run(tc.args); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want something with %q", err, tc.want)
			}
		})
	}
}

func TestListingTheNumbersStartsNothing(t *testing.T) {
	if err := run([]string{"-numbers"}); err != nil {
		t.Error(err)
	}
}
