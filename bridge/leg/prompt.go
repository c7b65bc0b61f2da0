package leg

import (
	"embed"
	"sync"
	"time"

	"dialroom/shared/wire"
)

// prompts are spoken texts, one file per text and codec: raw payload, 8000
// bytes a second whatever the codec. They were made with espeak-ng and ffmpeg.
//
//go:embed prompts
var prompts embed.FS

// recordings are the same by file name, read once: a copy for each call would
// be 20 KB.
var recordings = sync.OnceValue(func() map[string][]byte {
	files := make(map[string][]byte)
	list, _ := prompts.ReadDir("prompts")
	for _, f := range list {
		files[f.Name()], _ = prompts.ReadFile("prompts/" + f.Name())
	}
	return files
})

// Prompt is something a caller hears from us instead of the room.
type Prompt string

// Prompts. They are repeated with pauses until another one is played.
const (
	PromptNone  Prompt = ""
	PromptWait  Prompt = "wait"
	PromptCode  Prompt = "code"
	PromptAgain Prompt = "again"
)

// promptPause is the silence before a prompt is repeated: long enough not to
// be a nuisance, short enough to tell that the line is alive.
const promptPause = 6 * time.Second

// frameBytes is one frame of 20 ms; every phone codec has 64 kbit/s.
const frameBytes = 160

// player plays a prompt towards the phone, one packet each 20 ms.
type player struct {
	prompt Prompt
	codec  wire.Codec // of audio
	audio  []byte
	at     int // bytes played; beyond the audio it is a pause
	ts     uint32
	due    time.Time
	packet [rtpHeaderSize + frameBytes + 64]byte // with room for what protects it
}

// Play plays a prompt to the phone, from when it listens on, in place of the
// room; PromptNone gives way to the room again.
func (l *Leg) Play(p Prompt) {
	now := l.hub.now()
	l.mu.Lock()
	l.player.prompt, l.player.audio, l.player.at, l.player.due = p, nil, 0, now
	l.player.ts = l.out.clock(now)
	l.mu.Unlock()
	l.hub.nudge()
}

func (p *player) active() bool { return p.prompt != PromptNone }

// play sends what is due of the prompt and returns when more will be; mu is held.
func (l *Leg) play(now time.Time) (due time.Time, more bool) {
	p := &l.player
	if !p.active() {
		return time.Time{}, false
	}
	if l.path == nil || !l.path.speaks || l.keys.active() {
		p.due, p.ts = now.Add(frameTime), l.out.clock(now)+frame
		return p.due, true
	}
	if p.audio == nil || p.codec != l.path.Codec {
		p.codec = l.path.Codec
		p.audio = recordings()[string(p.prompt)+"."+extensionOf(p.codec)]
	}
	if now.Sub(p.due) > maxLate {
		p.ts += ticks(now.Sub(p.due))
		p.due = now
	}
	for !now.Before(p.due) {
		l.playFrame(now)
		p.due = p.due.Add(frameTime)
		p.ts += frame
	}
	return p.due, true
}

func (l *Leg) playFrame(now time.Time) {
	p := &l.player
	payload := p.packet[rtpHeaderSize : rtpHeaderSize+frameBytes]
	n := 0
	if p.at < len(p.audio) {
		n = copy(payload, p.audio[p.at:])
	}
	for i := n; i < frameBytes; i++ {
		payload[i] = quietOf(p.codec)
	}
	first := p.at == 0
	if p.at += frameBytes; p.at >= len(p.audio)+int(promptPause/time.Second)*8000 {
		p.at = 0
	}
	putHeader(p.packet[:], rtpHeader{marker: first, pt: l.path.send, seq: l.out.put(p.ts, now), ts: p.ts, ssrc: l.ssrc})
	l.send(p.packet[:rtpHeaderSize+frameBytes], frameBytes)
}

func extensionOf(c wire.Codec) string {
	switch c {
	case wire.PCMU:
		return "pcmu"
	case wire.G722:
		return "g722"
	}
	return "pcma"
}

// quietOf is the byte that is silence.
func quietOf(c wire.Codec) byte {
	switch c {
	case wire.PCMU:
		return 0xff
	case wire.G722:
		return 0xfd // the smallest step in both bands; what rings on from before it is above what phones play
	}
	return 0xd5
}
