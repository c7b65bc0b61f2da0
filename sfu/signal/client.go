package signal

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/coder/websocket"

	"dialroom/sfu/dial"
	"dialroom/sfu/peer"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

const (
	// outboxSize is how many messages may wait for a page that reads slowly. A
	// page that falls further behind has lost the thread and must resume.
	outboxSize = 512

	// maxDials is how many dials of one page may be waiting for their verdict.
	maxDials = 4
)

// closeReplaced is the status of a connection whose page was resumed elsewhere.
// It is in the range for applications (RFC 6455 §7.4.2) and means: do not come back.
const closeReplaced websocket.StatusCode = 4001

// closeRemoved is the status of a connection whose participant an owner or an
// operator has taken out; it means the same.
const closeRemoved websocket.StatusCode = 4003

// client is one connection to a page.
type client struct {
	s    *Server // fixed after newClient
	conn *websocket.Conn
	ip   netip.Addr

	out     chan any      // to writeLoop; any goroutine sends, nobody closes it
	changed chan struct{} // to run: the media's state has changed; holds one
	done    chan struct{} // closed by the first shut
	// roundTrips goes from pingLoop to run.
	roundTrips chan time.Duration
	closing    sync.Once
	code       websocket.StatusCode // set before done is closed
	reason     string
	tasks      sync.WaitGroup // dials
	dials      chan struct{}  // one token per dial under way

	// Owned by run.
	rate      limiter
	chat      limiter
	p         *room.Participant // nil before join
	link      string            // token of the join
	session   *session
	roundTrip time.Duration // to the page and back, 0 while unknown
	watched   *link         // the media that followMedia looked at last
	told      peer.State    // its state that was acted on
}

func newClient(s *Server, conn *websocket.Conn, ip netip.Addr) *client {
	return &client{s: s, conn: conn, ip: ip, rate: newLimiter(burst, perSecond, s.cfg.Now()), chat: newLimiter(chatBurst, chatPerSecond, s.cfg.Now()),
		out: make(chan any, outboxSize), changed: make(chan struct{}, 1), done: make(chan struct{}), roundTrips: make(chan time.Duration),
		dials: make(chan struct{}, maxDials)}
}

// Send queues a message for the page; it is a room.Sender. A page that does not
// keep up loses its connection.
func (c *client) Send(msg any) {
	switch msg.(type) {
	case room.Replaced:
		c.shut(closeReplaced, "this visit continues in another window")
		return
	case room.Removed:
		c.shut(closeRemoved, "removed")
		return
	}
	select {
	case c.out <- msg:
	default:
		c.shut(websocket.StatusTryAgainLater, "too slow")
	}
}

// shut asks for the end of the connection; the first call's reason counts.
func (c *client) shut(code websocket.StatusCode, reason string) {
	c.closing.Do(func() {
		c.code, c.reason = code, reason
		close(c.done)
	})
}

// left tells that the participant is out of its room for good, whoever removed it.
func (c *client) left() { c.shut(websocket.StatusNormalClosure, "left the room") }

// mediaChanged wakes run.
func (c *client) mediaChanged() {
	select {
	case c.changed <- struct{}{}:
	default: // it will look anyway
	}
}

// run is the loop that owns the client's state. It returns when the connection
// and everything that served it have ended.
func (c *client) run(ctx context.Context) {
	link, cut := context.WithCancel(context.WithoutCancel(ctx)) // cut closes the connection the hard way
	defer cut()
	in := make(chan []byte)
	var loops sync.WaitGroup
	loops.Go(func() { c.readLoop(link, in) })
	loops.Go(func() { c.writeLoop(link) })
	loops.Go(func() { c.pingLoop(link) })
	patience := time.NewTimer(c.s.cfg.JoinTimeout)
	defer patience.Stop()

loop:
	for {
		select {
		case data := <-in:
			c.receive(link, data)
		case <-c.changed:
			c.followMedia()
		case c.roundTrip = <-c.roundTrips:
			if c.p != nil {
				c.p.SetRoundTrip(c.roundTrip)
			}
		case <-patience.C:
			if c.p == nil {
				c.shut(websocket.StatusPolicyViolation, "did not join")
			}
		case <-ctx.Done():
			c.shut(websocket.StatusGoingAway, "the server is shutting down")
		case <-c.done:
			break loop
		}
	}
	if c.p != nil {
		c.p.Vanish(c)
	}
	farewell := time.AfterFunc(closeTimeout, cut) // a page that does not answer is cut off
	defer farewell.Stop()
	loops.Wait()
	c.tasks.Wait()
}

// receive handles one message.
func (c *client) receive(ctx context.Context, data []byte) {
	msg, err := decode(data)
	if !c.rate.allow(c.s.cfg.Now(), cost(msg)) {
		err = errTooFast
	}
	if err == nil {
		err = c.handle(ctx, msg)
	}
	switch {
	case err == nil, errors.Is(err, errReplaced):
		return
	case errors.Is(err, errTooFast) && c.rate.hopeless():
		c.shut(websocket.StatusPolicyViolation, "too many messages")
		return
	}
	told, known := explain(err)
	if !known {
		c.s.log.Warn("message failed", "error", err)
	}
	c.Send(told)
	if _, joining := msg.(joinMessage); joining && c.p == nil {
		code := websocket.StatusPolicyViolation // a room that is full stays full: the page should not insist
		if errors.Is(err, room.ErrShutdown) {
			code = websocket.StatusGoingAway
		}
		c.shut(code, told.Text)
	}
}

