package call

import (
	"github.com/emiago/sipgo/sip"
)

// maxForks bounds the dialogs one INVITE may create. Forking further than a
// person has phones is an attack on our memory.
const maxForks = 8

// dialog is one of the dialogs our INVITE created (RFC 3261 §12): early from
// its first 18x on, confirmed by a 200.
type dialog struct {
	remote    *sip.ToHeader // To of the far end's responses, with its tag
	target    sip.Uri       // remote target, from the last Contact
	routes    []sip.Uri     // route set
	remoteSeq uint32        // last CSeq of the far end
	seenSeq   bool          // remoteSeq is set
	source    string        // where its last response came from, host:port
	network   string        // transport of that response
	answer    []byte        // SDP it sent in a 183
	rseq      uint32        // of its last reliable provisional response
	ack       *sip.Request  // our ACK to its 200
	byed      bool          // BYE was sent or received
}

// newDialog makes the dialog that a response to our INVITE stands for, or nil
// when the response does not make one: no To tag (RFC 3261 §12.1).
func newDialog(res *sip.Response, fallback sip.Uri) *dialog {
	to := res.To()
	if to == nil || !to.Params.Has("tag") {
		return nil
	}
	d := &dialog{remote: to, target: *fallback.Clone()}
	d.update(res)
	return d
}

// update takes from a response what it says about its dialog. The route set
// is the response's Record-Route in reverse (RFC 3261 §12.1.2); a 2xx sets it
// again (§13.2.2.4), a 1xx only before it is known.
func (d *dialog) update(res *sip.Response) {
	if uri, ok := contact(res); ok {
		d.target = uri
	}
	d.source, d.network = res.Source(), sip.NetworkToLower(res.Transport())
	if !res.IsSuccess() && d.routes != nil {
		return
	}
	var routes []sip.Uri
	headers := res.GetHeaders("Record-Route")
	for i := len(headers) - 1; i >= 0; i-- {
		if route, ok := headers[i].(*sip.RecordRouteHeader); ok && isSIP(&route.Address) {
			routes = append(routes, *route.Address.Clone())
		}
	}
	d.routes = routes
}

// tag returns the far end's tag.
func (d *dialog) tag() string { return d.remote.Params.GetOr("tag", "") }

// route returns the Request-URI and the Route headers of a request in this
// dialog, RFC 3261 §12.2.1.1.
func (d *dialog) route() (uri sip.Uri, routes []sip.Uri) {
	if len(d.routes) == 0 {
		return d.target, nil
	}
	if d.routes[0].UriParams.Has("lr") {
		return d.target, d.routes
	}
	// A strict router wants to see itself in the Request-URI, and the target
	// at the end of the list.
	first := *d.routes[0].Clone()
	first.Headers = nil
	return first, append(append([]sip.Uri(nil), d.routes[1:]...), d.target)
}

// next returns where a request in this dialog goes first. A transport is
// taken from the URI, or else is the one the dialog came by: many a Contact
// forgets to say that it is on TCP.
func (d *dialog) next() target {
	uri := d.target
	if len(d.routes) > 0 {
		uri = d.routes[0]
	}
	host := uri.Host
	if maddr, ok := uri.UriParams.Get("maddr"); ok && maddr != "" {
		host = maddr // RFC 3261 §19.1.1
	}
	t := target{host: unbracket(host), port: uri.Port, network: d.network}
	if uri.Scheme == "sips" {
		t.network = tlsNetwork // RFC 3261 §26.2.2
	} else if transport, ok := uri.UriParams.Get("transport"); ok {
		switch transport = sip.NetworkToLower(transport); transport {
		case udp, tcp, tlsNetwork:
			t.network = transport
		}
	}
	return t
}

// later reports whether a request of the far end is newer than the ones
// before, and notes its CSeq (RFC 3261 §12.2.2).
func (d *dialog) later(seq uint32) bool {
	if d.seenSeq && seq <= d.remoteSeq {
		return false
	}
	d.seenSeq, d.remoteSeq = true, seq
	return true
}

// contact returns the first usable Contact of a message. The library keeps the
// last of a list at hand; the remote target is a list of one by rights, and
// the first where it is not.
func contact(msg sip.Message) (sip.Uri, bool) {
	for _, name := range []string{"Contact", "m"} {
		for _, header := range msg.GetHeaders(name) {
			if c, ok := header.(*sip.ContactHeader); ok && !c.Address.Wildcard && isSIP(&c.Address) {
				uri := *c.Address.Clone()
				uri.Headers = nil // RFC 3261 §19.1.1: not in a Request-URI
				return uri, true
			}
		}
	}
	return sip.Uri{}, false
}

func isSIP(uri *sip.Uri) bool {
	return uri.Host != "" && !uri.Wildcard && (uri.Scheme == "sip" || uri.Scheme == "sips" || uri.Scheme == "")
}

func unbracket(host string) string {
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}
