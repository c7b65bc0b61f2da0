package call

import (
	"context"
	"log/slog"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
)

// quietHandler is the logger for the SIP library. The library logs whole
// messages, with phone numbers and credentials in them, at ERROR whenever a
// stranger sends garbage. What gets through here is the library's own wording
// and addresses, never message text, and nothing above Debug: whatever
// matters to a call is logged by the call.
type quietHandler struct{ next slog.Handler }

// harmless lists the attributes that never hold message text.
func harmless(key string) bool {
	switch key {
	case "caller", "network", "laddr", "raddr", "addr", "method", "ref", "src", "dst", "ip":
		return true
	}
	return false
}

func (h quietHandler) Enabled(ctx context.Context, _ slog.Level) bool {
	return h.next.Enabled(ctx, slog.LevelDebug)
}

func (h quietHandler) Handle(ctx context.Context, r slog.Record) error {
	text := r.Message
	if strings.Contains(text, "parse") {
		text = "unreadable SIP message dropped"
	}
	out := slog.NewRecord(r.Time, slog.LevelDebug, "sip: "+text, r.PC)
	r.Attrs(func(attr slog.Attr) bool {
		if harmless(attr.Key) {
			out.AddAttrs(attr)
		}
		return true
	})
	return h.next.Handle(ctx, out)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	kept := make([]slog.Attr, 0, len(attrs))
	for _, attr := range attrs {
		if harmless(attr.Key) {
			kept = append(kept, attr)
		}
	}
	return quietHandler{h.next.WithAttrs(kept)}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.next.WithGroup(name)}
}

// tameLibrary sets what the library keeps in variables, once per process and
// before anything is sent.
//
// Datagrams over 1300 bytes may leave: the library refuses them, and RFC 3261
// §18.1.1 asks for TCP there, which a call tries first, but where the far end
// has no TCP a fragmented datagram is better than no call. And the logger that
// a few of its corners use instead of the one they were given is silent.
var tameLibrary = sync.OnceFunc(func() {
	sip.UDPMTUSize = 65535
	sip.SetDefaultLogger(slog.New(slog.DiscardHandler))
})
