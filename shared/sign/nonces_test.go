package sign

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testClock is a clock the test turns.
type testClock struct{ time time.Time }

func (c *testClock) now() time.Time { return c.time }

// process is one life of a verifier with a file of nonces.
func process(t *testing.T, file string, clock *testClock) *Verifier {
	t.Helper()
	v, err := NewVerifier([]Key{testKey()}, file, clock.time, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// kill ends a verifier as kill -9 does: nothing more is written.
func kill(v *Verifier) { _ = v.nonces.file.Close() }

func TestAReplayIsRefusedAfterARestart(t *testing.T) {
	for name, end := range map[string]func(*Verifier) error{
		"that was orderly": (*Verifier).Close,
		"after kill -9":    func(v *Verifier) error { kill(v); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "nonces")
			clock := &testClock{testNow()}
			v := process(t, file, clock)
			// Signed by clocks that are right, slow and fast; 59 s fast is the hard one.
			past, present, future := signed(t, testNow().Add(-59*time.Second)), signed(t, testNow()), signed(t, testNow().Add(59*time.Second))
			unseen := signed(t, testNow())
			for _, r := range []*received{past, present, future} {
				if err := r.verify(v); err != nil {
					t.Fatal(Cause(err))
				}
			}
			if err := end(v); err != nil {
				t.Fatal(err)
			}

			// The new process starts within the same second.
			v = process(t, file, clock)
			defer func() { _ = v.Close() }()
			for name, r := range map[string]*received{"past": past, "present": present, "future": future} {
				if err := r.verify(v); Cause(err) != errReplay {
					t.Errorf("%s: %v", name, Cause(err))
				}
			}
			if err := unseen.verify(v); err != nil {
				t.Errorf("an honest request of that same second: %v", Cause(err))
			}
		})
	}
}

func TestAReplayIsRefusedAfterManyRestarts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nonces")
	clock := &testClock{testNow()}
	r := signed(t, testNow())
	v := process(t, file, clock)
	if err := r.verify(v); err != nil {
		t.Fatal(Cause(err))
	}
	for range 3 {
		kill(v)
		clock.time = clock.time.Add(10 * time.Second)
		v = process(t, file, clock)
		if err := r.verify(v); Cause(err) != errReplay {
			t.Fatal(Cause(err))
		}
	}
	kill(v)
}

func TestWhatALossOfPowerMayHaveTakenIsRefusedByItsTime(t *testing.T) {
	boot, up := machine()
	now := testNow()
	came := now.Add(-up)
	for name, content := range map[string]string{
		"another boot":     fileMagic + " 6dcd42e0-0000-0000-0000-000000000000\n",
		"an unknown boot":  fileMagic + " \n",
		"an empty file":    "",
		"another file":     "hello\n",
		"half a line":      fileMagic + " " + boot + "\n17000000",
		"a line too long":  fileMagic + " " + boot + "\n" + strings.Repeat("x", 1<<17) + "\n",
		"lines after zero": fileMagic + " " + boot + "\n\x00\x00\x00\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "nonces")
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			v := process(t, file, &testClock{now})
			defer func() { _ = v.Close() }()
			if want := came.Add(MaxAge).Unix(); v.nonces.floor != want && v.nonces.floor != want+1 && v.nonces.floor != want-1 {
				t.Errorf("refuses what is signed until %d, want about %d", v.nonces.floor, want)
			}
		})
	}
}

func TestTheFloorAfterALossOfPowerPasses(t *testing.T) {
	clock := &testClock{testNow()}
	v := process(t, "", clock)
	v.nonces.floor = testNow().Add(MaxAge).Unix() // the machine came up this second
	if err := signed(t, clock.time).verify(v); Cause(err) != errForgot {
		t.Errorf("at once: %v", Cause(err))
	}
	clock.time = testNow().Add(MaxAge + time.Second)
	if err := signed(t, clock.time).verify(v); err != nil {
		t.Errorf("a minute later: %v", Cause(err))
	}
}

