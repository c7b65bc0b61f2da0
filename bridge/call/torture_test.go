package call

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
)

// torture are the messages of RFC 4475, as bytes, beside the checkout.
const torture = "../../../shared/rfc4475"

// silence4475 is no answer: to a response, and to what cannot be answered.
const silence4475 = 0

// tortureAnswers are what RFC 4475 asks of an element that understands what we
// do: the statuses that are right. Inviting us from a stranger's address gets
// no answer at all, so the INVITEs are sent to a reception that knows nobody.
func tortureAnswers() map[string][]int {
	return map[string][]int{
		// §3.1.1: valid messages
		"wsinv": {481}, "intmeth": {501}, "esc01": {404}, "escnull": {405}, "esc02": {501}, "lwsdisp": {200},
		"longreq": {404}, "dblreq": {405, 404}, "semiuri": {200}, "transports": {200}, "mpart01": {405},
		"unreason": {silence4475}, "noreason": {silence4475},
		// §3.1.2: invalid messages
		"badinv01": {400}, "clerr": {400}, "ncl": {400}, "scalar02": {400}, "scalarlg": {silence4475}, "quotbal": {400},
		"ltgtruri": {400}, "lwsruri": {400}, "lwsstart": {400}, "trws": {400}, "escruri": {400}, "baddate": {400, 404},
		"regbadct": {400, 405}, "badaspec": {400}, "baddn": {400, 200}, "badvers": {505}, "mismatch01": {400},
		"mismatch02": {400, 501}, "bigcode": {silence4475},
		// §3.2: transactions
		"badbranch": {200, 400},
		// §3.3: applications
		"insuf": {400}, "unkscm": {416}, "novelsc": {416}, "unksm2": {400, 405, 416}, "bext01": {420}, "invut": {415, 404},
		"regaut01": {405}, "multi01": {400}, "mcl01": {400}, "bcast": {silence4475}, "zeromf": {200, 483}, "cparam01": {405},
		"cparam02": {405}, "regescrt": {405}, "sdp01": {404, 406}, "inv2543": {404, 400},
	}
}

func tortureMessages(t *testing.T) map[string][]byte {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(torture, "*.dat"))
	if len(files) == 0 {
		if os.Getenv("CI") != "" {
			t.Fatalf("the messages of RFC 4475 are not in %s", torture)
		}
		t.Skipf("the messages of RFC 4475 are not in %s", torture)
	}
	messages := make(map[string][]byte)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		messages[strings.TrimSuffix(filepath.Base(file), ".dat")] = raw
	}
	return messages
}

// viaPort is where the answer to a datagram without rport goes (RFC 3261 §18.2.2).
var viaPort = regexp.MustCompile(`(?i)(?:^|\n)(?:via|v)\s*:[^,\n]*?SIP\s*/[^\n]*?:\s*(\d{4,5})`)

func TestTortureMessagesOfRFC4475(t *testing.T) {
	messages := tortureMessages(t)
	want := tortureAnswers()
	stranger := func() Reception { return &desk{verdict: func(*sip.Request) Admission { return Admission{} }} }
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			for name, raw := range messages {
				t.Run(name, func(t *testing.T) {
					b := newBridge(t) // some of them have one branch, and would be one transaction
					b.agent.Attend(stranger())
					got := tortured(t, b, network, raw, len(want[name]) == 0 || slices.Contains(want[name], silence4475) || name == "clerr" || name == "baddn")
					if network == "tcp" && got == silence4475 && (name == "clerr" || name == "baddn") {
						return // over a stream they are not over yet
					}
					if list, known := want[name]; known && !slices.Contains(list, got) {
						t.Errorf("answered %d, want %v", got, list)
					}
					if res := strangersPing(t, b); res != 200 {
						t.Errorf("not serving any more: %d", res)
					}
				})
			}
		})
	}
}

// tortured sends a message and returns the status of the answer, 0 for none.
func tortured(t *testing.T, b *bridge, network string, raw []byte, silent bool) int {
	t.Helper()
	wait := patience
	if silent {
		wait = 100 * time.Millisecond
	}
	if network == "tcp" {
		conn, err := net.Dial("tcp", b.agent.TCPAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(raw); err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(wait))
		return statusIn(t, conn)
	}
	port := 5060
	if m := viaPort.FindSubmatch(raw); m != nil {
		port, _ = strconv.Atoi(string(m[1]))
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 44, 75, byte(1+len(raw)%250)), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.WriteToUDPAddrPort(raw, b.agent.UDPAddr()); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	return statusIn(t, conn)
}

// statusIn reads until a final answer or the deadline.
func statusIn(t *testing.T, conn net.Conn) int {
	buf := make([]byte, 65536)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return 0
		}
		line, _, _ := bytes.Cut(buf[:n], []byte("\r\n"))
		fields := strings.Fields(string(line))
		if len(fields) < 2 || fields[0] != "SIP/2.0" {
			t.Errorf("answered %q", line)
			return 0
		}
		if status, _ := strconv.Atoi(fields[1]); status >= 200 {
			return status
		}
	}
}

func strangersPing(t *testing.T, b *bridge) int {
	t.Helper()
	return stranger(t, b, strings.NewReplacer("%s", "x").Replace("OPTIONS sip:610@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP {me};branch=z9hG4bKping;rport\n"+
		"From: <sip:a@example.net>;tag=1\nTo: <sip:610@127.0.0.1>\nCall-ID: ping\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n")).StatusCode
}
