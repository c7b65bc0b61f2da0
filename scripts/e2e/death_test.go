package e2e

import (
	"testing"
	"time"
)

// outlive is the promise: no paid call outlives its reason by more.
const outlive = 15 * time.Second

func TestWhenTheSFUIsKilledTheCarrierSeesTheCallEnd(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=600"))
	p.awaitState("answered")
	w.stack.SFU.Kill()
	start := time.Now()
	w.event(outlive, "BYE", "600")
	t.Logf("BYE after %v", time.Since(start).Round(time.Millisecond))
}

func TestWhenTheBridgeIsKilledTheRoomLivesOnAndCallsAgain(t *testing.T) {
	w := newWorld(t, options{})
	b := newBrowser(w, nil)
	p := b.open(link(t, "dial=600"))
	p.awaitState("answered")
	w.stack.Bridge.Kill()
	p.awaitStateIn(outlive, "ended")
	if _, reason := p.state(); reason != "bridge-lost" {
		t.Errorf("reason is %q", reason)
	}
	p.connected()
	if err := w.stack.StartBridge(); err != nil {
		t.Fatal(err)
	}
	if err := w.stack.Ready(w.soon()); err != nil {
		t.Fatal(err)
	}
	p.press("Call again")
	p.awaitState("answered")
	w.call("600", 1)
}

func TestReloadingThePageRingsNobody(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=600"))
	p.awaitState("answered")
	for range 2 {
		p.reload()
		p.connected()
		p.awaitState("answered")
	}
	if n := w.carrier.Count("INVITE"); n != 1 {
		t.Errorf("%d INVITEs, want 1", n)
	}
	if n := w.carrier.Count("BYE"); n != 0 {
		t.Errorf("%d BYEs: the call did not survive the reload", n)
	}
}

func TestReloadingAfterTheCallRingsNobody(t *testing.T) {
	w := newWorld(t, options{})
	p := newBrowser(w, nil).open(link(t, "dial=602"))
	p.awaitState("ended")
	p.reload()
	p.connected()
	p.awaitState("ended")
	if n := w.carrier.Count("INVITE"); n != 1 {
		t.Errorf("%d INVITEs, want 1", n)
	}
}

func TestClosingTheTabAndClickingTheLinkAgainRings(t *testing.T) {
	w := newWorld(t, options{})
	b := newBrowser(w, nil)
	l := link(t, "dial=600")
	first := b.open(l)
	first.awaitState("answered")
	first.close()
	second := b.open(l)
	second.awaitState("answered")
	w.call("600", 1)
}

func TestASecondVisitorDoesNotRingThePhoneAgain(t *testing.T) {
	w := newWorld(t, options{})
	b := newBrowser(w, nil)
	l := link(t, "dial=600")
	first := b.open(l)
	first.awaitState("answered")
	second := b.open(l)
	second.awaitState("answered")
	if n := w.carrier.Count("INVITE"); n != 1 {
		t.Errorf("%d INVITEs, want 1", n)
	}
}
