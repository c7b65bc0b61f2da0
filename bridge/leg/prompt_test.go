package leg

import (
	"testing"
	"time"

	"dialroom/shared/wire"
)

func TestAPromptIsOneStreamWithTheRoomThatFollows(t *testing.T) {
	b := answered(t, plain)
	b.leg.Play(PromptWait)
	for range 50 {
		b.leg.tick(b.now)
		b.now = b.now.Add(frameTime)
		b.fromSFU(rtpPacket(8, 1, 1000, theWire.SSRCToPhone)) // held back meanwhile
	}
	got := b.rtp.take(t)
	if len(got) != 50 {
		t.Fatalf("%d packets in a second", len(got))
	}
	for i, h := range got {
		if h.pt != 8 || h.seq != got[0].seq+uint16(i) || h.ts != got[0].ts+uint32(i)*frame || h.marker != (i == 0) {
			t.Fatalf("packet %d is %+v", i, h)
		}
	}
	b.leg.Play(PromptNone)
	b.leg.tick(b.now)
	b.rtp.none(t)
	b.fromSFU(rtpPacket(8, 60, 9000, theWire.SSRCToPhone))
	if h := b.rtp.one(t); h.seq != got[49].seq+1 || int32(h.ts-got[49].ts) < frame || h.ssrc != got[0].ssrc {
		t.Errorf("the room begins with %+v after %+v", h, got[49])
	}
}

func TestAPromptIsSpokenInEveryCodecAndAgainAfterAPause(t *testing.T) {
	for _, codec := range []wire.Codec{wire.PCMA, wire.PCMU, wire.G722} {
		for _, prompt := range []Prompt{PromptWait, PromptCode, PromptAgain} {
			audio, err := prompts.ReadFile("prompts/" + string(prompt) + "." + extensionOf(codec))
			if err != nil || len(audio) < 8000 || len(audio) > 8*8000 {
				t.Errorf("%s in %s: %d bytes, %v", prompt, codec, len(audio), err)
			}
		}
	}
	b := answered(t, plain)
	b.leg.Play(PromptCode)
	begins := 0
	for end := b.now.Add(20 * time.Second); b.now.Before(end); b.now = b.now.Add(frameTime) {
		b.leg.tick(b.now)
		for _, h := range b.rtp.take(t) {
			if h.marker {
				begins++
			}
		}
	}
	if begins != 3 {
		t.Errorf("spoken %d times in 20 s", begins)
	}
}

func TestAPromptWaitsForAPhoneThatListens(t *testing.T) {
	b := newBench(t)
	b.leg.Play(PromptCode)
	b.leg.tick(b.now)
	b.leg.Offer([]wire.Codec{wire.PCMA})
	if _, err := b.leg.Answer([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	b.now = b.now.Add(frameTime)
	b.leg.tick(b.now)
	b.rtp.one(t)
}

func TestALegIsAttachedToTheSFULater(t *testing.T) {
	b := newBench(t)
	elsewhere := b.hub.Nowhere()
	b.leg.Close()
	b.now = b.now.Add(time.Hour)
	b.leg = b.newLeg("c_2", elsewhere)
	b.rtp = b.leg.rtp.(*socket)
	if _, _, err := b.leg.Accept([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	b.fromPhone(rtpPacket(8, 1, 160, 5)) // nobody hears it yet
	if err := b.leg.Attach(theWire); err != nil {
		t.Fatal(err)
	}
	b.link.sent = nil
	b.fromPhone(rtpPacket(8, 2, 320, 5))
	if h := b.link.one(t); h.ssrc != theWire.SSRCFromPhone {
		t.Errorf("sent on as %+v", h)
	}
	b.fromSFU(rtpPacket(8, 7, 160, theWire.SSRCToPhone))
	b.rtp.one(t)
	b.fromSFU(rtpPacket(8, 8, 320, elsewhere.SSRCToPhone))
	b.rtp.none(t)
	if err := b.leg.Attach(theWire); err == nil {
		t.Error("attached twice with one SSRC")
	}
}
