//go:build race

package e2e

// raceDetector is on: the processes are built with it too.
const raceDetector = true
