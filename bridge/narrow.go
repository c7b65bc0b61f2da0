package main

import (
	"context"
	"fmt"

	"dialroom/bridge/control"
)

// lane is how many requests of one kind are under way to the sfu at once: a few
// times what keeps two cores busy. Callers come in as they like, and a process
// that is given a thousand requests at once does none of them in time: they
// time out half done, and come again. Those that wait here cost next to nothing.
const lane = 32

// narrow lets through so many requests at once. The others wait for as long as
// their contexts let them.
type narrow struct {
	sfu  control.SFU
	busy chan struct{} // one entry per request under way
}

func newNarrow(sfu control.SFU) *narrow { return &narrow{sfu: sfu, busy: make(chan struct{}, lane)} }

// Do is that of sign.Client.
func (n *narrow) Do(ctx context.Context, method, path string, in, out any) error {
	select {
	case n.busy <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the sfu's other answers: %w", ctx.Err())
	}
	defer func() { <-n.busy }()
	return n.sfu.Do(ctx, method, path, in, out)
}
