// Package speech holds what the demo carrier says, as 8 kHz mono WAV files.
//
// They were made with a free synthesiser from the sentences beside them
// (make.sh), and may be used without restriction.
package speech

import (
	_ "embed" // the files below

	"dialroom/scripts/carrier/audio"
)

//go:embed greeting.wav
var greeting []byte

//go:embed announcement.wav
var announcement []byte

//go:embed goodbye.wav
var goodbye []byte

// Greeting is about twelve seconds of speech.
func Greeting() []int16 { return samples(greeting) }

// Announcement says that the person called cannot take the call.
func Announcement() []int16 { return samples(announcement) }

// Goodbye says that the call is about to end.
func Goodbye() []int16 { return samples(goodbye) }

// samples panics on a broken file: it is part of the program.
func samples(file []byte) []int16 {
	w, err := audio.ParseWAV(file)
	if err != nil {
		panic(err)
	}
	return w.Samples
}
