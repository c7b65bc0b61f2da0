package ua

import (
	"context"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
)

// Number is a number of the demo carrier and what calling it shows.
type Number struct {
	Number string
	Text   string // one sentence for the person who is about to call it
}

// Numbers are the demo carrier's, in the order they are worth trying.
func Numbers() []Number {
	return []Number{
		{"600", "echo: you hear yourself"},
		{"601", "a recorded voice speaks"},
		{"602", "busy"},
		{"603", "rings and never answers"},
		{"604", "an announcement before the answer, then the call is declined"},
		{"605", "press keys: each is played back as its tone"},
		{"606", "answers and hangs up after five seconds"},
		{"607", "answers only after digest authentication, then echoes"},
		{"608", "echo, with you on hold for three seconds after every five"},
		{"609", "two phones ring, each with a sound of its own; the second one answers"},
		{"611", "echo, over a session that is refreshed every 45 seconds"},
		{"612", "a voice speaks, then passes you on to 600"},
		{"613", "echo, over a session that your side refreshes every 45 seconds"},
	}
}

// Demo returns what the demo carrier does for a number. Every number that is
// not on the list answers with an echo.
func Demo(number string) Script {
	switch number {
	case "601":
		return speak
	case "602":
		return busy
	case "603":
		return noAnswer
	case "604":
		return announce
	case "605":
		return keys
	case "606":
		return brief
	case "607":
		return authenticated
	case "608":
		return holding
	case "609":
		return forking
	case "611":
		return refreshing
	case "612":
		return passingOn
	case "613":
		return refreshed
	}
	return echo
}

// ring lets a phone ring for a moment, as a person would before picking up.
func ring(ctx context.Context, c *Call) bool {
	c.Ring()
	return wait(ctx, 300*time.Millisecond)
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func echo(ctx context.Context, c *Call) {
	if ring(ctx, c) {
		c.Media().Echo()
		if c.Answer() {
			<-ctx.Done()
		}
	}
}

func speak(ctx context.Context, c *Call) {
	if !ring(ctx, c) || !c.Answer() {
		return
	}
	for ctx.Err() == nil {
		<-c.Media().Play(speech.Greeting())
		<-c.Media().Play(make([]int16, audio.Rate)) // a breath
	}
}

func busy(_ context.Context, c *Call) { c.Reject(sip.StatusBusyHere, "Busy Here") }

func noAnswer(ctx context.Context, c *Call) {
	c.Ring()
	<-ctx.Done()
}

func announce(_ context.Context, c *Call) {
	c.Progress()
	<-c.Media().Play(speech.Announcement())
	c.Reject(sip.StatusGlobalDecline, "Decline")
}

func keys(ctx context.Context, c *Call) {
	if !ring(ctx, c) {
		return
	}
	digits := c.Digits()
	if !c.Answer() {
		return
	}
	c.Media().Speak()
	for {
		select {
		case d := <-digits:
			low, high, _ := audio.DTMF(d)
			// 200 ms of tone and 80 ms of pause: what the slowest receiver is sure to take.
			c.Media().Play(audio.Tone(audio.Rate, 200, 0.25, low, high))
			c.Media().Play(make([]int16, audio.Rate*80/1000))
		case <-ctx.Done():
			return
		}
	}
}

func brief(ctx context.Context, c *Call) {
	if ring(ctx, c) && c.Answer() {
		c.Media().Play(speech.Goodbye())
		wait(ctx, 5*time.Second)
	}
}

func authenticated(ctx context.Context, c *Call) {
	if !c.carrier.auth.accepts(c.invite) {
		c.rejectWith(sip.StatusProxyAuthRequired, "Proxy Authentication Required", c.carrier.auth.challenge())
		return
	}
	echo(ctx, c)
}
