// Package reception is the bridge's front door: who may call in, and where the
// call goes.
//
//	INVITE → one of our own rooms? a trunk's address? a registered phone? → line → leg of the sfu → room
//	REGISTER → package registrar
//
// A stranger gets no answer. A trunk's call to a number that leads nowhere is
// "not found". A registered phone may call a virtual number, a room by its
// name, and any other number as a dial of its own, which the sfu judges.
//
// The package places no calls and holds none; package call does.
package reception

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/call"
	"dialroom/bridge/registrar"
	"dialroom/bridge/trunk"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// SFU asks the sfu; *sign.Client does.
type SFU interface {
	Do(ctx context.Context, method, path string, in, out any) error
}

// Agent is the SIP user agent; *call.Agent is one.
type Agent interface {
	// OwnInvite reports whether an INVITE is one that the agent has sent.
	OwnInvite(req *sip.Request) bool
}

// Config is what a Desk needs.
type Config struct {
	Agent     Agent
	Trunks    *trunk.Table
	Registrar *registrar.Registrar
	SFU       SFU
	Media     netip.AddrPort                 // where the sfu sends RTP to
	Lease     func(id, instance string) bool // begins the lease of a call
	Logger    *slog.Logger

	// Place dials a number into a room for one of our phones, as the sfu allows.
	Place func(ctx context.Context, by, room, number string) (call string, err error)
}

// Desk decides about inbound calls.
type Desk struct {
	cfg   Config // fixed after New
	log   *slog.Logger
	lines atomic.Pointer[map[string]call.Line] // by number
}

// roomWait is how long a room that a phone has called by its name waits for
// somebody: as long as telephones ring.
const roomWait = time.Minute

// ownCodecs are spoken with registered phones and within the house.
func ownCodecs() []wire.Codec { return []wire.Codec{wire.G722, wire.PCMA, wire.PCMU} }

// New returns a desk without numbers.
func New(cfg Config) *Desk {
	d := &Desk{cfg: cfg, log: cfg.Logger}
	d.Load(nil)
	return d
}

// Load replaces the virtual numbers.
func (d *Desk) Load(lines map[string]call.Line) { d.lines.Store(&lines) }

// Line returns what a canonical number leads to.
func (d *Desk) Line(number string) (call.Line, bool) {
	line, ok := (*d.lines.Load())[number]
	return line, ok
}

// Admit judges a request outside any dialog by who sends it.
func (d *Desk) Admit(req *sip.Request) call.Admission {
	if req.Method == sip.REGISTER {
		return d.register(req)
	}
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		return call.Admission{Drop: true}
	}
	source = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	called := req.Recipient.User
	if called == "" {
		called = req.To().Address.User
	}
	if d.cfg.Agent.OwnInvite(req) {
		return d.admitHouse(req, called)
	}
	if d.isPhone(req, source) {
		return d.admitPhone(req, called)
	}
	registered, byRegistration := d.cfg.Trunks.Registers(called)
	slot, known := d.cfg.Trunks.Inbound(source.Addr(), func(t *trunk.Trunk) bool {
		return byRegistration && t.ID == registered.ID
	})
	switch {
	case !known && d.claimsPhone(req):
		return d.admitPhone(req, called)
	case !known:
		return call.Admission{Drop: true}
	case slot == nil:
		// Every line is taken: the caller hears busy. A 503 would tell the
		// carrier that the bridge is out of order (RFC 3261 §21.5.4), and
		// many send nothing to such a host for a while.
		return answer(req, sip.StatusBusyHere, "Busy Here", call.Refused(wire.Busy))
	}
	if byRegistration && slot.Trunk.ID == registered.ID {
		called = d.dialled(req, &slot.Trunk)
	}
	return d.admitTrunk(req, called, slot)
}

