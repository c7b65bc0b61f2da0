package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"dialroom/shared/number"
)

// This file checks single values, whatever key they belong to.

// destinations wants a list of prefixes and countries.
func (d *decoder) destinations(key string, list []string) {
	for i, p := range list {
		if !fraudPrefix.MatchString(p) && !number.IsRegion(p) {
			d.fail(fmt.Sprintf("%s[%d]", key, i), "expected + and digits, the digits of an extension, or the ISO code of a country such as DE, got %q", p)
		}
	}
}

// secret wants one that is long enough and nobody else's.
func (d *decoder) secret(key, val string, seen map[string]string) {
	if len(val) < minSecret {
		d.fail(key, "expected at least %d bytes, got %d", minSecret, len(val))
	} else if other, twice := seen[val]; twice {
		d.fail(key, "expected a secret of its own, it is that of %s", other)
	}
	seen[val] = key[:max(0, strings.LastIndexByte(key, '.'))]
}

func (d *decoder) id(at, id string, seen map[string]string) {
	if !idPattern.MatchString(id) {
		d.fail(at+".id", "expected 1 to 64 letters, digits, dots, - and _, got %q", id)
		return
	}
	if other, twice := seen[id]; twice {
		d.fail(at+".id", "expected an id of its own, %s is that of %s", id, other)
		return
	}
	seen[id] = at
}

func (d *decoder) oneOf(key, val string, list []string) {
	if !slices.Contains(list, val) {
		last := len(list) - 1
		d.fail(key, "expected %s or %s, got %q", strings.Join(list[:last], ", "), list[last], val)
	}
}

func (d *decoder) port(key string, port int) {
	if port < 0 || port > 65535 {
		d.fail(key, "expected a port from 1 to 65535, or 0 for any free one, got %d", port)
	}
}

func (d *decoder) ip(key, val string) {
	if a, err := netip.ParseAddr(val); val != "" && (err != nil || a.Zone() != "") {
		d.fail(key, "expected an IP address, got %q", val)
	}
}

func (d *decoder) network(key, val string) {
	if p, err := netip.ParsePrefix(val); err != nil || p != p.Masked() {
		d.fail(key, "expected a network such as 10.0.0.0/8 or 192.0.2.7/32, got %q", val)
	}
}

func (d *decoder) between(key string, val, low, high time.Duration) {
	if val < low || val > high {
		d.fail(key, "expected from %v to %v, got %v", low, high, val)
	}
}

// quotable wants text that can stand between quotes in a SIP header.
func (d *decoder) quotable(key, val string) {
	if strings.ContainsFunc(val, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' }) {
		d.fail(key, "expected text without quotes, backslashes and line breaks, got %q", val)
	}
}

// sipUser wants the user part of a SIP address.
func (d *decoder) sipUser(key, val string) {
	if !sipUser.MatchString(val) {
		d.fail(key, "expected a number or a SIP user name, got %q", val)
	}
}

// listen wants an address to listen on: an IP address, localhost or nothing
// before the colon.
func (d *decoder) listen(key, val string, mayBeEmpty bool) {
	if val == "" && mayBeEmpty {
		return
	}
	host, port, err := net.SplitHostPort(val)
	_, ipErr := netip.ParseAddr(host)
	if err != nil || !isPort(port) || (host != "" && host != "localhost" && ipErr != nil) {
		d.fail(key, "expected an address such as 127.0.0.1:8080, got %q", val)
	}
}

// legListen wants the address of the other process's RTP, which goes to it as it is.
func (d *decoder) legListen(key, val string) {
	if a, err := netip.ParseAddrPort(val); err != nil || a.Addr().IsUnspecified() {
		d.fail(key, "expected an IP address the other process can reach and a port, such as 127.0.0.1:0, got %q", val)
	}
}

// origin wants scheme, host and port: what a browser sends as Origin, or where
// the other process answers.
func (d *decoder) origin(key, val string) {
	u, err := url.Parse(val)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.User != nil ||
		(u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		d.fail(key, "expected http:// or https:// with a host and no path, got %q", val)
	}
}

// embedder wants an origin that can stand in a Content-Security-Policy, where
// a semicolon or a comma would begin something else.
func (d *decoder) embedder(key, val string) {
	d.origin(key, val)
	if u, err := url.Parse(val); err == nil && u.Host != "" && !isHost(u.Host) {
		d.fail(key, "expected the address of a site such as https://crm.example.com, got %q", val)
	}
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 0 && n <= 65535
}

// isHost accepts a name, an IP address, or either with a port.
func isHost(s string) bool {
	if host, port, err := net.SplitHostPort(s); err == nil {
		if n, _ := strconv.Atoi(port); !isPort(port) || n == 0 {
			return false
		}
		s = host
	}
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	return len(s) <= 253 && hostName.MatchString(s)
}
