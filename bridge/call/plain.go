package call

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"
)

// This file writes messages: those that have been screened, in their plain
// form, and the answers to those that were refused.

// plain writes the message in the form everybody reads.
func (m *message) plain() []byte {
	var b bytes.Buffer
	b.WriteString(m.start + "\r\n")
	for _, f := range m.fields {
		switch strings.ToLower(f.name) {
		case "content-length":
			continue // written anew
		case "via":
			for _, v := range splitList(f.value) {
				b.WriteString("Via: " + tidyVia(v) + "\r\n")
			}
			continue
		case "cseq":
			f.value = strings.Join(strings.Fields(f.value), " ")
		case "from", "to", "contact", "route", "record-route":
			f.value = tidy(f.value)
		}
		b.WriteString(f.name + ": " + f.value + "\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n", len(m.body))
	b.Write(m.body)
	return b.Bytes()
}

// splitList splits at commas outside quotes and brackets.
func splitList(s string) []string {
	var list []string
	quoted, depth, from := false, 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			depth++
		case c == '>':
			depth--
		case c == ',' && depth == 0:
			list = append(list, strings.TrimSpace(s[from:i]))
			from = i + 1
		}
	}
	return append(list, strings.TrimSpace(s[from:]))
}

// tidy takes the white space away that RFC 3261 §25.1 allows around separators.
func tidy(s string) string {
	var b strings.Builder
	quoted, bracket := false, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quoted && c == '\\' && i+1 < len(s):
			b.WriteByte(c)
			i++
			c = s[i]
		case c == '"':
			quoted = !quoted
		case quoted || bracket && c != '>':
		case c == '<':
			bracket = true
		case c == '>':
			bracket = false
		case c == ' ' || c == '\t':
			next := strings.TrimLeft(s[i:], " \t")
			i = len(s) - len(next) - 1
			last := byte(0)
			if b.Len() > 0 {
				last = b.String()[b.Len()-1]
			}
			if next == "" || strings.IndexByte(";=,", next[0]) >= 0 || strings.IndexByte(";=,", last) >= 0 {
				continue
			}
			c = ' '
		}
		b.WriteByte(c)
	}
	return b.String()
}

var viaSlash = regexp.MustCompile(`\s*/\s*`)

// tidyVia does the same for a Via, which has slashes and a port too.
func tidyVia(s string) string {
	s = tidy(s)
	fields := strings.SplitN(viaSlash.ReplaceAllString(s, "/"), " ", 2)
	if len(fields) < 2 {
		return s
	}
	host, params, found := strings.Cut(fields[1], ";")
	host = strings.Join(strings.Fields(host), "")
	if found {
		host += ";" + params
	}
	return fields[0] + " " + host
}

// refusal is the answer to a request that cannot be served, made of what it
// says of itself (RFC 3261 §8.2.6.2); nil where that is too little, and for an
// ACK, which has none.
func (m *message) refusal(status int) []byte {
	method, _, _ := strings.Cut(m.start, " ")
	vias := m.get("Via")
	if method == "ACK" || len(vias) == 0 {
		return nil
	}
	reason := map[int]string{
		statusBadRequest: "Bad Request", statusBadScheme: "Unsupported URI Scheme",
		statusUnknownMethod: "Not Implemented", statusBadVersion: "Version Not Supported",
	}[status]
	var b bytes.Buffer
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", status, reason)
	for _, v := range vias {
		b.WriteString("Via: " + v + "\r\n")
	}
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		for i, v := range m.get(name) {
			if i > 0 {
				break
			}
			if name == "To" && !strings.Contains(v, "tag") {
				v += ";tag=" + rand.Text()[:16]
			}
			b.WriteString(name + ": " + v + "\r\n")
		}
	}
	if status == statusUnknownMethod {
		b.WriteString("Allow: " + allowed + "\r\n")
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return b.Bytes()
}
