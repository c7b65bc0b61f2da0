package tidy

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestMemoryIsGivenBackOnlyWhenNobodyCouldNotice(t *testing.T) {
	for _, test := range []struct {
		name string
		idle bool
		held []uint64 // at each look, in units of what is worth it
		left []uint64 // after each time memory was given back; the last goes on
		want int
	}{
		{"calls run", false, []uint64{4, 4}, []uint64{1}, 0},
		{"idle after a rush, and after another", true, []uint64{4, 1, 1, 5}, []uint64{1}, 2},
		{"after a rush whose transactions live on for a while", true, []uint64{1, 40, 20, 20, 1, 1}, []uint64{1, 20, 20, 1}, 4},
		{"what is in use is asked for only so often", true, slices.Repeat([]uint64{3}, 40), []uint64{1, 3}, 1 + patience + 1},
		{"once more when nothing of the rush is left, and not again", true, slices.Repeat([]uint64{1}, 40), []uint64{1}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			freed, now := 0, uint64(0)
			memory := Memory{idle: func() bool { return test.idle }, held: func() uint64 { return now }, free: func() {
				now = test.left[min(freed, len(test.left)-1)] * worthIt
				freed++
			}}
			for _, held := range test.held {
				now = held * worthIt
				memory.Look()
			}
			if freed != test.want {
				t.Errorf("given back %d times, want %d", freed, test.want)
			}
		})
	}
}

func TestTheFiguresAreThoseOfThisProcess(t *testing.T) {
	if used, held := sum(inUse), heapHeld(); used == 0 || held < used {
		t.Errorf("of %d bytes held %d are in use", held, used)
	}
	var log strings.Builder
	New(func() bool { return true }, slog.New(slog.NewTextHandler(&log, nil))).Look()
	if !strings.Contains(log.String(), `msg="memory given back" in_use=`) {
		t.Errorf("the first look says %q", log.String())
	}
}