// dialled returns the number of a call that came by a trunk's registration and
// is addressed to the registration's Contact: the one that the carrier says was
// called (RFC 3455 §4.2), or that To names, or the account's own.
func (d *Desk) dialled(req *sip.Request, t *trunk.Trunk) string {
	spellings := []string{req.To().Address.User, t.CallerID, t.Username}
	if h := req.GetHeader("P-Called-Party-ID"); h != nil {
		var uri sip.Uri
		if _, err := sip.ParseAddressValue(h.Value(), &uri, nil); err == nil {
			spellings = append([]string{uri.User}, spellings...)
		}
	}
	for _, s := range spellings {
		if _, _, ok := d.find(s, t.Canonical(s)); ok && s != "" {
			return s
		}
	}
	return spellings[0]
}

func (d *Desk) register(req *sip.Request) call.Admission {
	if d.cfg.Registrar.Empty() {
		return call.Admission{}
	}
	res := d.cfg.Registrar.Register(req)
	return call.Admission{Answer: res, Drop: res == nil}
}

// isPhone reports whether a request comes from where a phone is registered, or
// brings a phone's password.
func (d *Desk) isPhone(req *sip.Request, source netip.AddrPort) bool {
	if d.cfg.Registrar.Empty() {
		return false
	}
	if _, ok := d.cfg.Registrar.Registered(source, sip.NetworkToLower(req.Transport())); ok {
		return true
	}
	return len(req.GetHeaders("Authorization")) > 0
}

// claimsPhone reports whether a stranger says to be an extension. It is asked
// for its password whether there is such an extension or not.
func (d *Desk) claimsPhone(req *sip.Request) bool {
	user := req.From().Address.User
	return !d.cfg.Registrar.Empty() && len(user) >= 2 && len(user) <= 6 && digits(user)
}

// admitHouse lets one of our rooms call another by its virtual number.
func (d *Desk) admitHouse(req *sip.Request, called string) call.Admission {
	number, line, ok := d.find(called)
	if !ok {
		return call.Admission{}
	}
	return call.Admission{Visit: &call.Visit{
		Caller: "", Name: req.From().DisplayName, Called: number, Line: line, House: true,
		Trunk: trunk.Trunk{Codecs: ownCodecs()},
	}}
}

// admitTrunk lets a carrier's call in.
func (d *Desk) admitTrunk(req *sip.Request, called string, slot *trunk.Slot) call.Admission {
	number, line, ok := d.find(called, slot.Trunk.Canonical(called))
	if !ok && len(req.GetHeaders("Replaces")) == 0 { // that one calls a dialog, not a number
		slot.Release()
		return call.Admission{}
	}
	caller, name := callerOf(req)
	return call.Admission{Visit: &call.Visit{
		Caller: slot.Trunk.Canonical(caller), Name: name, Called: number, Line: line, Trunk: slot.Trunk, Slot: slot,
	}}
}

// PhoneSRTP is how media of a desk phone is protected: as the phone wants it.
const PhoneSRTP = "optional"

// admitPhone lets an extension call.
func (d *Desk) admitPhone(req *sip.Request, called string) call.Admission {
	ext, res := d.cfg.Registrar.Authenticate(req)
	if ext == nil {
		return call.Admission{Answer: res, Drop: res == nil}
	}
	v := &call.Visit{
		Caller: ext.Number, Name: ext.Name, Called: called, Extension: ext.Number,
		Trunk: trunk.Trunk{Codecs: ownCodecs(), SRTP: PhoneSRTP, NAT: true},
	}
	if number, line, ok := d.find(called); ok {
		v.Called, v.Line = number, line
		return call.Admission{Visit: v}
	}
	v.Line = call.Line{Wait: roomWait}
	if digits(strings.TrimPrefix(called, "+")) {
		v.Line.Dial = called // a number: the sfu normalises and judges it
	} else {
		v.Line.Room = called
	}
	return call.Admission{Visit: v}
}

