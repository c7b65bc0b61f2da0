package room

import (
	"testing"

	"dialroom/shared/wire"
)

func TestPagesAreToldOfALineWhenItChangesAndNotAfterTheCall(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").publishes(Mic, Phone)
	r := ann.Room()
	h.call(r, ann.ID(), "c_1", "+4930123456")
	r.UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: newFakeLeg(), Codec: wire.PCMA})
	for _, q := range []wire.Quality{
		{Loss: 0.101, Jitter: 12, MOS: 3.4}, {Loss: 0.104, Jitter: 8, MOS: 3.4}, // the same to an ear
		{Loss: 0.2, Jitter: 8, MOS: 2.4},
	} {
		r.RateCall("c_1", q)
	}
	if n := count[LineQuality](ann.page); n != 2 {
		t.Errorf("told %d times", n)
	}
	if m := last[LineQuality](t, ann.page); m.Type != "quality" || m.Call != "c_1" || m.Loss != 0.2 || m.MOS != 2.4 {
		t.Errorf("%+v", m)
	}
	r.UpdateCall("c_1", CallUpdate{State: wire.Ended, Reason: "hangup-phone"})
	r.RateCall("c_1", wire.Quality{MOS: 1})
	r.RateCall("c_2", wire.Quality{MOS: 1})
	if n := count[LineQuality](ann.page); n != 2 {
		t.Errorf("told %d times", n)
	}
}

func TestABrowserWithoutAPhoneCodecIsAskedForItsMicrophoneWhileAPhoneListens(t *testing.T) {
	h := newHouse(t)
	old := h.join("r", "Old browser").publishes(Mic)
	r := old.Room()
	h.call(r, old.ID(), "c_1", "+4930123456")
	if last[Send](t, old.page).Mic {
		t.Error("nobody listens yet")
	}
	r.UpdateCall("c_1", CallUpdate{State: wire.Answered, Leg: newFakeLeg(), Codec: wire.PCMA})
	if s := last[Send](t, old.page); !s.Mic {
		t.Errorf("%+v", s)
	}
	r.UpdateCall("c_1", CallUpdate{State: wire.Ended})
	if last[Send](t, old.page).Mic {
		t.Error("nobody listens any more")
	}
}
