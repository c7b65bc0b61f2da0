package trunk

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func tr(id string, priority int, prefixes ...string) Trunk {
	return Trunk{ID: id, Name: id, Priority: priority, Enabled: true, Prefixes: prefixes, DialFormat: E164, MaxCalls: 10}
}

func disabled(t Trunk) Trunk { t.Enabled = false; return t }

func limit(t Trunk, n int) Trunk { t.MaxCalls = n; return t }

func allowed(t Trunk, prefixes ...string) Trunk { t.AllowedPrefixes = prefixes; return t }

func perMinute(t Trunk, n int) Trunk { t.PerMinute = n; return t }

func TestChoose(t *testing.T) {
	tests := []struct {
		name   string
		trunks []Trunk
		number string
		pinned string
		want   []string
		err    error
	}{
		{"the lowest priority value comes first, whatever the order of the file",
			[]Trunk{tr("b", 20, "+"), tr("a", 10, "+")}, "+4930123456", "", []string{"a", "b"}, nil},
		{"a better priority beats a longer prefix",
			[]Trunk{tr("world", 10, "+"), tr("germany", 20, "+49")}, "+4930123456", "", []string{"world", "germany"}, nil},
		{"with equal priority the longer prefix comes first",
			[]Trunk{tr("world", 10, "+"), tr("germany", 10, "+49")}, "+4930123456", "", []string{"germany", "world"}, nil},
		{"with equal priority and prefix the file's order stays",
			[]Trunk{tr("one", 10, "+"), tr("two", 10, "+")}, "+4930123456", "", []string{"one", "two"}, nil},
		{"the longest of a trunk's own prefixes counts",
			[]Trunk{tr("short", 10, "+49"), tr("both", 10, "+", "+4930")}, "+4930123456", "", []string{"both", "short"}, nil},
		{"a trunk for other countries is left out",
			[]Trunk{tr("us", 10, "+1"), tr("de", 20, "+49")}, "+4930123456", "", []string{"de"}, nil},
		{"a plus prefix carries no extension",
			[]Trunk{tr("world", 10, "+")}, "610", "", nil, ErrNotCarried},
		{"the empty prefix carries extensions",
			[]Trunk{tr("world", 10, "+"), tr("pbx", 20, "")}, "610", "", []string{"pbx"}, nil},
		{"the empty prefix carries numbers too",
			[]Trunk{tr("pbx", 20, "")}, "+4930123456", "", []string{"pbx"}, nil},
		{"a digit prefix carries its extensions",
			[]Trunk{tr("pbx", 20, "6")}, "610", "", []string{"pbx"}, nil},
		{"a digit prefix carries no number with a plus",
			[]Trunk{tr("pbx", 20, "4")}, "+4930123456", "", nil, ErrNotCarried},
		{"a trunk that is switched off is left out",
			[]Trunk{disabled(tr("a", 10, "+")), tr("b", 20, "+")}, "+4930123456", "", []string{"b"}, nil},
		{"a trunk without prefixes carries nothing",
			[]Trunk{tr("a", 10)}, "+4930123456", "", nil, ErrNotCarried},
		{"no trunks carry nothing", nil, "+4930123456", "", nil, ErrNotCarried},
		{"a pinned trunk is the only one, whatever its priority",
			[]Trunk{tr("a", 10, "+"), tr("b", 20, "+")}, "+4930123456", "b", []string{"b"}, nil},
		{"an unknown pinned trunk is never replaced by another",
			[]Trunk{tr("a", 10, "+")}, "+4930123456", "x", nil, ErrUnknown},
		{"a pinned trunk that is switched off is never replaced",
			[]Trunk{tr("a", 10, "+"), disabled(tr("b", 20, "+"))}, "+4930123456", "b", nil, ErrDisabled},
		{"a trunk that may not be used for the number is left out",
			[]Trunk{allowed(tr("a", 10, "+"), "+49"), tr("b", 20, "+")}, "+12125550123", "", []string{"b"}, nil},
		{"a trunk that may be used for the number is not",
			[]Trunk{allowed(tr("a", 10, "+"), "+1", "+49"), tr("b", 20, "+")}, "+4930123456", "", []string{"a", "b"}, nil},
		{"what a trunk may be used for does not make it carry more",
			[]Trunk{allowed(tr("a", 10, "+49"), "+")}, "+12125550123", "", nil, ErrNotCarried},
		{"no trunk may be used for the number",
			[]Trunk{allowed(tr("a", 10, "+"), "+49")}, "+12125550123", "", nil, ErrNotAllowed},
		{"a pinned trunk may not be used for every number",
			[]Trunk{allowed(tr("a", 10, "+"), "+49"), tr("b", 20, "+")}, "+12125550123", "a", nil, ErrNotAllowed},
		{"extensions have to be allowed too",
			[]Trunk{allowed(tr("pbx", 10, ""), "+")}, "610", "", nil, ErrNotAllowed},
		{"a pinned trunk still has to carry the number",
			[]Trunk{tr("a", 10, "+"), tr("us", 20, "+1")}, "+4930123456", "us", nil, ErrNotCarried},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			slots, err := NewTable(test.trunks, time.Now).Choose(test.number, test.pinned)
			if !errors.Is(err, test.err) {
				t.Fatalf("error %v, want %v", err, test.err)
			}
			if err != nil {
				return
			}
			var got []string
			for slot := range slots {
				got = append(got, slot.Trunk.ID)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestMaxCalls(t *testing.T) {
	table := NewTable([]Trunk{limit(tr("small", 10, "+"), 1), limit(tr("big", 20, "+"), 2)}, time.Now)
	var slots []*Slot
	for _, want := range []string{"small", "big", "big"} {
		slot, err := table.First("+4930123456", "")
		if err != nil || slot.Trunk.ID != want {
			t.Fatalf("got %+v, %v, want %s", slot, err, want)
		}
		slots = append(slots, slot)
	}
	if _, err := table.First("+4930123456", ""); !errors.Is(err, ErrFull) {
		t.Fatalf("a fourth call got %v, want ErrFull", err)
	}
	if _, err := table.First("+4930123456", "small"); !errors.Is(err, ErrFull) {
		t.Fatalf("a call pinned to the full trunk got %v, want ErrFull", err)
	}
	slots[0].Release()
	slots[0].Release() // a second release gives nothing away
	if slot, err := table.First("+4930123456", ""); err != nil || slot.Trunk.ID != "small" {
		t.Fatalf("after a release: %+v, %v", slot, err)
	}
	if _, err := table.First("+4930123456", ""); !errors.Is(err, ErrFull) {
		t.Fatalf("one release made room for two calls: %v", err)
	}
}

func TestMaxCallsByDirection(t *testing.T) {
	host := netip.MustParseAddr("192.0.2.1")
	for _, test := range []struct {
		name         string
		both, in, of int // max_calls, _in, _out
		calls        string
		want         string // which of them were let: i in, o out, - neither
	}{
		{"none of its own: both share", 3, 0, 0, "ioio", "ioi-"},
		{"in only", 4, 1, 0, "iioooo", "i-ooo-"},
		{"out only", 4, 0, 1, "ooiiii", "o-iii-"},
		{"both, and the sum holds too", 3, 2, 2, "iiioo", "ii-o-"},
		{"a direction that is full leaves the other alone", 10, 1, 1, "iooi", "io--"},
	} {
		t.Run(test.name, func(t *testing.T) {
			trunk := limit(tr("a", 10, "+"), test.both)
			trunk.Host, trunk.MaxIn, trunk.MaxOut = "192.0.2.1", test.in, test.of
			table := NewTable([]Trunk{trunk}, time.Now)
			var got []byte
			var slots []*Slot
			for _, c := range test.calls {
				slot, letter := (*Slot)(nil), byte(c)
				if c == 'i' {
					slot, _ = table.Inbound(host, nil)
				} else {
					slot, _ = table.First("+4930123456", "")
				}
				if slot == nil {
					letter = '-'
				} else {
					slots = append(slots, slot)
				}
				got = append(got, letter)
			}
			if string(got) != test.want {
				t.Errorf("let %s, want %s", got, test.want)
			}
			public := table.List()[0]
			if in := strings.Count(test.want, "i"); public.CallsIn != in || public.Calls != in+strings.Count(test.want, "o") || public.MaxCallsIn != test.in || public.MaxCallsOut != test.of {
				t.Errorf("shown as %+v", public)
			}
			for _, s := range slots {
				s.Release()
				s.Release()
			}
			if n := table.List()[0]; n.Calls != 0 || n.CallsIn != 0 || len(table.calls) != 0 {
				t.Errorf("after all have ended: %+v", n)
			}
		})
	}
}

func TestCallsThatComeInAreNoneOfThoseInAMinute(t *testing.T) {
	trunk := perMinute(tr("a", 10, "+"), 1)
	trunk.Host = "192.0.2.1"
	table := NewTable([]Trunk{trunk}, time.Now)
	for range 5 {
		if slot, _ := table.Inbound(netip.MustParseAddr("192.0.2.1"), nil); slot == nil {
			t.Fatal("a caller is not let in")
		}
	}
	if _, err := table.First("+4930123456", ""); err != nil {
		t.Errorf("the one call that may be placed: %v", err)
	}
	if slot, _ := table.Inbound(netip.MustParseAddr("192.0.2.1"), nil); slot == nil {
		t.Error("a caller is not let in after that")
	}
}

func TestMaxCallsHoldsUnderManyDialsAtOnce(t *testing.T) {
	table := NewTable([]Trunk{limit(tr("a", 10, "+"), 5)}, time.Now)
	var wg sync.WaitGroup
	got := make(chan *Slot, 200)
	for range 200 {
		wg.Go(func() {
			if slot, err := table.First("+4930123456", ""); err == nil {
				got <- slot
			}
		})
	}
	wg.Wait()
	if len(got) != 5 {
		t.Fatalf("%d of 200 dials got a slot, want 5", len(got))
	}
}

func TestPerMinute(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	table := NewTable([]Trunk{perMinute(tr("a", 10, "+"), 2)}, func() time.Time { return now })
	dial := func(want error) {
		t.Helper()
		slot, err := table.First("+4930123456", "")
		if !errors.Is(err, want) {
			t.Fatalf("got %v, want %v", err, want)
		}
		if err == nil {
			slot.Release() // a call that is over still was one
		}
	}
	dial(nil)
	now = now.Add(30 * time.Second)
	dial(nil)
	dial(ErrTooFast)
	if got := table.List()[0]; got.State != "full" || got.Minute != 2 || got.PerMinute != 2 {
		t.Errorf("the list says %+v", got)
	}
	now = now.Add(30*time.Second - 1)
	dial(ErrTooFast)
	table.Load([]Trunk{perMinute(tr("a", 10, "+"), 2), tr("b", 20, "+")})
	if slot, err := table.First("+4930123456", ""); err != nil || slot.Trunk.ID != "b" {
		t.Fatalf("a reload forgot the count: %+v, %v", slot, err)
	}
	table.Load([]Trunk{perMinute(tr("a", 10, "+"), 2)})
	now = now.Add(1)
	dial(nil)
	dial(ErrTooFast)
	now = now.Add(-24 * time.Hour)
	dial(ErrTooFast) // a clock that is set back opens nothing
}

func TestPerMinuteHoldsUnderManyDialsAtOnce(t *testing.T) {
	table := NewTable([]Trunk{perMinute(tr("a", 10, "+"), 5)}, time.Now)
	var wg sync.WaitGroup
	got := make(chan *Slot, 200)
	for range 200 {
		wg.Go(func() {
			if slot, err := table.First("+4930123456", ""); err == nil {
				slot.Release()
				got <- slot
			}
		})
	}
	wg.Wait()
	if len(got) != 5 {
		t.Fatalf("%d of 200 dials got a slot, want 5", len(got))
	}
}

func TestCouldTakesNothing(t *testing.T) {
	table := NewTable([]Trunk{limit(tr("small", 10, "+"), 1), perMinute(tr("slow", 20, "+"), 1), tr("us", 5, "+1"), disabled(tr("off", 1, "+"))}, time.Now)
	states := func() (list []string) {
		could, err := table.Could("+4930123456", "")
		if err != nil {
			t.Fatal(err)
		}
		for _, trunk := range could {
			list = append(list, trunk.ID+" "+trunk.State)
		}
		return list
	}
	for range 3 {
		if got := states(); !slices.Equal(got, []string{"small up", "slow up"}) {
			t.Fatalf("got %v", got)
		}
	}
	if _, err := table.First("+4930123456", "small"); err != nil {
		t.Fatal(err)
	}
	if _, err := table.First("+4930123456", "slow"); err != nil {
		t.Fatal(err)
	}
	if got := states(); !slices.Equal(got, []string{"small full", "slow full"}) {
		t.Errorf("got %v", got)
	}
	if _, err := table.Could("+4930123456", "nope"); !errors.Is(err, ErrUnknown) {
		t.Errorf("an unknown trunk: %v", err)
	}
}

func TestShorten(t *testing.T) {
	for _, tc := range []struct{ limit, asked, want time.Duration }{
		{0, time.Hour, time.Hour}, {time.Minute, time.Hour, time.Minute}, {2 * time.Hour, time.Hour, time.Hour},
	} {
		if got := (&Trunk{MaxDuration: tc.limit}).Shorten(tc.asked); got != tc.want {
			t.Errorf("%v under %v is %v", tc.asked, tc.limit, got)
		}
	}
}

func TestReloadKeepsTheCount(t *testing.T) {
	table := NewTable([]Trunk{limit(tr("a", 10, "+"), 1)}, time.Now)
	slot, err := table.First("+4930123456", "")
	if err != nil {
		t.Fatal(err)
	}
	table.Load([]Trunk{limit(tr("a", 10, "+"), 1), tr("b", 20, "+")})
	if got := table.List(); len(got) != 2 || got[0].Calls != 1 || got[1].Calls != 0 {
		t.Fatalf("list after reload: %+v", got)
	}
	if next, err := table.First("+4930123456", ""); err != nil || next.Trunk.ID != "b" {
		t.Fatalf("after reload: %+v, %v", next, err)
	}
	slot.Release()
	if got := table.List(); got[0].Calls != 0 {
		t.Fatalf("a slot from before the reload was not given back: %+v", got)
	}
}

func TestListTellsNoSecrets(t *testing.T) {
	off := disabled(tr("b", 20, "+"))
	on := tr("a", 10, "+")
	on.Username, on.Password = "user", "secret"
	got := NewTable([]Trunk{off, on}, time.Now).List()
	if len(got) != 2 || got[0].ID != "a" || got[0].State != "up" || got[1].State != "disabled" {
		t.Fatalf("list: %+v", got)
	}
}

func TestTrusts(t *testing.T) {
	host := func(h string) Trunk { trunk := tr("a", 10, "+"); trunk.Host = h; return trunk }
	tests := []struct {
		name  string
		trunk Trunk
		ip    string
		want  bool
	}{
		{"the host itself", host("192.0.2.1"), "192.0.2.1", true},
		{"whatever its port", host("192.0.2.1:5080"), "192.0.2.1", true},
		{"an address mapped into IPv6 is the same", host("192.0.2.1"), "::ffff:192.0.2.1", true},
		{"an IPv6 host", host("[2001:db8::1]:5060"), "2001:db8::1", true},
		{"nobody else", host("192.0.2.1"), "192.0.2.2", false},
		{"nobody by a name", host("sip.example.net"), "192.0.2.1", false},
		{"nobody by a trunk that is switched off", disabled(host("192.0.2.1")), "192.0.2.1", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := NewTable([]Trunk{test.trunk}, time.Now).Trusts(netip.MustParseAddr(test.ip)); got != test.want {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestUser(t *testing.T) {
	tests := []struct{ name, format, number, want string }{
		{"e164 drops the plus", E164, "+4930123456", "4930123456"},
		{"plus keeps it", Plus, "+4930123456", "+4930123456"},
		{"an extension stays as it is", E164, "610", "610"},
		{"an extension gets no plus", Plus, "610", "610"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trunk := Trunk{DialFormat: test.format}
			if got := trunk.User(test.number); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
