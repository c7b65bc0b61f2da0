package trunk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// A limit of calls in a minute that a restart resets is none: a process that
// dies with each call would place as many as it is restarted. So where there is
// such a limit every call is noted in a file before it is placed:
//
//	<Unix milliseconds> <trunk id>
//
// Noted means handed to the kernel, which a killed process cannot take back. A
// machine that lost power may lose the end of it, and takes its minute to be
// up again.

// diary is the file of the calls of the last minute. The table's mutex guards it.
type diary struct {
	path   string
	failed func(error) // told of every note that could not be written
	file   *os.File    // nil when it has to be written anew
	lines  int
}

// maxDiary is how many lines the file may have before it is written anew: 100 KB.
const maxDiary = 4096

// Remember counts the calls of the last minute on from the file at path, and
// from now on notes them there. failed is told of a call that could not be
// noted; it is counted all the same, until the process ends.
func (t *Table) Remember(path string, failed func(error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("calls of the last minute: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		// What is torn or not ours is nothing that was counted.
		at, id, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		ms, err := strconv.ParseInt(at, 10, 64)
		if !ok || err != nil || id == "" {
			continue
		}
		// A clock that was put back does not make a call younger than now.
		when := time.UnixMilli(ms)
		if now := t.now(); when.After(now) {
			when = now
		}
		t.begun[id] = append(t.begun[id], when)
	}
	for id := range t.begun {
		t.lastMinute(id)
	}
	t.diary = &diary{path: path, failed: failed}
	return t.diary.rewrite(t.begun)
}

// Close closes the file of Remember.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.diary == nil || t.diary.file == nil {
		return nil
	}
	err := t.diary.file.Close()
	t.diary = nil
	return err
}

// note writes down a call that begins now.
func (d *diary) note(id string, at time.Time, begun map[string][]time.Time) {
	if d == nil {
		return
	}
	var err error
	if d.file == nil || d.lines >= maxDiary {
		err = d.rewrite(begun) // with this call in it
	} else if _, err = d.file.WriteString(entry(id, at)); err == nil {
		d.lines++
	} else {
		_ = d.file.Close() // half a line may stand in it
		d.file = nil
	}
	if err != nil {
		d.failed(err)
	}
}

func entry(id string, at time.Time) string { return fmt.Sprintf("%d %s\n", at.UnixMilli(), id) }

// rewrite replaces the file by one with what still counts.
func (d *diary) rewrite(begun map[string][]time.Time) error {
	var b strings.Builder
	lines := 0
	for id, list := range begun {
		for _, at := range list {
			b.WriteString(entry(id, at))
			lines++
		}
	}
	next := d.path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.WriteString(b.String()); err == nil {
		err = os.Rename(next, d.path)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	if d.file != nil {
		_ = d.file.Close()
	}
	d.file, d.lines = f, lines
	return nil
}
