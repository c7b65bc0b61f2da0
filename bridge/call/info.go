package call

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"
)

// infoKey reads a key that a phone sends by INFO: "Signal=5" in a body of
// application/dtmf-relay, or the bare key in one of application/dtmf. Keys
// beyond 9 are written as they are or as their event codes (RFC 4733 §3.2).
func infoKey(req *sip.Request) (key byte, ok bool) {
	ct := req.ContentType()
	if ct == nil {
		return 0, false
	}
	text := ""
	switch strings.ToLower(mediaType(ct.Value())) {
	case "application/dtmf-relay":
		for line := range strings.SplitSeq(string(req.Body()), "\n") {
			name, value, _ := strings.Cut(line, "=")
			if strings.EqualFold(strings.TrimSpace(name), "signal") {
				text = strings.TrimSpace(value)
				break
			}
		}
	case "application/dtmf":
		text = strings.TrimSpace(string(req.Body()))
	default:
		return 0, false
	}
	const keys = "0123456789*#ABCD"
	if len(text) == 1 && strings.Contains(keys, strings.ToUpper(text)) {
		return strings.ToUpper(text)[0], true
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 10 && n < len(keys) {
		return keys[n], true
	}
	return 0, false
}
