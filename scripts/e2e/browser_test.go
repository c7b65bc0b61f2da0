package e2e

import (
	"context"
	"path/filepath"

	"github.com/chromedp/chromedp"

	"dialroom/scripts/carrier/audio"
	"dialroom/scripts/carrier/speech"
)

// browser is one Chromium with one microphone.
type browser struct {
	*world
	ctx context.Context
}

// newBrowser starts a Chromium whose microphone plays pcm, 8 kHz, again and
// again. Nil is the greeting of the demo carrier.
func newBrowser(w *world, pcm []int16) *browser {
	w.Helper()
	// Somebody who always says yes when the browser asks for the microphone.
	return startBrowser(w, pcm, chromedp.Flag("use-fake-ui-for-media-stream", true))
}

// newForbiddenBrowser starts a Chromium that gives no page a microphone, as
// the programs are that open links in mails.
func newForbiddenBrowser(w *world) *browser {
	w.Helper()
	return startBrowser(w, nil, chromedp.Flag("deny-permission-prompts", true))
}

// newSilentBrowser starts a Chromium without a microphone that plays no sound
// before somebody has pressed something.
func newSilentBrowser(w *world) *browser {
	w.Helper()
	return startBrowser(w, nil, chromedp.Flag("deny-permission-prompts", true), chromedp.Flag("autoplay-policy", "document-user-activation-required"))
}

func startBrowser(w *world, pcm []int16, more ...chromedp.ExecAllocatorOption) *browser {
	w.Helper()
	if prepared.chromium == "" {
		w.Skip("there is no Chromium here")
	}
	if pcm == nil {
		pcm = speech.Greeting()
	}
	file := filepath.Join(w.TempDir(), "microphone.wav")
	// At 48 kHz, so that Chromium has nothing to convert on its way in.
	sound := audio.WAV{Rate: 48000, Channels: 1, Samples: audio.Resample(pcm, audio.Rate, 48000)}
	if err := sound.WriteFile(file); err != nil {
		w.Fatal(err)
	}
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(prepared.chromium),
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Headless,
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-audio-capture", file),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-quic", true),
		// Pages behind others must not be slowed down: rooms have several.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.WindowSize(1280, 800),
		// A mouse, which the machine of the tests need not have (blink::HoverType, PointerType).
		chromedp.Flag("blink-settings", "primaryHoverType=2,availableHoverTypes=2,primaryPointerType=4,availablePointerTypes=4"),
	}, more...)...)
	w.Cleanup(cancel)
	ctx, cancelBrowser := chromedp.NewContext(alloc, chromedp.WithErrorf(func(string, ...any) {}))
	w.Cleanup(cancelBrowser)
	if err := chromedp.Do(ctx); err != nil {
		w.Fatalf("Chromium does not start: %v", err)
	}
	return &browser{world: w, ctx: ctx}
}
