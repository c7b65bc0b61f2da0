package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dialroom/scripts/carrier/ua"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
)

// dialScript runs scripts/dial.sh with a secret and returns what it printed.
func (w *world) dialScript(secret string, args ...string) (string, error) {
	w.Helper()
	cmd := exec.Command(filepath.Join(prepared.root, "scripts", "dial.sh"), args...)
	cmd.Env = append(os.Environ(),
		"DIALROOM_BRIDGE="+w.stack.Config.SFU.BridgeURL,
		"DIALROOM_KEY_ID="+stack.ScriptKey,
		"DIALROOM_KEY_SECRET="+secret)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// roomOf is the room of a link made by link.
func roomOf(l string) string {
	_, after, _ := strings.Cut(l, "room=")
	room, _, _ := strings.Cut(after, "&")
	return room
}

func TestAScriptPutsAPhoneIntoARoomWithAWaitingBrowser(t *testing.T) {
	w := newWorld(t, options{})
	l := link(t, "")
	p := newBrowser(w, nil).open(l)
	p.connected()
	out, err := w.dialScript(w.stack.Secret(stack.ScriptKey), "601", roomOf(l))
	if err != nil {
		t.Fatalf("dial.sh: %v\n%s", err, out)
	}
	p.awaitState("answered")
	p.listen("phone", 1)
	c := w.call("601", 0)
	eventually(t, patience, "the phone hears the browser", func() bool { return len(spoken(c.Heard())) > 50 })
	p.press("Hang up")
	w.event(patience, "BYE", "601")
}

func TestAScriptMayRingBeforeAnybodyIsInTheRoom(t *testing.T) {
	w := newWorld(t, options{})
	b := newBrowser(w, nil) // started before the room's grace begins to run
	l := link(t, "")
	if out, err := w.dialScript(w.stack.Secret(stack.ScriptKey), "601", roomOf(l)); err != nil {
		t.Fatalf("dial.sh: %v\n%s", err, out)
	}
	p := b.open(l)
	p.awaitState("answered")
	p.listen("phone", 1)
	p.press("Leave")
	w.event(patience, "BYE", "601")
}

func TestAPhoneThatNobodyComesToIsHungUp(t *testing.T) {
	w := newWorld(t, options{settings: func(c *config.Config) { c.SFU.EmptyRoomGrace = 2 * time.Second }})
	if out, err := w.dialScript(w.stack.Secret(stack.ScriptKey), "601", "nobody-comes"); err != nil {
		t.Fatalf("dial.sh: %v\n%s", err, out)
	}
	w.event(outlive, "BYE", "601")
}

func TestAForgedRequestPlacesNoCall(t *testing.T) {
	w := newWorld(t, options{})
	l := link(t, "")
	p := newBrowser(w, nil).open(l)
	p.connected()
	out, err := w.dialScript("not the secret at all", "601", roomOf(l))
	if err == nil {
		t.Fatalf("dial.sh succeeded: %s", out)
	}
	if !strings.Contains(out, "401") {
		t.Errorf("dial.sh says %q, want a 401", out)
	}
	// A true call after it shows that the carrier would have seen the forged one by now.
	if out, err := w.dialScript(w.stack.Secret(stack.ScriptKey), "602", roomOf(l)); err != nil {
		t.Fatalf("dial.sh: %v\n%s", err, out)
	}
	w.call("602", 0)
	if n := w.carrier.Count("INVITE"); n != 1 {
		t.Errorf("%d INVITEs, want the one that was signed", n)
	}
	for _, e := range w.carrier.Events() {
		if e.Number == "601" {
			t.Errorf("the forged request reached the carrier: %+v", ua.Event(e))
		}
	}
}
