package audio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
)

// WAV is sound as 16-bit PCM. Samples of several channels are interleaved.
type WAV struct {
	Rate     int // samples per second and channel
	Channels int
	Samples  []int16
}

// ErrWAV is returned for bytes that are not a RIFF file of 16-bit PCM.
var ErrWAV = errors.New("not a 16-bit PCM WAV file")

// ParseWAV reads a RIFF file. Chunks it does not know are skipped, and a data
// chunk longer than the file (a recorder that was killed) ends with the file.
func ParseWAV(b []byte) (WAV, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return WAV{}, ErrWAV
	}
	var w WAV
	for rest := b[12:]; len(rest) >= 8; {
		id, size := string(rest[:4]), int(binary.LittleEndian.Uint32(rest[4:]))
		body := rest[8:]
		if size > len(body) {
			size = len(body)
		}
		switch id {
		case "fmt ":
			if size < 16 || binary.LittleEndian.Uint16(body[14:]) != 16 {
				return WAV{}, ErrWAV
			}
			// 1 is PCM, 0xfffe the extensible form of it.
			if f := binary.LittleEndian.Uint16(body); f != 1 && f != 0xfffe {
				return WAV{}, ErrWAV
			}
			w.Channels = int(binary.LittleEndian.Uint16(body[2:]))
			w.Rate = int(binary.LittleEndian.Uint32(body[4:]))
		case "data":
			if w.Rate == 0 || w.Channels == 0 {
				return WAV{}, fmt.Errorf("%w: data before fmt", ErrWAV)
			}
			w.Samples = make([]int16, size/2)
			for i := range w.Samples {
				w.Samples[i] = int16(binary.LittleEndian.Uint16(body[2*i:]))
			}
			return w, nil
		}
		rest = body[min(size+size&1, len(body)):] // chunks are padded to an even length
	}
	return WAV{}, fmt.Errorf("%w: no data", ErrWAV)
}

// ReadWAV reads a WAV file.
func ReadWAV(path string) (WAV, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return WAV{}, err
	}
	w, err := ParseWAV(b)
	if err != nil {
		return WAV{}, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

// Bytes returns w as a RIFF file.
func (w WAV) Bytes() []byte {
	data := 2 * len(w.Samples)
	b := make([]byte, 0, 44+data)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+data))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint16(b, uint16(w.Channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.Rate))
	b = binary.LittleEndian.AppendUint32(b, uint32(w.Rate*w.Channels*2))
	b = binary.LittleEndian.AppendUint16(b, uint16(w.Channels*2))
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(data))
	for _, s := range w.Samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(s))
	}
	return b
}

// WriteFile writes w as a WAV file.
func (w WAV) WriteFile(path string) error { return os.WriteFile(path, w.Bytes(), 0o644) }
