package call

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// SystemResolver is the system's resolver, which knows no NAPTR records, and
// the system's name servers, which are asked for these.
type SystemResolver struct {
	*net.Resolver
	Servers func() []string // host:port; nil: those of /etc/resolv.conf
}

const (
	// typeNAPTR is the record type, RFC 3403 §4.
	typeNAPTR = dnsmessage.Type(35)

	// naptrTime bounds the question to one server. There are SRV and address
	// records if it does not answer.
	naptrTime = time.Second
)

var errNoAnswer = errors.New("no usable answer of a name server")

// LookupNAPTR asks the name servers, one after the other.
func (r SystemResolver) LookupNAPTR(ctx context.Context, name string) ([]NAPTR, error) {
	servers := r.Servers
	if servers == nil {
		servers = resolvConf
	}
	err := errNoAnswer
	for _, server := range servers() {
		var records []NAPTR
		if records, err = askNAPTR(ctx, server, name); err == nil {
			return records, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// resolvConf returns the system's name servers.
func resolvConf() []string {
	text, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	var servers []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "nameserver" && len(servers) < 2 {
			servers = append(servers, net.JoinHostPort(fields[1], "53"))
		}
	}
	return servers
}

// askNAPTR asks one server over UDP. An answer that does not fit is none.
func askNAPTR(ctx context.Context, server, name string) ([]NAPTR, error) {
	full, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, err
	}
	var id [2]byte
	_, _ = rand.Read(id[:])
	question := dnsmessage.Question{Name: full, Type: typeNAPTR, Class: dnsmessage.ClassINET}
	query := dnsmessage.Message{
		Header: dnsmessage.Header{ID: binary.BigEndian.Uint16(id[:]), RecursionDesired: true}, Questions: []dnsmessage.Question{question},
	}
	packet, err := query.Pack()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, naptrTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "udp", server)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		// What does not belong to the question may be forged.
		if records, err := parseNAPTR(buf[:n], query.ID, question); !errors.Is(err, errOtherQuestion) {
			return records, err
		}
	}
}

var errOtherQuestion = errors.New("an answer to another question")

// parseNAPTR reads the answer to a question.
func parseNAPTR(packet []byte, id uint16, question dnsmessage.Question) ([]NAPTR, error) {
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil || header.ID != id || !header.Response {
		return nil, errOtherQuestion
	}
	asked, err := p.AllQuestions()
	if err != nil || len(asked) != 1 || asked[0].Type != question.Type ||
		!strings.EqualFold(asked[0].Name.String(), question.Name.String()) {
		return nil, errOtherQuestion
	}
	if header.Truncated || (header.RCode != dnsmessage.RCodeSuccess && header.RCode != dnsmessage.RCodeNameError) {
		return nil, errNoAnswer
	}
	var records []NAPTR
	for len(records) < maxHops {
		resource, err := p.AnswerHeader()
		if err != nil {
			break // the end of the list
		}
		if resource.Type != typeNAPTR {
			if p.SkipAnswer() != nil {
				break
			}
			continue
		}
		unknown, err := p.UnknownResource()
		if err != nil {
			break
		}
		if r, ok := readNAPTR(unknown.Data); ok {
			records = append(records, r)
		}
	}
	return records, nil
}

// readNAPTR reads one record's data, RFC 3403 §4.1: two numbers, three
// strings, and a name, which is not compressed.
func readNAPTR(data []byte) (r NAPTR, ok bool) {
	if len(data) < 4 {
		return r, false
	}
	r.Order, r.Preference = binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:])
	data = data[4:]
	var regexp string // not for SIP: RFC 3263 §4.1
	for _, field := range []*string{&r.Flags, &r.Service, &regexp} {
		if len(data) == 0 || len(data) <= int(data[0]) {
			return r, false
		}
		*field = string(data[1 : 1+data[0]])
		data = data[1+data[0]:]
	}
	var labels []string
	for len(data) > 0 && data[0] != 0 {
		if data[0] > 63 || len(data) <= int(data[0]) {
			return r, false
		}
		labels = append(labels, string(data[1:1+data[0]]))
		data = data[1+data[0]:]
	}
	r.Replacement = strings.Join(labels, ".")
	return r, len(data) == 1 && r.Replacement != ""
}
