package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// carrier answers every INVITE with the given status, and everything else
// with 200.
type carrier struct {
	conn    net.PacketConn
	status  int
	wg      sync.WaitGroup
	mu      sync.Mutex
	invites []*sip.Request // guarded by mu; without those sent again
	byes    int            // guarded by mu
	cancels int            // guarded by mu
	refers  []*sip.Request // guarded by mu; without those sent again
}

func newCarrier(t *testing.T, status int) *carrier {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &carrier{conn: conn, status: status}
	c.wg.Go(c.run)
	t.Cleanup(func() {
		_ = conn.Close()
		c.wg.Wait()
	})
	return c
}

func (c *carrier) run() {
	const answer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	buf := make([]byte, 65536)
	seen := make(map[string]bool)
	for {
		n, from, err := c.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		msg, err := sip.ParseMessage(bytes.Clone(buf[:n]))
		req, ok := msg.(*sip.Request)
		if err != nil || !ok || req.IsAck() {
			continue
		}
		status, body := 200, ""
		branch, _ := req.Via().Params.Get("branch")
		first := !seen[branch+string(req.Method)]
		seen[branch+string(req.Method)] = true
		c.mu.Lock()
		switch req.Method {
		case sip.INVITE:
			if status = c.status; first {
				c.invites = append(c.invites, req)
			}
			if status == 200 {
				body = answer
			}
		case sip.BYE:
			c.byes++
		case sip.REFER:
			if first {
				c.refers = append(c.refers, req)
			}
		case sip.CANCEL:
			for _, invite := range c.invites {
				if of, _ := invite.Via().Params.Get("branch"); of == branch {
					terminated := sip.NewResponseFromRequest(invite, sip.StatusRequestTerminated, "x", nil)
					_, _ = c.conn.WriteTo([]byte(terminated.String()), from)
					c.cancels++
				}
			}
		}
		c.mu.Unlock()
		res := sip.NewResponseFromRequest(req, status, "x", []byte(body))
		if body != "" {
			res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
		}
		res.AppendHeader(&sip.ContactHeader{Address: sip.Uri{Scheme: "sip", Host: "127.0.0.1", Port: c.port()}})
		_, _ = c.conn.WriteTo([]byte(res.String()), from)
	}
}

func (c *carrier) port() int { return c.conn.LocalAddr().(*net.UDPAddr).Port }

func (c *carrier) invited() []*sip.Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*sip.Request(nil), c.invites...)
}

// referred returns where the REFERs lead to.
func (c *carrier) referred() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, req := range c.refers {
		list = append(list, req.GetHeader("Refer-To").Value())
	}
	return list
}

func (c *carrier) hungUp() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byes
}

func (c *carrier) cancelled() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cancels
}

// room is the sfu as a test wants it: a real server that checks signatures.
type room struct {
	mu     sync.Mutex
	legs   []wire.LegRequest
	events []wire.CallEvent
	leg    func(wire.LegRequest) (wire.LegResponse, error)
	event  func(wire.CallEvent) error
}

func newRoom(t *testing.T) (*room, string) {
	t.Helper()
	r := &room{leg: func(wire.LegRequest) (wire.LegResponse, error) {
		return wire.LegResponse{ID: "c_granted", Number: "+4989654321", Leg: *testLeg("sfu-1", 99)}, nil
	}}
	verifier, err := sign.NewVerifier([]sign.Key{bridgeKey1}, "", time.Now().Add(-time.Minute), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, body, err := verifier.VerifyRequest(req)
		if err != nil {
			t.Errorf("the bridge's request is not signed: %v", sign.Cause(err))
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		answer, err := r.serve(req.URL.Path, body)
		var status *sign.StatusError
		switch {
		case errors.As(err, &status):
			w.WriteHeader(status.Status)
			_, _ = w.Write(status.Body)
		case err != nil:
			panic(http.ErrAbortHandler) // nobody there
		case answer != nil:
			_ = json.NewEncoder(w).Encode(answer)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(func() {
		server.Close()
		_ = verifier.Close()
	})
	return r, server.URL
}

func (r *room) serve(path string, body []byte) (any, error) {
	switch path {
	case wire.PathLegs:
		var req wire.LegRequest
		if err := json.Unmarshal(body, &req); err != nil {
			return nil, err
		}
		r.mu.Lock()
		r.legs = append(r.legs, req)
		leg := r.leg
		r.mu.Unlock()
		granted, err := leg(req)
		return granted, err
	case wire.PathEvents:
		var ev wire.CallEvent
		if err := json.Unmarshal(body, &ev); err != nil {
			return nil, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.event != nil {
			if err := r.event(ev); err != nil {
				return nil, err
			}
		}
		r.events = append(r.events, ev)
		return nil, nil
	}
	return nil, &sign.StatusError{Status: http.StatusNotFound}
}

// got returns the events of a call as "state" or "ended reason".
func (r *room) got(id string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []string
	for _, ev := range r.events {
		if ev.ID == id {
			list = append(list, strings.TrimSpace(string(ev.State)+" "+string(ev.Reason)))
		}
	}
	return strings.Join(list, ", ")
}

// asked returns how often the room was asked for a leg.
func (r *room) asked() []wire.LegRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]wire.LegRequest(nil), r.legs...)
}

// grants sets what a request for a leg gets.
func (r *room) grants(f func(wire.LegRequest) (wire.LegResponse, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.leg = f
}

// takes sets what an event gets.
func (r *room) takes(f func(wire.CallEvent) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event = f
}
