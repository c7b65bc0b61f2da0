package dial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"dialroom/sfu/ledger"
	"dialroom/sfu/room"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// fakeBridge takes every call unless told otherwise.
type fakeBridge struct {
	mu       sync.Mutex
	instance string
	calls    map[string]bool // that it has
	posts    []wire.CallRequest
	deletes  []string // path?query
	digits   []string
	progress []string // id and state
	leases   [][]string
	down     bool                                 // nothing answers
	deaf     bool                                 // DELETE is answered and ignored
	slow     chan struct{}                        // a POST waits for it
	onPost   func(wire.CallRequest) error         // instead of taking the call
	onDelete func(id string, why wire.Ending)     // after the call is gone
	onLease  func(wire.LeaseRequest) (wait error) // before the answer
}

var errDown = errors.New("connection refused")

func (b *fakeBridge) Do(ctx context.Context, method, path string, in, out any) error {
	b.mu.Lock()
	down, slow, onPost, onDelete, onLease := b.down, b.slow, b.onPost, b.onDelete, b.onLease
	b.mu.Unlock()
	if down {
		return errDown
	}
	switch {
	case method == http.MethodPost && path == wire.PathCalls:
		req := in.(wire.CallRequest)
		b.mu.Lock()
		b.posts = append(b.posts, req)
		b.mu.Unlock()
		if slow != nil {
			select {
			case <-slow:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if onPost != nil {
			if err := onPost(req); err != nil {
				return err
			}
		}
		b.mu.Lock()
		b.calls[req.ID] = true
		b.mu.Unlock()
		*out.(*wire.CallResponse) = wire.CallResponse{Call: wire.Call{ID: req.ID, Trunk: "tr_1"}, Media: bridgeMedia}
	case method == http.MethodPost && path == wire.PathLease:
		req := in.(wire.LeaseRequest)
		if onLease != nil {
			if err := onLease(req); err != nil {
				return err
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.leases = append(b.leases, req.Calls)
		resp := wire.LeaseResponse{Instance: b.instance}
		for id := range b.calls {
			resp.Calls = append(resp.Calls, id)
		}
		*out.(*wire.LeaseResponse) = resp
	case method == http.MethodPost && strings.HasSuffix(path, "/progress"):
		b.mu.Lock()
		defer b.mu.Unlock()
		id := strings.TrimSuffix(strings.TrimPrefix(path, wire.PathCalls+"/"), "/progress")
		b.progress = append(b.progress, id+" "+string(in.(wire.ProgressRequest).State))
	case method == http.MethodPost && strings.HasSuffix(path, "/dtmf"):
		b.mu.Lock()
		defer b.mu.Unlock()
		b.digits = append(b.digits, in.(wire.DTMFRequest).Digits)
	case method == http.MethodDelete:
		path = strings.TrimPrefix(path, wire.PathCalls+"/")
		id, query, _ := strings.Cut(path, "?")
		b.mu.Lock()
		b.deletes = append(b.deletes, path)
		had := b.calls[id]
		if b.deaf {
			b.mu.Unlock()
			return nil
		}
		delete(b.calls, id)
		b.mu.Unlock()
		if !had {
			return refusal(http.StatusNotFound, "")
		}
		if onDelete != nil {
			onDelete(id, wire.Ending(strings.TrimPrefix(query, "reason=")))
		}
	default:
		return fmt.Errorf("unexpected %s %s", method, path)
	}
	return nil
}

func (b *fakeBridge) set(f func(*fakeBridge)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(b)
}

func (b *fakeBridge) postCount() int {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.posts)
}

func (b *fakeBridge) hungUp() string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.deletes, ", ")
}

func (b *fakeBridge) renewed() [][]string {
	synctest.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.leases)
}

// refusal is an answer of the bridge other than 2xx.
func refusal(status int, reason string) error {
	body, _ := json.Marshal(wire.Error{Error: "refused", Reason: reason})
	return &sign.StatusError{Status: status, Body: body}
}

