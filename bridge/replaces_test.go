package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// SIPp calls, and a second SIPp takes the place of the first, as an attended
// transfer does whose target we are: for the room it is one call.
func TestSIPpTakesThePlaceOfAPhoneInItsCall(t *testing.T) {
	b := newHouse(t, "127.0.0.1", true)
	at := b.m.agent.UDPAddr().String()
	messages := filepath.Join(t.TempDir(), "messages")
	first := startSIPp(t, "call_is_replaced", at, "+4930123400", freeUDP(t), "-cid_str", "replaced@sipp", "-trace_msg", "-message_file", messages)
	eventually(t, "the first phone is in the room", func() bool { return b.room.got("c_in") == "answered" })
	var ours string
	eventually(t, "it has our tag", func() bool {
		raw, _ := os.ReadFile(messages)
		if m := regexp.MustCompile(`SIP/2\.0 200 (?s:.*?)\nTo: [^\n]*;tag=(\w+)`).FindSubmatch(raw); m != nil {
			ours = string(m[1])
		}
		return ours != ""
	})
	second := startSIPp(t, "call_takes_over", at, "+4930123400", freeUDP(t), "-key", "dialog", "replaced@sipp", "-key", "ours", ours, "-key", "theirs", "sipp-1")
	first.wait()
	second.wait()
	eventually(t, "it was one call", func() bool { return b.room.got("c_in") == "answered, answered, ended hangup-phone" })
	if n := len(b.room.asked()); n != 1 {
		t.Errorf("the sfu was asked for %d legs", n)
	}
}
