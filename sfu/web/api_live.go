package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/sfu/dial"
	"dialroom/sfu/room"
	"dialroom/shared/wire"
)

// This file is what goes on now: rooms, who is in them, calls, trunks.

type apiRoom struct {
	Name     string `json:"name"`
	Browsers int    `json:"browsers"`
	Phones   int    `json:"phones"`
	Calls    int    `json:"calls"` // that have not ended
}

// listRooms is GET /rooms.
func (s *Server) listRooms(_ context.Context, ctx *app.RequestContext, _ string) (int, any, error) {
	var all []apiRoom
	for _, r := range s.cfg.Operators.Rooms.Rooms() {
		entry := apiRoom{Name: r.Name(), Calls: len(liveCalls(r))}
		for _, p := range r.Participants() {
			if p.Kind == room.Telephone {
				entry.Phones++
			} else {
				entry.Browsers++
			}
		}
		all = append(all, entry)
	}
	return pageFrom(ctx, all)
}

type apiParticipant struct {
	ID     string  `json:"id"`
	Room   string  `json:"room"`
	Name   string  `json:"name"`
	Kind   string  `json:"kind"`
	Role   string  `json:"role"`
	Audio  bool    `json:"audio"`
	Video  bool    `json:"video"`
	Screen bool    `json:"screen"`
	Call   *string `json:"call"` // a phone's
}

// listParticipants is GET /participants, of ?room= or of all rooms.
func (s *Server) listParticipants(_ context.Context, ctx *app.RequestContext, _ string) (int, any, error) {
	var all []apiParticipant
	for _, r := range s.roomsOf(ctx) {
		for _, p := range r.Participants() {
			all = append(all, participantOf(r, p))
		}
	}
	return pageFrom(ctx, all)
}

func participantOf(r *room.Room, p room.Info) apiParticipant {
	entry := apiParticipant{ID: p.ID, Room: r.Name(), Name: p.Name, Kind: p.Kind, Role: string(p.Role), Audio: p.Audio, Video: p.Video, Screen: p.Screen}
	if p.Role == "" {
		entry.Role = string(room.Guest)
	}
	if p.Call != "" {
		entry.Call = &p.Call
	}
	return entry
}

// roomsOf is the room of ?room=, or all of them.
func (s *Server) roomsOf(ctx *app.RequestContext) []*room.Room {
	name, one := ctx.GetQuery("room")
	if !one {
		return s.cfg.Operators.Rooms.Rooms()
	}
	if r := s.cfg.Operators.Rooms.Get(name); r != nil {
		return []*room.Room{r}
	}
	return nil
}

// kick is DELETE /participants/{id}. A phone leaves by its call being hung up.
func (s *Server) kick(_ context.Context, ctx *app.RequestContext, key string) (int, any, error) {
	id := ctx.Param("id")
	for _, r := range s.cfg.Operators.Rooms.Rooms() {
		for _, p := range r.Participants() {
			switch {
			case p.ID != id:
			case p.Kind == room.Telephone:
				return s.endCall(p.Call, key)
			case r.Remove(id):
				s.log.Info("participant removed", "room", r.Name(), "participant", id, "operator", key)
				return http.StatusNoContent, nil, nil
			}
		}
	}
	return 0, nil, errNotFound
}

// mute is PATCH /participants/{id} with {"audio": false}, and true for a phone
// that is to be heard again.
func (s *Server) mute(_ context.Context, ctx *app.RequestContext, key string) (int, any, error) {
	var wish struct {
		Audio *bool `json:"audio"`
	}
	if err := readJSON(ctx, &wish); err != nil {
		return 0, nil, err
	}
	if wish.Audio == nil {
		return 0, nil, bad("audio: expected false, or true for a phone")
	}
	id := ctx.Param("id")
	for _, r := range s.cfg.Operators.Rooms.Rooms() {
		switch err := r.Mute(id, !*wish.Audio); {
		case errors.Is(err, room.ErrNobody):
			continue
		case errors.Is(err, room.ErrOwnVoice):
			return 0, nil, errUnmute
		case err != nil:
			return 0, nil, err
		}
		s.log.Info("participant muted", "room", r.Name(), "participant", id, "mute", !*wish.Audio, "operator", key)
		for _, p := range r.Participants() {
			if p.ID == id {
				return http.StatusOK, participantOf(r, p), nil
			}
		}
	}
	return 0, nil, errNotFound
}

