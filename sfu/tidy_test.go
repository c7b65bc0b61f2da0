package main

import (
	"slices"
	"testing"
	"time"

	"dialroom/shared/sign"
)

func TestMemoryIsGivenBackOnlyWhenNobodyCouldNotice(t *testing.T) {
	verifier, err := sign.NewVerifier([]sign.Key{{ID: "bridge", Role: sign.RoleBridge, Secret: []byte("0123456789abcdef")}}, "", time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = verifier.Close() }()
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
		{"what is in use is asked for only so often", true, slices.Repeat([]uint64{3}, 40), []uint64{1, 3}, 1 + tidyPatience + 1},
		{"once more when nothing of the rush is left, and not again", true, slices.Repeat([]uint64{1}, 40), []uint64{1}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			freed, now := 0, uint64(0)
			tidy := tidier{verifier: verifier, idle: func() bool { return test.idle }, held: func() uint64 { return now }, free: func() {
				now = test.left[min(freed, len(test.left)-1)] * worthTidying
				freed++
			}}
			for _, held := range test.held {
				now = held * worthTidying
				tidy.look()
			}
			if freed != test.want {
				t.Errorf("given back %d times, want %d", freed, test.want)
			}
		})
	}
	if heapHeld() == 0 {
		t.Error("the heap holds nothing")
	}
}
