package room

import "testing"

func TestAnOperatorTakesABrowserOutForGood(t *testing.T) {
	m := New(Config{Clock: newFakeClock()})
	defer m.Close()
	left := false
	ann, _, err := m.Join(JoinRequest{Room: "r", Name: "Ann", Sender: &nobodyHome{}, OnLeft: func() { left = true }})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := m.Join(JoinRequest{Room: "r", Name: "Bob", Sender: &nobodyHome{}}); err != nil {
		t.Fatal(err)
	}
	r := m.Get("r")
	if r.Remove("p_nobody") || !r.Remove(ann.ID()) || r.Remove(ann.ID()) {
		t.Error("not exactly Ann could be taken out, once")
	}
	if !left || len(r.Participants()) != 1 {
		t.Errorf("Ann has left: %v; in the room: %+v", left, r.Participants())
	}
}

func TestCanResumeOnlyWithTheTokenOfSomebodyWhoIsThere(t *testing.T) {
	m := New(Config{Clock: newFakeClock()})
	defer m.Close()
	ann, _, err := m.Join(JoinRequest{Room: "r", Name: "Ann", Sender: &nobodyHome{}})
	if err != nil {
		t.Fatal(err)
	}
	if !m.CanResume(" r ", ann.token) || m.CanResume("r", "") || m.CanResume("r", ann.token+"x") || m.CanResume("other", ann.token) || m.CanResume("", ann.token) {
		t.Error("not exactly Ann's own token resumes")
	}
	m.Get("r").Remove(ann.ID())
	if m.CanResume("r", ann.token) {
		t.Error("somebody who is gone resumes")
	}
}

// nobodyHome takes messages and reads none. It is not empty, so that every
// connection is one of its own.
type nobodyHome struct{ _ int }

func (*nobodyHome) Send(any) {}
