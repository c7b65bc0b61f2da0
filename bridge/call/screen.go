package call

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// This file reads messages before the library does: what is not SIP is
// answered with why (RFC 3261 §8.2, §21.4.1, §21.5.6) as far as it can be, and
// what is odd but legal (RFC 4475 §3.1.1) is written in the plain form that the
// library understands.

// Limits of one message, in bytes. Longer ones are nobody's.
const (
	maxHead = 32 << 10
	maxText = 64 << 10
)

// verdict is what becomes of a message: plain goes on to the library, answer
// goes back, and nothing at all is a message that nobody misses.
type verdict struct {
	plain  []byte
	answer []byte
}

// field is one header field, unfolded.
type field struct{ name, value string }

// message is a message taken apart.
type message struct {
	start  string
	fields []field
	body   []byte
}

// longNames are the compact forms (RFC 3261 §7.3.3, and those registered since).
func longName(name string) string {
	switch strings.ToLower(name) {
	case "v":
		return "Via"
	case "f":
		return "From"
	case "t":
		return "To"
	case "i":
		return "Call-ID"
	case "m":
		return "Contact"
	case "l":
		return "Content-Length"
	case "c":
		return "Content-Type"
	}
	return name
}

// get returns the values of a header.
func (m *message) get(name string) []string {
	var list []string
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			list = append(list, f.value)
		}
	}
	return list
}

// dissect splits a message into its parts. It is false for what has no lines.
func dissect(raw []byte) (*message, bool) {
	end, skip := bytes.Index(raw, []byte("\r\n\r\n")), 4
	if end < 0 {
		if end = bytes.Index(raw, []byte("\r\n")); end < 0 || !bytes.HasSuffix(raw, []byte("\r\n")) {
			return nil, false
		}
		end, skip = len(raw)-2, 2
	}
	if end > maxHead {
		return nil, false
	}
	m := &message{body: raw[end+skip:]}
	lines := strings.Split(string(raw[:end]), "\r\n")
	m.start = lines[0]
	for _, line := range lines[1:] {
		if len(line) > 0 && (line[0] == ' ' || line[0] == '\t') && len(m.fields) > 0 {
			// RFC 3261 §7.3.1: a folded line; all its white space is one space.
			m.fields[len(m.fields)-1].value += " " + strings.Trim(line, " \t")
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return m, true // the library ignores what has no colon
		}
		m.fields = append(m.fields, field{longName(strings.TrimRight(name, " \t")), strings.Trim(value, " \t")})
	}
	return m, true
}