type apiCall struct {
	ID          string  `json:"id"`
	Direction   string  `json:"direction"`
	Room        string  `json:"room"`
	Number      string  `json:"number"`
	Trunk       string  `json:"trunk"`
	State       string  `json:"state"`
	Participant *string `json:"participant"`
}

// listCalls is GET /calls: those that have not ended, of ?room= or of all rooms.
func (s *Server) listCalls(_ context.Context, ctx *app.RequestContext, _ string) (int, any, error) {
	var all []apiCall
	for _, r := range s.roomsOf(ctx) {
		for _, c := range liveCalls(r) {
			entry := apiCall{ID: c.ID, Direction: cmp.Or(c.Direction, wire.Out), Room: r.Name(), Number: c.Number, Trunk: c.Trunk, State: string(c.State)}
			if c.Participant != "" {
				entry.Participant = &c.Participant
			}
			all = append(all, entry)
		}
	}
	return pageFrom(ctx, all)
}

func liveCalls(r *room.Room) []room.Call {
	var live []room.Call
	for _, c := range r.Calls() {
		if c.State != wire.Ended && c.State != wire.Refused {
			live = append(live, c)
		}
	}
	return live
}

// hangUp is DELETE /calls/{id}.
func (s *Server) hangUp(_ context.Context, ctx *app.RequestContext, key string) (int, any, error) {
	return s.endCall(ctx.Param("id"), key)
}

func (s *Server) endCall(id, key string) (int, any, error) {
	err := s.cfg.Operators.Guard.Hangup(id, "")
	if errors.Is(err, dial.ErrUnknownCall) {
		return 0, nil, errNotFound
	}
	if err != nil {
		return 0, nil, err
	}
	s.log.Info("call hung up", "call", id, "operator", key)
	return http.StatusAccepted, map[string]string{"id": id}, nil
}

// listTrunks is GET /trunks: how the bridge's trunks stand.
func (s *Server) listTrunks(c context.Context, ctx *app.RequestContext, _ string) (int, any, error) {
	trunks, err := s.cfg.Operators.Trunks(c)
	if err != nil {
		return 0, nil, errors.Join(errNoBridge, err)
	}
	return pageFrom(ctx, trunks)
}

// apiQuestion is the body of POST /explain.
type apiQuestion struct {
	Number string `json:"number"`
	Trunk  string `json:"trunk"`
	Room   string `json:"room"`
	IP     string `json:"ip"`
	Key    string `json:"key"`
	Link   string `json:"link"`
}

// explain is POST /explain: what would become of a dial, and why. It dials
// nothing and changes nothing.
func (s *Server) explain(c context.Context, ctx *app.RequestContext, _ string) (int, any, error) {
	var q apiQuestion
	if err := readJSON(ctx, &q); err != nil {
		return 0, nil, err
	}
	question := dial.Question{Number: q.Number, Trunk: q.Trunk, Room: q.Room, Key: q.Key, Link: q.Link}
	if q.Number == "" {
		return 0, nil, bad("number: expected a number")
	}
	if q.IP != "" {
		ip, err := netip.ParseAddr(q.IP)
		if err != nil {
			return 0, nil, bad("ip: expected an IP address")
		}
		question.IP = ip
	}
	explanation, err := s.cfg.Operators.Guard.Explain(c, question)
	if errors.Is(err, dial.ErrUnknownKey) {
		err = bad("key: expected the id of a key with the role script")
	}
	return http.StatusOK, explanation, err
}

// counters is GET /counters.
func (s *Server) counters(c context.Context, _ *app.RequestContext, _ string) (int, any, error) {
	usage, err := s.cfg.Operators.Guard.Counters(c)
	if err != nil {
		return 0, nil, errors.Join(errBook, err)
	}
	counts := s.cfg.Operators.Counts()
	return http.StatusOK, apiCounters{Usage: usage, Rooms: counts.Rooms, Sockets: counts.Sockets, Participants: counts.Participants,
		Calls: counts.Calls, Placed: counts.Placed, Ended: counts.Ended, Refused: counts.Refused}, nil
}

// apiCounters is what is counted: against the caps, now, and since the process started.
type apiCounters struct {
	dial.Usage
	Rooms        int               `json:"rooms"`
	Sockets      int               `json:"sockets"`
	Participants map[string]int    `json:"participants"`
	Calls        map[string]int    `json:"calls"`
	Placed       uint64            `json:"placed"`
	Ended        map[string]uint64 `json:"ended"`
	Refused      map[string]uint64 `json:"refused"`
}
