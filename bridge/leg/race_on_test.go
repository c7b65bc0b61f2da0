//go:build race

package leg

// raceDetector is on: it takes things out of pools at random, and so makes them allocate.
const raceDetector = true