func TestAnOrderlyEndIsTrustedOnAnotherBoot(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nonces")
	r := signed(t, testNow())
	tagLine := string(appendLine(nil, entry{tag: tagOf("crm", nonceOf(r)), created: testNow().Unix()}))
	if err := os.WriteFile(file, []byte(fileMagic+" an-earlier-boot\n"+tagLine+fileClosed+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	v := process(t, file, &testClock{testNow()})
	defer func() { _ = v.Close() }()
	if err := r.verify(v); Cause(err) != errReplay {
		t.Errorf("the one before: %v", Cause(err))
	}
	if err := signed(t, testNow()).verify(v); err != nil {
		t.Errorf("a new one: %v", Cause(err))
	}
}

func nonceOf(r *received) string {
	f, err := parse(r.header)
	if err != nil {
		return ""
	}
	return f.nonce
}

func TestNoncesAreForgottenWhenTheirRequestsAreTooOld(t *testing.T) {
	clock := &testClock{testNow()}
	v := newVerifier(t, "", clock.now)
	first := signed(t, clock.time)
	for range 50 {
		if err := signed(t, clock.time).verify(v); err != nil {
			t.Fatal(Cause(err))
		}
	}
	if err := first.verify(v); err != nil {
		t.Fatal(Cause(err))
	}
	clock.time = testNow().Add(2 * time.Minute)
	if err := signed(t, clock.time).verify(v); err != nil {
		t.Fatal(Cause(err))
	}
	if len(v.nonces.seen) != 1 || len(v.nonces.order) != 1 || len(v.nonces.perKey) != 1 {
		t.Errorf("keeps %d, %d, %d, want 1 each", len(v.nonces.seen), len(v.nonces.order), len(v.nonces.perKey))
	}
	// The clock is set back to where the forgotten request would be young again.
	clock.time = testNow()
	if err := first.verify(v); Cause(err) != errForgot {
		t.Errorf("after the clock was set back: %v", Cause(err))
	}
}

func TestAnIdleProcessForgetsToo(t *testing.T) {
	clock := &testClock{testNow()}
	v := newVerifier(t, "", clock.now)
	for range 50 {
		if err := signed(t, clock.time).verify(v); err != nil {
			t.Fatal(Cause(err))
		}
	}
	v.Tidy()
	if len(v.nonces.seen) != 50 {
		t.Fatalf("keeps %d of 50 that are still good", len(v.nonces.seen))
	}
	clock.time = testNow().Add(2 * time.Minute)
	if v.Tidy(); len(v.nonces.seen)+len(v.nonces.order)+len(v.nonces.perKey) != 0 {
		t.Errorf("keeps %d, %d, %d", len(v.nonces.seen), len(v.nonces.order), len(v.nonces.perKey))
	}
}

func TestAKeyThatFloodsFillsOnlyItsOwnWindow(t *testing.T) {
	s, err := openNonces("", testNow())
	if err != nil {
		t.Fatal(err)
	}
	s.perKey["crm"] = maxPerKey
	if err := s.use("crm", "n", testNow().Unix(), testNow()); !errors.Is(err, errFlood) {
		t.Errorf("the one that floods: %v", err)
	}
	if err := s.use("sfu", "n", testNow().Unix(), testNow()); err != nil {
		t.Errorf("another: %v", err)
	}
}

func TestTheFileIsRewrittenBeforeItGrowsWithoutBound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nonces")
	now := testNow()
	s, err := openNonces(file, now)
	if err != nil {
		t.Fatal(err)
	}
	largest := int64(0)
	for i := range 4 * rewriteAfter {
		if i%100 == 0 {
			now = now.Add(10 * time.Second)
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			largest = max(largest, info.Size())
		}
		if err := s.use("crm", string(appendLine(nil, entry{created: int64(i)})), now.Unix(), now); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if limit := int64(rewriteAfter+1000) * 50; largest > limit {
		t.Errorf("grew to %d bytes, want at most %d", largest, limit)
	}
	again, err := openNonces(file, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.seen) != len(s.seen) {
		t.Errorf("read back %d of %d", len(again.seen), len(s.seen))
	}
	if err := again.close(); err != nil {
		t.Fatal(err)
	}
}

func TestANonceThatCannotBeWrittenIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nonces")
	clock := &testClock{testNow()}
	v := process(t, file, clock)
	kill(v) // from here on writing fails
	r := signed(t, testNow())
	if err := r.verify(v); !errors.Is(err, ErrStore) || errors.Is(err, ErrUnauthorized) || err.Error() != ErrStore.Error() || Cause(err) == nil {
		t.Errorf("got %v", Cause(err))
	}
	// The disk is back: the file is written anew and the request passes.
	if err := r.verify(v); err != nil {
		t.Errorf("once it can be written again: %v", Cause(err))
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheFileIsForItsOwnerOnlyAndItsFolderMustExist(t *testing.T) {
	file := filepath.Join(t.TempDir(), "nonces")
	v := process(t, file, &testClock{testNow()})
	defer func() { _ = v.Close() }()
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
	if _, err := NewVerifier(nil, filepath.Join(t.TempDir(), "no", "nonces"), testNow(), testNow); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// FuzzLoad shows that no file of nonces panics or keeps the process from starting.
func FuzzLoad(f *testing.F) {
	boot, _ := machine()
	f.Add([]byte(fileMagic + " " + boot + "\n1700000000 00112233445566778899aabbccddeeff\nclosed\n"))
	f.Add([]byte(fileMagic + "\n-1 zz\n\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "nonces")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := openNonces(file, testNow())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
}
