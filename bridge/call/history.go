package call

import "dialroom/shared/wire"

// historySize bounds how many finished calls can still be asked for. A script
// that wants to know how its call ended asks within seconds; this is minutes
// at the busiest.
const historySize = 1024

// history is the last finished calls. Its owner guards it.
type history struct {
	calls map[string]wire.Call
	order []string // oldest first, used as a ring once full
	next  int
}

func newHistory() *history { return &history{calls: make(map[string]wire.Call)} }

func (h *history) add(c wire.Call) {
	if len(h.order) < historySize {
		h.order = append(h.order, c.ID)
	} else {
		delete(h.calls, h.order[h.next])
		h.order[h.next] = c.ID
		h.next = (h.next + 1) % historySize
	}
	h.calls[c.ID] = c
}

func (h *history) get(id string) (wire.Call, bool) {
	c, ok := h.calls[id]
	return c, ok
}

func (h *history) has(id string) bool {
	_, ok := h.calls[id]
	return ok
}
