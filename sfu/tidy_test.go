package main

import (
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
		held uint64
		want int
	}{
		{"calls run", false, 4 * worthTidying, 0},
		{"there is little to give", true, worthTidying - 1, 0},
		{"idle after a rush", true, 4 * worthTidying, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			freed := 0
			tidier{verifier: verifier, idle: func() bool { return test.idle }, held: func() uint64 { return test.held }, free: func() { freed++ }}.look()
			if freed != test.want {
				t.Errorf("given back %d times, want %d", freed, test.want)
			}
		})
	}
	if heapHeld() == 0 {
		t.Error("the heap holds nothing")
	}
}
