package registrar

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	// A phone on the open network refreshes hourly at most; one behind a NAT
	// every two minutes, before the NAT forgets it.
	longestExpires = time.Hour
	behindNAT      = 2 * time.Minute
	shortest       = time.Minute // less is a burden (RFC 3261 §10.3, 423)
	usualExpires   = time.Hour   // where the phone does not say

	// maxBindings is how many devices one extension may have.
	maxBindings = 10
)

// Binding is a device of an extension.
type Binding struct {
	URI     sip.Uri        // the Contact it named
	Source  netip.AddrPort // where its REGISTER came from
	Network string         // transport: udp, tcp or tls
	NAT     bool           // Source is not what the Contact says

	callID  string
	seq     uint32
	expires time.Time
}

// Bindings returns the devices of an extension that are reachable now, the one
// seen last first.
func (r *Registrar) Bindings(number string) []Binding {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	r.expire(number, now)
	return slices.Clone(r.bindings[number])
}

// Registered returns whose device sends from there.
func (r *Registrar) Registered(source netip.AddrPort, network string) (number string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	for number, list := range r.bindings {
		for _, b := range list {
			if b.Source == source && b.Network == network && now.Before(b.expires) {
				return number, true
			}
		}
	}
	return "", false
}

// BehindNAT returns the devices whose path has to be kept open.
func (r *Registrar) BehindNAT() []Binding {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Binding
	now := r.cfg.Now()
	for number := range r.bindings {
		r.expire(number, now)
		for _, b := range r.bindings[number] {
			if b.NAT {
				list = append(list, b)
			}
		}
	}
	return list
}

// expire forgets the devices that have not come back; mu is held.
func (r *Registrar) expire(number string, now time.Time) {
	list := slices.DeleteFunc(r.bindings[number], func(b Binding) bool { return !now.Before(b.expires) })
	if len(list) == 0 {
		delete(r.bindings, number)
		return
	}
	r.bindings[number] = list
}

// wish is one Contact of a REGISTER.
type wish struct {
	uri      sip.Uri
	wildcard bool
	expires  time.Duration
}

// bind does what an authenticated REGISTER asks for (RFC 3261 §10.3, steps 6
// to 8): all of it or nothing.
func (r *Registrar) bind(req *sip.Request, source netip.AddrPort, ext *Extension) *sip.Response {
	wishes, status := wishesOf(req)
	if status != 0 {
		return sip.NewResponseFromRequest(req, status, "Bad Request", nil)
	}
	network := sip.NetworkToLower(req.Transport())
	callID, seq := req.CallID().Value(), req.CSeq().SeqNo
	now := r.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(ext.Number, now)
	list := slices.Clone(r.bindings[ext.Number])
	for _, w := range wishes {
		if w.wildcard {
			if stale(list, callID, seq) {
				return sip.NewResponseFromRequest(req, sip.StatusInternalServerError, "Server Internal Error", nil)
			}
			list = nil
			continue
		}
		i := slices.IndexFunc(list, func(b Binding) bool { return sameURI(&b.URI, &w.uri) })
		if i >= 0 && list[i].callID == callID && seq <= list[i].seq {
			return sip.NewResponseFromRequest(req, sip.StatusInternalServerError, "Server Internal Error", nil)
		}
		if i >= 0 {
			list = slices.Delete(list, i, i+1)
		}
		if w.expires == 0 {
			continue
		}
		if w.expires < shortest {
			res := sip.NewResponseFromRequest(req, sip.StatusIntervalToBrief, "Interval Too Brief", nil)
			res.AppendHeader(sip.NewHeader("Min-Expires", strconv.Itoa(int(shortest/time.Second))))
			return res
		}
		b := Binding{URI: w.uri, Source: source, Network: network, callID: callID, seq: seq}
		b.NAT = network != "udp" || !says(&w.uri, source)
		most := longestExpires
		if b.NAT {
			most = behindNAT
		}
		b.expires = now.Add(min(w.expires, most))
		list = append([]Binding{b}, list...)
	}
	if len(list) > maxBindings {
		list = list[:maxBindings]
	}
	before := len(r.bindings[ext.Number])
	if r.bindings[ext.Number] = list; len(list) == 0 {
		delete(r.bindings, ext.Number)
	}
	if len(list) != before {
		r.log.Info("an extension has other devices", "extension", masked(ext.Number), "devices", len(list))
	}
	return registered(req, list, now)
}

// registered is the 200 with the bindings there are now (RFC 3261 §10.3, step 8).
func registered(req *sip.Request, list []Binding, now time.Time) *sip.Response {
	res := sip.NewResponseFromRequest(req, sip.StatusOK, "OK", nil)
	for _, b := range list {
		h := &sip.ContactHeader{Address: *b.URI.Clone()}
		h.Params.Add("expires", strconv.Itoa(int(b.expires.Sub(now).Round(time.Second)/time.Second)))
		res.AppendHeader(h)
	}
	res.AppendHeader(sip.NewHeader("Date", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")))
	return res
}

// wishesOf reads the Contacts. Each may have its own expires; the Expires
// header is for the others (RFC 3261 §10.2.1.1).
func wishesOf(req *sip.Request) (wishes []wish, status int) {
	all := usualExpires
	if h := req.GetHeader("Expires"); h != nil {
		all = secondsOf(h.Value())
	}
	for _, name := range []string{"Contact", "m"} {
		for _, header := range req.GetHeaders(name) {
			h, ok := header.(*sip.ContactHeader)
			if !ok {
				return nil, sip.StatusBadRequest
			}
			w := wish{uri: *h.Address.Clone(), wildcard: h.Address.Wildcard, expires: all}
			if value, ok := h.Params.Get("expires"); ok {
				w.expires = secondsOf(value)
			}
			if !w.wildcard && (w.uri.Host == "" || w.uri.Scheme != "sip" && w.uri.Scheme != "sips") {
				return nil, sip.StatusBadRequest
			}
			w.uri.Headers = nil // RFC 3261 §19.1.1: not in a Request-URI
			wishes = append(wishes, w)
		}
	}
	for _, w := range wishes {
		if w.wildcard && (len(wishes) > 1 || w.expires != 0) {
			return nil, sip.StatusBadRequest // RFC 3261 §10.3, step 6
		}
	}
	return wishes, 0
}

// secondsOf reads an interval. What cannot be read counts as an hour (RFC 3261
// §20.19: malformed is 3600).
func secondsOf(value string) time.Duration {
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
	if err != nil {
		return usualExpires
	}
	return time.Duration(n) * time.Second
}

func stale(list []Binding, callID string, seq uint32) bool {
	return slices.ContainsFunc(list, func(b Binding) bool { return b.callID == callID && seq <= b.seq })
}

// sameURI compares Contacts as RFC 3261 §19.1.4 does, as far as phones differ.
func sameURI(a, b *sip.Uri) bool {
	at, _ := a.UriParams.Get("transport")
	bt, _ := b.UriParams.Get("transport")
	return a.User == b.User && strings.EqualFold(a.Host, b.Host) && a.Port == b.Port && strings.EqualFold(at, bt)
}

// says reports whether a Contact names the address its request came from.
func says(uri *sip.Uri, source netip.AddrPort) bool {
	port := uri.Port
	if port == 0 {
		port = 5060
	}
	addr, err := netip.ParseAddr(strings.Trim(uri.Host, "[]"))
	return err == nil && addr.Unmap() == source.Addr() && port == int(source.Port())
}
