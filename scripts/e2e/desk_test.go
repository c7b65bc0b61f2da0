package e2e

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"dialroom/shared/config"
)

// desk is a desk phone played by SIPp, one scenario after the other.
type desk struct {
	w    *world
	port int
	at   string // where its messages go
	over string // "udp" or "tcp"
}

// newDesk is the phone of extension 610.
func newDesk(w *world) *desk {
	w.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		w.Fatal(err)
	}
	defer conn.Close()
	return &desk{w: w, at: w.stack.Config.Bridge.SIP.UDP, over: "udp", port: conn.LocalAddr().(*net.UDPAddr).Port}
}

// play runs a scenario to its end.
func (d *desk) play(scenario, called string, more ...string) {
	d.w.Helper()
	program, err := exec.LookPath("sipp")
	if err != nil {
		d.w.Skip("there is no sipp here")
	}
	errors := filepath.Join(d.w.TempDir(), "errors")
	args := append([]string{"-sf", filepath.Join(prepared.root, "scripts", "sipp", scenario+".xml"),
		"-i", "127.0.0.1", "-p", fmt.Sprint(d.port), "-m", "1", "-nostdin", "-timeout", "25s", "-timeout_error", "-trace_err", "-error_file", errors,
		"-t", d.over[:1] + "1", "-s", called}, more...)
	cmd := exec.CommandContext(within(d.w, patience), program, append(args, d.at)...)
	cmd.Dir = d.w.TempDir()
	cmd.Env = append(os.Environ(), "TERM=dumb")
	if out, err := cmd.CombinedOutput(); err != nil {
		said, _ := os.ReadFile(errors)
		d.w.Fatalf("%s: %v\n%s\n%s", scenario, err, said, out[max(0, len(out)-500):])
	}
}

func withDesk(c *config.Config) {
	c.Extensions = []config.Extension{{Number: "610", Password: "correct-horse", Name: "front desk"}}
	c.Numbers = []config.Number{{Number: "+4930123400", Room: "reception", Waiting: config.WaitingAnnounce}}
}

func TestADeskPhoneDialsOutThroughTheGuard(t *testing.T) {
	w := newWorld(t, options{settings: withDesk})
	phone := newDesk(w)
	phone.play("phone_registers", "610")
	phone.play("phone_dials", "+493012345")
	far := w.call("493012345", 0)
	if heard := len(far.Heard().PCM()); heard < 8000 {
		t.Errorf("the far end has heard %d samples", heard)
	}
	w.event(patience, "BYE", "493012345")
}

func TestTheGuardRefusesADeskPhoneToo(t *testing.T) {
	w := newWorld(t, options{settings: func(c *config.Config) {
		withDesk(c)
		c.Fraud.Allow = []string{"+44"}
	}})
	phone := newDesk(w)
	phone.play("phone_registers", "610")
	phone.play("phone_refused", "+493012345")
	if n := w.carrier.Count("INVITE"); n != 0 {
		t.Errorf("%d INVITEs have left the house", n)
	}
}

func TestACallToAVirtualNumberIsAnsweredByAnAnnouncement(t *testing.T) {
	w := newWorld(t, options{settings: withDesk})
	phone := newDesk(w)
	phone.play("call", "+4930123400")
	phone.play("call_nowhere", "+4930123499")
}
