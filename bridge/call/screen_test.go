package call

import (
	"bytes"
	"strings"
	"testing"

	"github.com/emiago/sipgo/sip"
)

// lines makes a message of text with plain line ends.
func lines(text string) []byte { return []byte(strings.ReplaceAll(text, "\n", "\r\n")) }

const plainRequest = "OPTIONS sip:a@example.net SIP/2.0\nVia: SIP/2.0/UDP host;branch=z9hG4bKx\nFrom: <sip:b@example.net>;tag=1\n" +
	"To: <sip:a@example.net>\nCall-ID: one\nCSeq: 1 OPTIONS\n"

func TestScreenWritesMessagesPlainly(t *testing.T) {
	tests := []struct{ name, header, want string }{
		{"folded lines are one", "Subject: long\n  and folded", "Subject: long and folded\r\n"},
		{"compact names are long", "m: <sip:c@example.net>", "Contact: <sip:c@example.net>\r\n"},
		{"space around separators goes", "Contact: <sip:c@example.net> ; q = 0.5", "Contact: <sip:c@example.net>;q=0.5\r\n"},
		{"space in quotes stays", `Contact: "a ; b" <sip:c@example.net>`, `Contact: "a ; b" <sip:c@example.net>` + "\r\n"},
		{"a list of Vias is several", "v: SIP / 2.0 / UDP one ; branch=z9hG4bK1 , SIP/2.0/TCP two:5061", "Via: SIP/2.0/UDP one;branch=z9hG4bK1\r\nVia: SIP/2.0/TCP two:5061\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := screen(lines(plainRequest+test.header+"\n\n"), true)
			if v.answer != nil || !strings.Contains(string(v.plain), test.want) {
				t.Errorf("became\n%s\nanswered\n%s", v.plain, v.answer)
			}
		})
	}
}

func TestScreenCutsWhatIsBeyondTheBody(t *testing.T) {
	v := screen(lines(plainRequest+"Content-Length: 2\n\nabcdef"), true)
	if !bytes.HasSuffix(v.plain, []byte("\r\n\r\nab")) {
		t.Errorf("became\n%s", v.plain)
	}
}

func TestARefusalIsNoLongerThanItHasToBe(t *testing.T) {
	v := screen(lines(strings.Replace(plainRequest, "CSeq: 1", "CSeq: 99999999999", 1)+"Subject: "+strings.Repeat("x", 500)+"\n\n"), true)
	if v.plain != nil || !bytes.HasPrefix(v.answer, []byte("SIP/2.0 400 ")) || len(v.answer) > 300 {
		t.Errorf("answered\n%s", v.answer)
	}
}

// FuzzScreen: whatever comes in, what goes on is read by the library as one
// message, and what goes back is a response.
func FuzzScreen(f *testing.F) {
	f.Add(lines(plainRequest+"\n"), true)
	f.Add(lines(plainRequest+"l: 3\n\nabc"), false)
	f.Add(lines("SIP/2.0 200 OK\nVia: SIP/2.0/UDP host;branch=z9hG4bKx\nCSeq: 1 INVITE\n\n"), true)
	f.Add(lines("ACK sip:a SIP/7.0\nVia : ;;,\n\n"), true)
	f.Add([]byte("\r\n\r\n"), true)
	f.Fuzz(func(t *testing.T, raw []byte, datagram bool) {
		v := screen(raw, datagram)
		if v.plain != nil && v.answer != nil {
			t.Fatal("both let through and answered")
		}
		if v.plain != nil {
			again := screen(v.plain, datagram)
			if again.answer != nil {
				t.Fatalf("what was fine is not any more:\n%q\n%q", v.plain, again.answer)
			}
			_, _ = sip.ParseMessage(v.plain)
		}
		if v.answer != nil && !bytes.HasPrefix(v.answer, []byte("SIP/2.0 ")) {
			t.Fatalf("answered %q", v.answer)
		}
	})
}