// fakeLedger remembers what is reserved and settled.
type fakeLedger struct {
	mu       sync.Mutex
	broken   bool
	counters ledger.Counters // what is counted so far
	used     bool            // links have no use left
	revoked  bool            // links are taken back
	hang     chan struct{}   // a refusal is written when it is closed; nil: at once
	reserved []ledger.Reservation
	terms    []ledger.Terms
	answered []string
	open     map[string]bool
	records  []ledger.Record
	refusals []ledger.Refusal
	notes    []ledger.Call
}

func (l *fakeLedger) Reserve(_ context.Context, r ledger.Reservation, _ ledger.Since, judge func(ledger.Counters) (ledger.Terms, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return errors.New("disk full")
	}
	terms, err := judge(l.counters)
	if err != nil {
		return err
	}
	if r.Link != nil && l.used {
		return ledger.ErrLinkUsed
	}
	if r.Link != nil && l.revoked {
		return ledger.ErrLinkRevoked
	}
	l.terms = append(l.terms, terms)
	l.reserved = append(l.reserved, r)
	l.open[r.ID] = true
	return nil
}

func (l *fakeLedger) Count(context.Context, ledger.Reservation, ledger.Since) (ledger.Counters, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return ledger.Counters{}, errors.New("disk full")
	}
	return l.counters, nil
}

func (l *fakeLedger) Answered(_ context.Context, id string, _ time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered = append(l.answered, id)
}

func (l *fakeLedger) Settle(_ context.Context, id string, r ledger.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.open[id] {
		return ledger.ErrUnknown
	}
	delete(l.open, id)
	l.records = append(l.records, r)
	return nil
}

func (l *fakeLedger) Note(c ledger.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notes = append(l.notes, c)
}

func (l *fakeLedger) Refused(_ context.Context, r ledger.Refusal) error {
	if l.hang != nil {
		<-l.hang
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return errors.New("disk full")
	}
	l.refusals = append(l.refusals, r)
	return nil
}

func (l *fakeLedger) stillOpen() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var ids []string
	for id := range l.open {
		ids = append(ids, id)
	}
	return ids
}

// last returns how the last settled call ended.
func (l *fakeLedger) last() ledger.Record {
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.records) == 0 {
		return ledger.Record{}
	}
	return l.records[len(l.records)-1]
}

// fakeLegs makes legs and counts them.
type fakeLegs struct {
	mu   sync.Mutex
	legs []*fakeLeg
}

func (f *fakeLegs) make(call string) Leg {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := &fakeLeg{owner: f, track: &room.Track{Owner: call, Kind: room.Phone}, ssrc: uint32(len(f.legs) + 1)}
	f.legs = append(f.legs, l)
	return l
}

func (f *fakeLegs) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, l := range f.legs {
		if l.closed == 0 {
			n++
		}
	}
	return n
}

type fakeLeg struct {
	owner     *fakeLegs
	track     *room.Track
	ssrc      uint32
	connected []string
	closed    int
}

func (l *fakeLeg) Track() *room.Track { return l.track }

func (l *fakeLeg) Wire() wire.Leg {
	return wire.Leg{Media: "127.0.0.1:40100", SSRCFromPhone: l.ssrc, SSRCToPhone: l.ssrc + 1000}
}

func (l *fakeLeg) Connect(codec wire.Codec, bridge netip.AddrPort) error {
	if codec != wire.PCMA && codec != wire.PCMU {
		return errors.New("not a codec of this leg")
	}
	l.owner.mu.Lock()
	defer l.owner.mu.Unlock()
	l.connected = append(l.connected, fmt.Sprint(codec, " ", bridge))
	return nil
}

func (l *fakeLeg) Close() {
	l.owner.mu.Lock()
	defer l.owner.mu.Unlock()
	l.closed++
}

type fakeConference struct{}

func (fakeConference) Add(room.Leg)             {}
func (fakeConference) Remove(room.Leg)          {}
func (fakeConference) SetSources([]*room.Track) {}
func (fakeConference) Close()                   {}
