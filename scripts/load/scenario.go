package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/pace"
	"dialroom/scripts/carrier/ua"
	"dialroom/scripts/demo/stack"
	"dialroom/scripts/load/browser"
)

// shape is a scenario: so many rooms, each with so many browsers and phones.
type shape struct {
	Rooms, Browsers, Phones int
	Opus                    bool          // browsers send Opus too, when the room wants it
	Rate                    float64       // joins per second
	Length                  time.Duration // of the measurement, once everybody is there
}

func (s shape) calls() int    { return s.Rooms * s.Phones }
func (s shape) browsers() int { return s.Rooms * s.Browsers }

// mixes reports whether phones have more than one source.
func (s shape) mixes() bool { return s.Browsers+s.Phones-1 > 1 && s.Phones > 0 }

// result is what a scenario has shown.
type result struct {
	Shape             shape         `json:"shape"`
	Window            time.Duration `json:"window_ns"`
	SFU               time.Duration `json:"sfu_cpu_ns"` // in the window
	Bridge            time.Duration `json:"bridge_cpu_ns"`
	SFUMemory         int64         `json:"sfu_rss_bytes"`
	BridgeMemory      int64         `json:"bridge_rss_bytes"`
	EmptyMemory       int64         `json:"sfu_rss_empty_bytes"` // before anybody came
	JoinCPU           time.Duration `json:"join_cpu_ns"`         // of the sfu, per browser
	JoinUpkeep        time.Duration `json:"join_upkeep_ns"`      // of it, for those who were there already; without phones only
	Joins             summary       `json:"join"`                // click to media
	Clicks            summary       `json:"click_to_invite"`
	ToPhone           summary       `json:"to_phone"`
	ToBrowser         summary       `json:"to_browser"`
	LostToPhone       uint64        `json:"lost_to_phone"`
	LostToBrowser     uint64        `json:"lost_to_browser"`
	RepeatedToPhone   uint64        `json:"repeated_to_phone"`
	RepeatedToBrowser uint64        `json:"repeated_to_browser"`
	PacketsPerSecond  float64       `json:"packets_per_second"` // that browsers send
}

// run is one scenario under way.
type run struct {
	shape   shape
	stack   *stack.Stack
	carrier *ua.Carrier
	network *browser.Network
	pacer   *pace.Pacer
	epoch   time.Time

	toPhone, toBrowser flow
	bursts             []*burst // by room
	sent               atomic.Uint64

	mu       sync.Mutex
	browsers []*browser.Browser
	removes  []func()
	joins    []time.Duration
	clicks   []time.Duration
	dialled  map[string]time.Time // by number
	failed   []error
}

func (r *run) now() time.Duration { return time.Since(r.epoch) }

// number is the extension of a phone: four digits, one for each.
func (r *run) number(room, phone int) string {
	return fmt.Sprintf("%d", 1000+room*r.shape.Phones+phone)
}

// phone is the script of every number: it answers at once, sends a probe every
// 20 ms, and looks for those of the browsers.
func (r *run) phone(number string) ua.Script {
	return func(ctx context.Context, c *ua.Call) {
		r.mu.Lock()
		if at, ok := r.dialled[number]; ok {
			r.clicks = append(r.clicks, c.At.Sub(at))
		}
		r.mu.Unlock()
		var room int
		_, _ = fmt.Sscanf(number, "%d", &room)
		room = (room - 1000) / max(1, r.shape.Phones)
		codec, _ := c.Media().Codec()
		var begin onset
		c.Media().OnRTP(func(p ua.Packet) {
			now := p.At.Sub(r.epoch)
			if !r.shape.mixes() {
				r.toPhone.add(stream{c, p.SSRC}, p.Payload, now)
			} else if at, ok := begin.find(codec, p.Payload, now); ok && room < len(r.bursts) {
				if d, ok := r.bursts[room].since(at); ok && d < burstEvery/2 {
					r.toPhone.delay(d)
				}
			}
		})
		if !c.Answer() {
			return
		}
		var frame [audio.Frame]byte
		var n uint32
		remove := r.pacer.Add(func() {
			putProbe(&frame, r.now(), n)
			n++
			c.Media().Send(frame[:], audio.Frame)
		})
		defer remove()
		<-ctx.Done()
	}
}

