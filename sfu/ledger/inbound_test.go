package ledger

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// inbound is a call that came in at noon, as it begins.
func inbound(id string) Call {
	return Call{
		Reservation: Reservation{ID: id, At: noon, Room: "sales", Number: "+4989654321", Called: "+4930123400", Asker: Asker{Kind: "trunk", Key: "tr_1"}},
		Record:      Record{Carrier: "tr_1"},
	}
}

// written returns the records once all notes are in the file.
func written(t *testing.T, l *Ledger, f Filter) []Call {
	t.Helper()
	if !l.writeNotes(t.Context()) {
		t.Fatal("the notes were not written")
	}
	calls, total, err := l.Calls(t.Context(), f)
	if err != nil || total != len(calls) {
		t.Fatalf("%d of %d calls, %v", len(calls), total, err)
	}
	return calls
}

func TestAnInboundCallIsOnRecordFromItsBeginningToItsEnd(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
	c := inbound("c_1")
	l.Note(c)
	got := written(t, l, Filter{Direction: In})
	if len(got) != 1 || got[0].Number != "+4989654321" || got[0].Called != "+4930123400" || got[0].Carrier != "tr_1" || !got[0].Ended.IsZero() {
		t.Fatalf("when it begins: %+v", got)
	}
	c.Answered = noon.Add(5 * time.Second)
	l.Note(c)
	if got := written(t, l, Filter{Running: true}); len(got) != 1 || !got[0].Answered.Equal(c.Answered) {
		t.Fatalf("when it is answered: %+v", got)
	}
	c.Ended, c.Ending = noon.Add(65*time.Second), "hangup-phone"
	l.Note(c)
	if got := written(t, l, Filter{Reason: "hangup-phone"}); len(got) != 1 || got[0].Talk != time.Minute || got[0].Direction != In || got[0].Asker.Key != "tr_1" {
		t.Fatalf("when it has ended: %+v", got)
	}
}

func TestInboundCallsCountAgainstNoCap(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
	r := reservation("c_out")
	if err := reserve(t.Context(), l, r); err != nil {
		t.Fatal(err)
	}
	r.Number = "+4989654321" // that calls us all day
	before := counted(t, l, r, Since{Day: noon.Add(-time.Hour), Minute: noon.Add(-17 * time.Second)})
	for i := range 300 {
		c := inbound(fmt.Sprint("c_", i))
		l.Note(c)
		if i%2 == 0 {
			c.Answered, c.Ended, c.Ending = noon, noon.Add(time.Hour), "hangup-phone"
			l.Note(c)
		}
	}
	if got := written(t, l, Filter{Direction: In}); len(got) != 300 {
		t.Fatalf("%d on record", len(got))
	}
	if after := counted(t, l, r, Since{Day: noon.Add(-time.Hour), Minute: noon.Add(-17 * time.Second)}); after != before {
		t.Errorf("counted %+v before and %+v after", before, after)
	}
	if got := written(t, l, Filter{Direction: Out}); len(got) != 1 || got[0].ID != "c_out" || got[0].Direction != Out {
		t.Errorf("outbound: %+v", got)
	}
}

func TestNoCallerWaitsForALedgerThatCannotBeWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	if err := os.WriteFile(path, []byte("this is no database at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	l := New(path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	t.Cleanup(func() { _ = l.Close() })
	begin := time.Now()
	for i := range maxNotes + 100 {
		l.Note(inbound(fmt.Sprint("c_", i)))
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("%d calls waited %v in all", maxNotes+100, took)
	}
	l.mu.Lock()
	waiting, lost := len(l.notes.waiting), l.notes.lost
	l.mu.Unlock()
	if waiting != maxNotes || lost > 100 {
		t.Errorf("%d wait and %d are lost", waiting, lost)
	}
}

func TestANoteThatIsRenewedWhileItIsWrittenIsWrittenAgain(t *testing.T) {
	l := openTest(t, filepath.Join(t.TempDir(), "ledger.db"))
	c := inbound("c_1")
	l.mu.Lock() // keeps the ledger's own round out
	l.notes.wait(c)
	l.mu.Unlock()
	list := l.nextNotes()
	c.Ended, c.Ending = noon.Add(time.Second), "no-answer"
	l.Note(c)
	l.noted(list)
	if got := written(t, l, Filter{}); len(got) != 1 || got[0].Ending != "no-answer" || got[0].Talk != 0 {
		t.Errorf("on record: %+v", got)
	}
}

func TestAnInboundCallThatWasLeftOverIsChargedToNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l, err := Open(path, Options{Now: func() time.Time { return noon }})
	if err != nil {
		t.Fatal(err)
	}
	talking := inbound("c_talking")
	talking.Answered = noon.Add(time.Second)
	l.Note(talking)
	l.Note(inbound("c_ringing"))
	if err := l.Close(); err != nil { // which writes what waits, and settles nothing
		t.Fatal(err)
	}
	l, err = Open(path, Options{Now: func() time.Time { return noon.Add(time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for _, c := range written(t, l, Filter{}) {
		if c.Ending != LeftOver || c.Carrier != "tr_1" || (c.Talk > 0) != (c.ID == "c_talking") || c.Price != 0 {
			t.Errorf("%s: %+v", c.ID, c)
		}
	}
	if got := counted(t, l, reservation("c_new"), today); got != (Counters{}) {
		t.Errorf("counted %+v", got)
	}
}

func TestAnInboundCallGoesOnInAFileThatIsOpenedAnew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openTest(t, path)
	l.Note(inbound("c_1"))
	if got := written(t, l, Filter{}); len(got) != 1 {
		t.Fatalf("on record: %+v", got)
	}
	if _, err := raw(t, path).Exec(`UPDATE probe SET checks = 7`); err != nil {
		t.Fatal(err)
	}
	if err := l.Writable(t.Context()); err != nil { // notices that somebody else wrote
		t.Fatal(err)
	}
	if got := written(t, l, Filter{Running: true}); len(got) != 1 || got[0].Ending != "" {
		t.Errorf("on record: %+v", got)
	}
}

// BenchmarkNote is what an inbound call costs the ledger: begun, answered and
// ended before it is first written, as under load.
func BenchmarkNote(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "ledger.db"), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	n := 0
	for b.Loop() {
		c := inbound(fmt.Sprint("c_", n))
		l.Note(c)
		c.Answered = noon
		l.Note(c)
		c.Ended, c.Ending = noon.Add(time.Second), "hangup-phone"
		l.Note(c)
		if n++; n%noteStep == 0 && !l.writeNotes(b.Context()) {
			b.Fatal("not written")
		}
	}
}
