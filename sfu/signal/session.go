package signal

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"dialroom/sfu/peer"
	"dialroom/sfu/room"
)

// session is what a participant keeps across its sockets: its media.
type session struct {
	newMedia func(participant string, onState func(peer.State)) (Media, error) // fixed
	client   atomic.Pointer[client]                                            // whose page the participant has now

	mu     sync.Mutex // guards what follows; held while an offer is answered
	link   *link      // nil before the first offer
	closed bool
}

// link is one connection of the page and how it stands.
type link struct {
	Media
	state atomic.Int32 // a peer.State
}

var (
	// errMedia means that there is no connection to be had; the cause is for the log.
	errMedia = errors.New("no media connection")
	// errReplaced means that the page was resumed elsewhere and this one has no say any more.
	errReplaced = errors.New("resumed elsewhere")
)

// newLink makes a connection that tells the session's client of its states.
func (x *session) newLink(participant string) (*link, error) {
	l := &link{}
	media, err := x.newMedia(participant, func(state peer.State) {
		l.state.Store(int32(state))
		if c := x.client.Load(); c != nil {
			c.mediaChanged()
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMedia, err)
	}
	l.Media = media
	return l, nil
}

// answer answers an offer of c's page, on a new connection when the page has
// one, and hands it to the room. reply is called with the answer before the
// room acts on the new slots.
func (x *session) answer(c *client, p *room.Participant, offer offerMessage, reply func(sdp string)) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed || x.client.Load() != c {
		return errReplaced
	}
	l := x.link
	sdp, err := "", peer.ErrOtherConnection
	if l != nil {
		sdp, err = l.Answer(offer.SDP, offer.Tracks)
	}
	if errors.Is(err, peer.ErrOtherConnection) {
		// The first offer, or that of a page that was loaded anew.
		if l, err = x.newLink(p.ID()); err != nil {
			return err
		}
		if sdp, err = l.Answer(offer.SDP, offer.Tracks); err != nil {
			l.Close()
			return err
		}
	}
	if err != nil {
		return err
	}
	old := x.link
	x.link = l
	reply(sdp)
	p.SetMedia(l.Media)
	if old != nil && old != l {
		old.Close()
	}
	return nil
}

// current returns the connection, or nil before the first offer.
func (x *session) current() *link {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.link
}

// close ends the media, when the participant has left for good.
func (x *session) close() {
	x.mu.Lock()
	l := x.link
	x.link, x.closed = nil, true
	x.mu.Unlock()
	if l != nil {
		l.Close()
	}
	if c := x.client.Load(); c != nil {
		c.left()
	}
}