// burstEvery is how often each browser of a mixed room makes a burst; longer
// than any delay we expect, times the browsers of a room.
const burstEvery = 2 * time.Second

// join adds one browser to a room and lets it send.
func (r *run) join(ctx context.Context, room, place int) error {
	start := time.Now()
	listener := new(byte) // a name for this browser, before it has one
	b, err := r.network.Join(ctx, browser.Options{
		URL: r.stack.URL, Room: fmt.Sprintf("load-%d", room), Name: fmt.Sprintf("Browser %d", place),
		Slots: browser.Slots{Voice: 4, Phone: 2},
		OnRTP: func(_ string, p *rtp.Packet, at time.Time) {
			r.toBrowser.add(stream{listener, p.SSRC}, p.Payload, at.Sub(r.epoch))
		},
	})
	if err != nil {
		return err
	}
	took := time.Since(start)
	var frame, silence, tone [audio.Frame]byte
	for i := range silence {
		silence[i] = audio.PCMA.Silence()
	}
	copy(tone[:], audio.PCMA.Encode(nil, audio.Tone(audio.Rate, 20, 0.5, 1000)))
	voice := make([]byte, 80) // the size of 32 kbit/s Opus; nobody decodes it
	voice[0] = 0x78           // a valid TOC: CELT, 20 ms, one frame
	var n uint32
	every := int(burstEvery / pace.Interval)
	offset := place * every / max(1, r.shape.Browsers)
	remove := r.pacer.Add(func() {
		n++
		if r.shape.Opus && b.WantsMic() {
			_ = b.SendMic(voice, 20)
			r.sent.Add(1)
		}
		if !b.WantsPhone() {
			b.Skip()
			return
		}
		r.sent.Add(1)
		switch {
		case !r.shape.mixes():
			putProbe(&frame, r.now(), n)
			_ = b.SendPhone(frame[:], 20)
		case int(n)%every == offset:
			r.bursts[room].note(r.now())
			_ = b.SendPhone(tone[:], 9)
		default:
			_ = b.SendPhone(silence[:], 127)
		}
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.browsers = append(r.browsers, b)
	r.removes = append(r.removes, remove)
	r.joins = append(r.joins, took)
	return nil
}

// dial rings the phones of a room from its first browser and waits for their calls.
func (r *run) dial(ctx context.Context, b *browser.Browser, room int) error {
	for phone := range r.shape.Phones {
		number := r.number(room, phone)
		r.mu.Lock()
		r.dialled[number] = time.Now()
		r.mu.Unlock()
		if err := b.Send(ctx, map[string]any{"type": "dial", "number": number}); err != nil {
			return err
		}
		if _, err := r.carrier.Await(ctx, func(e ua.Event) bool { return e.Kind == "ACK" && e.Number == number }); err != nil {
			return fmt.Errorf("no call to %s: %w", number, err)
		}
	}
	return nil
}

// fill lets everybody join, at the wanted rate, then dials.
func (r *run) fill(ctx context.Context) {
	var wg sync.WaitGroup
	gap := time.Duration(float64(time.Second) / r.shape.Rate)
	start := time.Now()
	for i := range r.shape.browsers() {
		sleepUntil(ctx, start.Add(time.Duration(i)*gap))
		wg.Go(func() {
			if err := r.join(ctx, i/r.shape.Browsers, i%r.shape.Browsers); err != nil {
				r.fail(err)
			}
		})
	}
	wg.Wait()
}

func (r *run) dialAll(ctx context.Context) {
	r.mu.Lock()
	// The first browser of each room, whoever came first.
	first := map[string]*browser.Browser{}
	for _, b := range r.browsers {
		if _, ok := first[b.Room()]; !ok {
			first[b.Room()] = b
		}
	}
	r.mu.Unlock()
	for room := range r.shape.Rooms {
		b := first[fmt.Sprintf("load-%d", room)]
		if b == nil {
			continue
		}
		if err := r.dial(ctx, b, room); err != nil {
			r.fail(err)
		}
	}
}

func (r *run) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = append(r.failed, err)
}

func sleepUntil(ctx context.Context, at time.Time) {
	t := time.NewTimer(time.Until(at))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// settle is how long the stack is left alone before it is measured: jitter
// buffers adapt, the garbage of joining is collected.
const settle = 3 * time.Second

// measureScenario runs one scenario on a fresh stack.
func measureScenario(ctx context.Context, bin stack.Binaries, dir string, s shape) (result, error) {
	r := &run{shape: s, epoch: time.Now(), pacer: pace.New(), dialled: map[string]time.Time{}}
	defer r.pacer.Close()
	for range s.Rooms {
		r.bursts = append(r.bursts, &burst{})
	}
	var err error
	if r.network, err = browser.NewNetwork(); err != nil {
		return result{}, err
	}
	r.carrier, err = ua.Listen(ua.Config{UDP: "127.0.0.1:0", Script: func(n string) ua.Script { return r.phone(n) }})
	if err != nil {
		return result{}, err
	}
	defer r.carrier.Close()
	r.stack, err = startStack(ctx, bin, dir, r.carrier.Addr("udp").String())
	if err != nil {
		return result{}, err
	}
	defer r.stack.Stop()
	defer r.leave()
	return r.measure(ctx)
}

func (r *run) measure(ctx context.Context) (result, error) {
	res := result{Shape: r.shape}
	pids := [2]int{r.stack.SFU.PID(), r.stack.Bridge.PID()}
	empty, err := measure(pids[0])
	if err != nil {
		return res, err
	}
	res.EmptyMemory = empty.rss
	began := time.Now()
	r.fill(ctx)
	filling := time.Since(began)
	joined, err := measure(pids[0])
	if err != nil {
		return res, err
	}
	res.JoinCPU = (joined.cpu - empty.cpu) / time.Duration(max(1, r.shape.browsers()))
	r.dialAll(ctx)
	sleepUntil(ctx, time.Now().Add(settle))

	var before, after [2]usage
	for i, pid := range pids {
		if before[i], err = measure(pid); err != nil {
			return res, fmt.Errorf("a process died: %w", err)
		}
	}
	start, sent := time.Now(), r.sent.Load()
	r.toPhone.start()
	r.toBrowser.start()
	sleepUntil(ctx, start.Add(r.shape.Length))
	r.toPhone.stop()
	r.toBrowser.stop()
	for i, pid := range pids {
		if after[i], err = measure(pid); err != nil {
			return res, fmt.Errorf("a process died: %w", err)
		}
	}
	res.Window = time.Since(start)
	res.PacketsPerSecond = float64(r.sent.Load()-sent) / res.Window.Seconds()
	res.SFU, res.Bridge = after[0].cpu-before[0].cpu, after[1].cpu-before[1].cpu
	if r.shape.calls() == 0 {
		// While the room fills, half of all browsers are there on average.
		res.JoinUpkeep = time.Duration(res.SFU.Seconds() / res.Window.Seconds() * float64(filling) / 2 / float64(max(1, r.shape.browsers())))
	}
	res.SFUMemory, res.BridgeMemory = after[0].rss, after[1].rss
	res.ToPhone, res.ToBrowser = r.toPhone.summary(), r.toBrowser.summary()
	res.LostToPhone, res.RepeatedToPhone = r.toPhone.lost, r.toPhone.repeated
	res.LostToBrowser, res.RepeatedToBrowser = r.toBrowser.lost, r.toBrowser.repeated
	r.mu.Lock()
	defer r.mu.Unlock()
	res.Joins, res.Clicks = summarise(slices.Clone(r.joins)), summarise(slices.Clone(r.clicks))
	if ctx.Err() != nil {
		return res, ctx.Err()
	}
	return res, errors.Join(r.failed[:min(3, len(r.failed))]...)
}

func (r *run) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, remove := range r.removes {
		remove()
	}
	var wg sync.WaitGroup
	for _, b := range r.browsers {
		wg.Go(b.Close)
	}
	wg.Wait()
}

// perCallSecond is CPU per call and second.
func (r result) perCallSecond(cpu time.Duration) time.Duration {
	n := float64(r.Shape.calls()) * r.Window.Seconds()
	if n == 0 {
		return 0
	}
	return time.Duration(math.Round(float64(cpu) / n))
}
