//go:build !race

package e2e

// raceDetector is off: the processes are built as they are shipped.
const raceDetector = false