// find looks a number up as it came and as it may have been meant: carriers
// write it with and without the plus.
func (d *Desk) find(spellings ...string) (number string, line call.Line, ok bool) {
	lines := *d.lines.Load()
	for _, s := range spellings {
		for _, number := range []string{s, "+" + s} {
			if line, ok := lines[number]; ok {
				return number, line, true
			}
		}
	}
	return "", call.Line{}, false
}

// callerOf reads who calls: what the carrier vouches for, else what the caller
// says (RFC 3325 §9). A withheld number is none.
func callerOf(req *sip.Request) (number, name string) {
	from := req.From()
	number, name = from.Address.User, from.DisplayName
	if h := req.GetHeader("P-Asserted-Identity"); h != nil {
		var uri sip.Uri
		text := h.Value()
		if i := strings.IndexByte(text, '<'); i >= 0 {
			text, _, _ = strings.Cut(text[i+1:], ">")
		}
		if sip.ParseUri(text, &uri) == nil && uri.User != "" {
			number = uri.User
		}
	}
	if h := req.GetHeader("Privacy"); h != nil && !strings.EqualFold(strings.TrimSpace(h.Value()), "none") {
		return "", ""
	}
	if strings.EqualFold(from.Address.User, "anonymous") || !digits(strings.TrimPrefix(number, "+")) || len(number) > 20 {
		return "", name
	}
	return number, name
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func answer(req *sip.Request, status int, reason string, why sip.Header) call.Admission {
	res := sip.NewResponseFromRequest(req, status, reason, nil)
	res.AppendHeader(why)
	return call.Admission{Answer: res}
}

// Leg asks the sfu for the way into a room.
func (d *Desk) Leg(ctx context.Context, v call.Visit, room string) (call.Grant, error) {
	var granted wire.LegResponse
	err := d.cfg.SFU.Do(ctx, http.MethodPost, wire.PathLegs, wire.LegRequest{
		Room: room, Number: v.Caller, Trunk: v.Trunk.ID, Name: v.Name, Direction: wire.In, Media: d.cfg.Media.String(),
		Visitor: &wire.Visitor{Called: v.Called, Extension: v.Extension, Dial: v.Line.Dial, Transfer: v.Transfer, Wait: int(v.Line.Wait / time.Second), House: v.House},
	}, &granted)
	if err != nil {
		return call.Grant{}, refusalOf(err)
	}
	if granted.ID == "" || !d.cfg.Lease(granted.ID, granted.Leg.Instance) {
		return call.Grant{}, &call.Refusal{Status: sip.StatusServiceUnavailable, Reason: wire.TrunkFailed}
	}
	return call.Grant{ID: granted.ID, Room: granted.Room, Leg: granted.Leg, Present: granted.Present}, nil
}

// refusalOf says the sfu's "no" in SIP.
func refusalOf(err error) error {
	var status *sign.StatusError
	if !errors.As(err, &status) {
		return err
	}
	var body wire.Error
	_ = json.Unmarshal(status.Body, &body) // without one the status decides
	switch {
	case body.Reason == string(wire.BadNumber):
		return &call.Refusal{Status: sip.StatusNotFound, Reason: wire.NotFound}
	case body.Reason == string(wire.Shutdown) || status.Status >= 500:
		return &call.Refusal{Status: sip.StatusServiceUnavailable, Reason: wire.Shutdown}
	case status.Status == http.StatusTooManyRequests:
		return &call.Refusal{Status: sip.StatusBusyHere, Reason: wire.Busy}
	case status.Status == http.StatusBadRequest:
		return &call.Refusal{Status: sip.StatusNotFound, Reason: wire.NotFound} // no room can have this name
	}
	return &call.Refusal{Status: sip.StatusForbidden, Reason: wire.Declined}
}

// Transfer dials a number into a room for a phone in it.
func (d *Desk) Transfer(ctx context.Context, t call.Transfer) (string, error) {
	return d.cfg.Place(ctx, t.By, t.Room, t.Number)
}
