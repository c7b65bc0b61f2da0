#!/bin/sh
# Makes the WAV files of this folder again. Needs espeak-ng and sox.
set -eu
cd "$(dirname "$0")"
make() {
	espeak-ng -v "$2" -s 155 -w "$1.full.wav" "$3"
	# -D: no dither, so that every run makes the same file.
	sox -D "$1.full.wav" -r 8000 -c 1 -b 16 "$1.wav" highpass 200 gain -n -6
	rm "$1.full.wav"
}
make greeting en-gb "Hello, and thank you for calling. This is the demo carrier of Dialroom. \
What you hear left my side as ordinary telephone audio, and reaches your browser without being decoded on the way. \
If you hear every word of this, so will the people you invite. Hang up whenever you like."
make announcement en-gb "The person you have called is not available. Please try again later."
make goodbye en-gb "Hello. This call ends in five seconds."
