package room

import (
	"slices"
	"testing"
)

// filmed is a person whose camera sends several sizes.
type filmed struct {
	*person
	layers []*Track // smallest first
}

// films lets a person publish a microphone and a camera of three sizes, as wide as told.
func (p *person) films(widths ...uint32) filmed {
	p.publishes(Mic)
	camera := &Track{Owner: p.ID(), Kind: Camera}
	for i, rid := range []string{"q", "h", "f"} {
		l := &Track{Owner: p.ID(), Kind: Camera, RID: rid}
		if i < len(widths) {
			l.SetWidth(widths[i])
		}
		camera.Layers = append(camera.Layers, l)
	}
	p.media.tracks[Camera] = camera
	p.SetMedia(p.media)
	return filmed{p, camera.Layers}
}

// send lets packets of the named layers through for so many ticks.
func (f filmed) send(ticks int, rids ...string) {
	for range ticks {
		for _, l := range f.layers {
			if slices.Contains(rids, l.RID) {
				l.Forward(&Packet{Codec: VP8, Payload: []byte{0x10}})
			}
		}
		f.room.tick()
	}
}

// asked returns the sizes that the page was told to send.
func (f filmed) asked(t *testing.T) []string { return last[Layers](t, f.page).Camera }

// shown returns the size that a viewer is given.
func (p *person) shown() string { return p.media.assigned["c0"].RID }

func TestEverybodyGetsTheSmallestPictureThatLooksRight(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").films(320, 640, 1280)
	bob := h.join("r", "Bob").publishes(Mic)
	ann.send(1, "q", "h", "f")
	for _, tc := range []struct {
		name  string
		width int
		want  string
	}{
		{"a thumbnail", 160, "q"},
		{"as wide as the smallest", 320, "q"},
		{"hardly wider", 400, "q"},
		{"clearly wider", 401, "h"},
		{"half a screen", 700, "h"},
		{"a screen", 1280, "f"},
		{"more than there is", 4000, "f"},
		{"a page that does not say", 0, "f"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bob.SetView([]View{{ann.ID(), Camera, tc.width}})
			if got := bob.shown(); got != tc.want {
				t.Errorf("%d pixels show %s, want %s", tc.width, got, tc.want)
			}
		})
	}
}

func TestWidthsThatNobodyToldAreGuessed(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").films()
	bob := h.join("r", "Bob").publishes(Mic)
	for width, want := range map[int]string{300: "q", 600: "h", 1000: "f"} {
		bob.SetView([]View{{ann.ID(), Camera, width}})
		ann.send(1, "q", "h", "f")
		if got := bob.shown(); got != want {
			t.Errorf("%d pixels show %s, want %s", width, got, want)
		}
	}
}

func TestAPublisherSendsOnlyTheSizesThatSomebodyGets(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").films(320, 640, 1280)
	bob := h.join("r", "Bob").publishes(Mic)
	bob.SetView([]View{{ann.ID(), Camera, 1280}})
	if got := ann.asked(t); !slices.Equal(got, []string{"f"}) {
		t.Fatalf("Ann sends %v, want f", got)
	}
	cid := h.join("r", "Cid").publishes(Mic)
	cid.SetView([]View{{ann.ID(), Camera, 200}})
	if got := ann.asked(t); !slices.Equal(got, []string{"q", "f"}) {
		t.Fatalf("Ann sends %v, want q and f", got)
	}
	bob.Leave(bob.page)
	ann.send(layerRest+1, "q", "f")
	if got := ann.asked(t); !slices.Equal(got, []string{"q"}) {
		t.Fatalf("Ann sends %v, want q", got)
	}
}

func TestASizeIsChangedOnlyWhenTheOtherComesAndIsKeptUntilItShows(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").films(320, 640, 1280)
	bob := h.join("r", "Bob").publishes(Mic)
	bob.SetView([]View{{ann.ID(), Camera, 1280}})
	ann.send(3, "f")
	bob.SetView([]View{{ann.ID(), Camera, 200}})
	if got := bob.shown(); got != "f" {
		t.Fatalf("before any packet of the small picture Bob sees %s", got)
	}
	if got := ann.asked(t); !slices.Equal(got, []string{"q", "f"}) {
		t.Fatalf("Ann sends %v, want q beside f", got)
	}
	ann.send(1, "q", "f")
	if got := bob.shown(); got != "q" {
		t.Fatalf("Bob sees %s although q is sent", got)
	}
	if got := ann.asked(t); !slices.Equal(got, []string{"q", "f"}) {
		t.Fatalf("Ann sends %v, want f to go on until q shows", got)
	}
	ann.send(layerRest+1, "q", "f")
	if got := ann.asked(t); !slices.Equal(got, []string{"q"}) {
		t.Fatalf("Ann sends %v, want q", got)
	}
}

func TestALayerThatTheBrowserCannotAffordGivesWayToTheNextSmaller(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").films(320, 640, 1280)
	bob := h.join("r", "Bob").publishes(Mic)
	bob.SetView([]View{{ann.ID(), Camera, 1280}})
	ann.send(2, "q", "h", "f")
	ann.send(layerGone, "q", "h")
	if got := bob.shown(); got != "h" {
		t.Errorf("Bob sees %s, want h", got)
	}
	ann.send(layerGone, "q")
	if got := bob.shown(); got != "q" {
		t.Errorf("Bob sees %s, want q", got)
	}
	ann.send(1, "q", "h", "f")
	if got := bob.shown(); got != "f" {
		t.Errorf("Bob sees %s, want f again", got)
	}
}

func TestPaddingIsNoPicture(t *testing.T) {
	h := newHouse(t)
	ann := h.join("r", "Ann").films(320, 640, 1280)
	bob := h.join("r", "Bob").publishes(Mic)
	bob.SetView([]View{{ann.ID(), Camera, 1280}})
	ann.send(2, "h")
	ann.layers[2].Forward(&Packet{Codec: VP8}) // how a browser probes whether its line carries more
	ann.send(1, "h")
	if got := bob.shown(); got != "h" {
		t.Errorf("Bob is given %s, want h", got)
	}
}