var (
	requestLine  = regexp.MustCompile("^([A-Za-z0-9.!%*_+`'~-]+) (\\S+) (SIP/[0-9]+\\.[0-9]+)$")
	statusLine   = regexp.MustCompile(`^SIP/[0-9]+\.[0-9]+ ([1-6][0-9][0-9]) ?(.*)$`)
	schemePart   = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*):`)
	addressSpace = regexp.MustCompile(`<\s|\s>`)
	bracketed    = regexp.MustCompile(`<[^>]*>`)
	numericDate  = regexp.MustCompile(` GMT$`)
)

// statuses of a message that cannot be served.
const (
	statusBadRequest    = 400
	statusBadScheme     = 416
	statusUnknownMethod = 501
	statusBadVersion    = 505
)

// screen judges one whole message. datagram is whether it came as one: then its
// end is the end of the body.
func screen(raw []byte, datagram bool) verdict {
	m, ok := dissect(raw)
	if !ok {
		return verdict{}
	}
	if strings.HasPrefix(m.start, "SIP/") {
		return screenResponse(m)
	}
	status := m.badRequest(datagram)
	if status == 0 {
		return verdict{plain: m.plain()}
	}
	return verdict{answer: m.refusal(status)}
}

// screenResponse lets a response through that could be one to us.
func screenResponse(m *message) verdict {
	parts := statusLine.FindStringSubmatch(m.start)
	if parts == nil || m.badCSeq("") || m.badLength(true) {
		return verdict{}
	}
	m.start = "SIP/2.0 " + parts[1] + " " + parts[2]
	return verdict{plain: m.plain()}
}

// badRequest returns the status that says what is wrong with a request, 0 for
// nothing.
func (m *message) badRequest(datagram bool) int {
	parts := requestLine.FindStringSubmatch(m.start)
	if parts == nil {
		return statusBadRequest
	}
	method, uri, version := parts[1], parts[2], parts[3]
	scheme := schemePart.FindStringSubmatch(uri)
	switch {
	case version != "SIP/2.0":
		return statusBadVersion
	case m.badCSeq(method), m.badLength(datagram), m.badSingles(), m.badAddresses(), m.badNumbers():
		return statusBadRequest
	case scheme == nil:
		return statusBadRequest
	case !strings.EqualFold(scheme[1], "sip") && !strings.EqualFold(scheme[1], "sips"):
		return statusBadScheme
	case strings.ContainsAny(uri, "<>\"") || strings.Contains(uri[strings.LastIndexByte(uri, '@')+1:], "?"):
		return statusBadRequest // RFC 3261 §19.1.1: no headers in a Request-URI
	case !knownMethod(method):
		return statusUnknownMethod
	}
	return 0
}

func knownMethod(method string) bool {
	switch method {
	case "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "UPDATE", "INFO", "PRACK", "REFER", "NOTIFY", "SUBSCRIBE", "MESSAGE", "PUBLISH":
		return true
	}
	return false
}

// badCSeq reports whether there is not one CSeq with a number below 2^31 and
// the request's method (RFC 3261 §8.1.1.5).
func (m *message) badCSeq(method string) bool {
	list := m.get("CSeq")
	if len(list) != 1 {
		return true
	}
	words := strings.Fields(list[0])
	if len(words) != 2 || method != "" && words[1] != method {
		return true
	}
	n, err := strconv.ParseUint(words[0], 10, 64)
	return err != nil || n >= 1<<31
}

// badLength reports whether Content-Length does not fit the message.
func (m *message) badLength(datagram bool) bool {
	list := m.get("Content-Length")
	if len(list) == 0 {
		return false
	}
	n, err := strconv.ParseUint(list[0], 10, 31)
	if len(list) > 1 || err != nil {
		return true
	}
	if datagram && int(n) > len(m.body) {
		return true
	}
	if int(n) < len(m.body) {
		m.body = m.body[:n] // RFC 3261 §18.3: what is beyond is discarded
	}
	return false
}

// badSingles reports whether a header that stands once is missing or there
// more often.
func (m *message) badSingles() bool {
	for _, name := range []string{"From", "To", "Call-ID"} {
		if len(m.get(name)) != 1 {
			return true
		}
	}
	return len(m.get("Via")) == 0 || len(m.get("Max-Forwards")) > 1
}

// badNumbers reports whether a number is none, or out of its range.
func (m *message) badNumbers() bool {
	for _, v := range m.get("Max-Forwards") {
		if n, err := strconv.Atoi(v); err != nil || n < 0 || n > 255 { // RFC 3261 §20.22
			return true
		}
	}
	for _, v := range m.get("Date") {
		if !numericDate.MatchString(v) { // RFC 3261 §20.17: GMT, no other zone
			return true
		}
	}
	return false
}

// badAddresses reports whether an address is broken: a quote that never ends,
// space within the brackets, parameters or list entries that are not there.
func (m *message) badAddresses() bool {
	for _, f := range m.fields {
		switch strings.ToLower(f.name) {
		case "from", "to", "contact", "via", "route", "record-route":
		default:
			continue
		}
		plain, ok := outsideQuotes(f.value)
		if !ok || addressSpace.MatchString(plain) {
			return true
		}
		squeezed := strings.Join(strings.Fields(bracketed.ReplaceAllString(plain, "<>")), "")
		if strings.Contains(squeezed, ";;") || strings.Contains(squeezed, ",,") || strings.Contains(squeezed, ";,") || strings.HasSuffix(squeezed, ",") {
			return true
		}
		if strings.EqualFold(f.name, "Contact") && !strings.Contains(plain, "<") && strings.Contains(plain, "?") {
			return true // RFC 3261 §20.10: brackets are a must there
		}
		if (strings.EqualFold(f.name, "From") || strings.EqualFold(f.name, "To")) && badDisplayName(plain) {
			return true
		}
	}
	return false
}

// badDisplayName reports whether the name before an address is neither quoted
// nor made of tokens (RFC 3261 §25.1).
func badDisplayName(plain string) bool {
	name, _, ok := strings.Cut(plain, "<")
	return ok && strings.ContainsAny(name, ",;:@")
}

// outsideQuotes returns a value with its quoted strings empty, and whether
// every quote ends.
func outsideQuotes(s string) (string, bool) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
			b.WriteByte(c)
		case !quoted:
			b.WriteByte(c)
		}
	}
	return b.String(), !quoted
}
