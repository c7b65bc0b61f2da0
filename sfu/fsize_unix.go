//go:build unix

package main

import (
	"os/signal"
	"syscall"
)

// survive makes a write beyond the limit of a file's size (ulimit -f) an error,
// as a full disk is. Without that the kernel's signal ends the process, and the
// calls with it.
func survive() { signal.Ignore(syscall.SIGXFSZ) }