// handle acts on one message. Errors are those of wireErrors.
func (c *client) handle(ctx context.Context, msg any) error {
	switch m := msg.(type) {
	case pingMessage:
		c.Send(room.Pong{Type: "pong"})
		return nil
	case joinMessage:
		return c.join(ctx, m)
	case leaveMessage:
		if c.p != nil {
			c.p.Leave(c)
		}
		c.left()
		return nil
	}
	if c.p == nil {
		return errNotJoined
	}
	switch m := msg.(type) {
	case offerMessage:
		return c.session.answer(c, c.p, m, func(sdp string) { c.Send(room.Answer{Type: "answer", SDP: sdp}) })
	case candidateMessage:
		if l := c.session.current(); l != nil {
			l.Candidate(string(m.Candidate))
		}
	case viewMessage:
		list := make([]room.View, len(m.Video))
		for i, v := range m.Video {
			list[i] = room.View{ID: v.ID, Kind: v.Kind, Width: v.Width}
		}
		c.p.SetView(list)
	case stateMessage:
		c.p.SetState(room.State{Audio: m.Audio, Video: m.Video, Screen: m.Screen})
	case chatMessage:
		if !c.chat.allow(c.s.cfg.Now(), 1) {
			return errChatTooFast
		}
		return c.p.Chat(m.Text)
	case muteMessage:
		return c.p.Mute(m.ID, m.Muted == nil || *m.Muted)
	case removeMessage:
		return c.remove(m)
	case dialMessage:
		return c.dial(ctx, m)
	case hangupMessage:
		return c.hangup(m)
	case dtmfMessage:
		if _, known := c.p.Room().Call(m.Call); !known {
			return errNoCall
		}
		return c.s.cfg.Dialer.DTMF(m.Call, m.Digits)
	}
	return nil
}

func (c *client) join(ctx context.Context, m joinMessage) error {
	if c.p != nil {
		return errAlreadyJoined
	}
	role := room.Guest
	if admit := c.s.cfg.Admit; admit != nil && !c.s.cfg.Rooms.CanResume(m.Room, m.Resume) {
		var err error
		if role, err = admit(ctx, m.Room, m.Link); err != nil {
			return err
		}
	}
	fresh := &session{newMedia: c.s.cfg.NewMedia}
	fresh.client.Store(c)
	p, resumed, err := c.s.cfg.Rooms.Join(room.JoinRequest{Room: m.Room, Name: m.Name, Role: role, AddPhone: c.s.cfg.AddPhone(), Resume: m.Resume,
		ICEServers: c.s.cfg.ICEServers(), Sender: c, Session: fresh, OnLeft: fresh.close})
	if err != nil {
		return err
	}
	c.p, c.session, c.link = p, p.Session().(*session), m.Link
	c.p.SetRoundTrip(c.roundTrip)
	if resumed {
		c.session.client.Store(c)
		c.followMedia() // it may have failed while nobody looked
	}
	return nil
}

// dial asks for a call without waiting for the verdict, which needs the disk. An
// accepted call is told to the whole room, a refusal to this page alone.
func (c *client) dial(ctx context.Context, m dialMessage) error {
	select {
	case c.dials <- struct{}{}:
	default:
		return errBusy
	}
	req := dial.Request{Room: c.p.Room().Name(), Participant: c.p.ID(), Number: m.Number, Trunk: m.Trunk,
		Link: c.link, Name: c.p.Name(), Again: m.Again, Add: m.Add, IP: c.ip}
	c.tasks.Go(func() {
		defer func() { <-c.dials }()
		if call := c.s.cfg.Dialer.Dial(ctx, req); call.State == wire.Refused {
			c.Send(room.CallChanged{Type: "call", Call: call})
		}
	})
	return nil
}

// remove takes somebody out; a phone is hung up.
func (c *client) remove(m removeMessage) error {
	call, err := c.p.Remove(m.ID)
	if err != nil || call == "" {
		return err
	}
	return c.hangup(hangupMessage{Call: call})
}

// hangup ends a call of the room. One that has ended already is no error: two
// people may press at once.
func (c *client) hangup(m hangupMessage) error {
	call, known := c.p.Room().Call(m.Call)
	if !known {
		return errNoCall
	}
	if call.State == wire.Ended {
		return nil
	}
	if err := c.s.cfg.Dialer.Hangup(m.Call, c.p.ID()); !errors.Is(err, dial.ErrUnknownCall) {
		return err
	}
	return nil
}

// followMedia acts on the state of the media: a page whose connection has failed
// is told, so that it restarts ICE with another offer.
func (c *client) followMedia() {
	l := c.session.current()
	if l == nil {
		return
	}
	if l != c.watched {
		c.watched, c.told = l, peer.New
	}
	state := peer.State(l.state.Load())
	if state == c.told {
		return
	}
	c.told = state
	switch state {
	case peer.Connected:
		c.p.SetMediaUp(true)
	case peer.Failed:
		c.p.SetMediaUp(false)
		c.Send(room.Error{Type: "error", Code: "media-failed", Text: "The media connection was lost."})
	}
}
