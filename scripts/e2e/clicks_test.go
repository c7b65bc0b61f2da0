package e2e

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// click opens a signed link as a page does, as far as the WebSocket goes: in a
// room of its own, with the link's token. It returns the verdict on its dial.
func (w *world) click(ctx context.Context, address *url.URL, room string, ready *sync.WaitGroup, start <-chan struct{}) (refusal string, err error) {
	v, err := w.enter(ctx, "", map[string]any{"type": "join", "room": room, "name": "Ada", "link": address.Query().Get("link")})
	ready.Done()
	if err != nil {
		return "", err
	}
	defer v.close()
	<-start
	return v.dial(ctx, address.Query().Get("dial"))
}

// Fifty people click the same button at once; it is good for three calls. Then
// the sfu is killed and all of them click again.
func TestFiftyClicksOnALinkForThreeCallsAreThreeINVITEs(t *testing.T) {
	const clicks, uses = 50, 3
	w := newWorld(t, signedOnly(secretOfLinks))
	address := w.signed("--dial", "+49 30 123456", "--uses", fmt.Sprint(uses))
	prefix := strings.TrimSuffix(address.Query().Get("room"), "*")
	round := func(name string) (passed int) {
		t.Helper()
		ctx, start := w.soon(), make(chan struct{})
		var ready, done sync.WaitGroup
		var mu sync.Mutex
		for i := range clicks {
			ready.Add(1)
			done.Go(func() {
				refusal, err := w.click(ctx, address, fmt.Sprintf("%s%s-%d", prefix, name, i), &ready, start)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					t.Error(err)
				case refusal == "":
					passed++
				case refusal != "link-used":
					t.Errorf("refused with %s", refusal)
				}
			})
		}
		ready.Wait()
		close(start)
		done.Wait()
		return passed
	}
	if passed := round("first"); passed != uses {
		t.Errorf("%d clicks dialled, want %d", passed, uses)
	}
	eventually(t, patience, "every call arrives", func() bool { return w.carrier.Count("INVITE") >= uses })
	if _, state := w.linkState(0); state != "used" {
		t.Errorf("the link is %s", state)
	}
	w.stack.SFU.Kill()
	w.restartSFU()
	if passed := round("second"); passed != 0 {
		t.Errorf("%d clicks dialled after a restart", passed)
	}
	eventually(t, patience, "every call ends", func() bool { return w.carrier.Count("ENDED") == w.carrier.Count("INVITE") })
	if n := w.carrier.Count("INVITE"); n != uses {
		t.Errorf("%d INVITEs, want %d", n, uses)
	}
	if n := sum(w.reservations()); n != uses {
		t.Errorf("%d reservations, want %d", n, uses)
	}
}
