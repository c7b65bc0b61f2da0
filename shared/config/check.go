package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones, on hosts that have none

	"dialroom/shared/number"
)

// minSecret is the shortest secret, or key of the API: 16 bytes are the 128
// bits below which an HMAC key can be guessed.
const minSecret = 16

// The longest times that make sense: a room nobody is in holds its phones for
// at most an hour, no telephone rings longer than ten minutes, and a call of
// more than a day is one that was forgotten.
const (
	maxGrace      = time.Hour
	maxRing       = 10 * time.Minute
	maxCallLength = 24 * time.Hour
)

// How long the ledger may keep calls: the caps of a day need more than the
// longest day (25 hours, when the clock is put back) and the longest call that
// began before it; ten years are what tax offices ask for.
const (
	minRetention = 72 * time.Hour
	maxRetention = 10 * 366 * 24 * time.Hour
)

// A trunk asked more often than every five seconds is a burden, and one asked
// less often than hourly is not looked after.
const (
	minProbe = 5 * time.Second
	maxProbe = time.Hour
)

// keysPerRole is how many keys the roles sfu and bridge may have: the one in
// use, which signs, and the one it is being exchanged for.
const keysPerRole = 2

var (
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	trunkPrefix = regexp.MustCompile(`^\+?[0-9]{0,15}$`)
	rewriteFrom = regexp.MustCompile(`^\+[0-9]{0,15}$`)
	fraudPrefix = regexp.MustCompile(`^(\+[0-9]{0,15}|[0-9]{1,15})$`)
	sipUser     = regexp.MustCompile(`^[A-Za-z0-9+*#._-]{0,64}$`)
	hostName    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,62}\.?)*$`)
	currency    = regexp.MustCompile(`^[A-Z]{3}$`)
	portRange   = regexp.MustCompile(`^([0-9]{1,5})-([0-9]{1,5})$`)
	codecNames  = []string{"PCMA", "PCMU", "G722"}
	roleNames   = []string{"sfu", "bridge", "script"}
	transports  = []string{"udp", "tcp", "tls"}
	dialFormats = []string{"e164", "plus", "national"}
	srtpModes   = []string{"off", "optional", "required"}
)

// check looks at every value the decoder has filled in.
func check(d *decoder, c *Config) {
	if c.DataDir == "" {
		d.fail("data_dir", "expected a folder, got \"\"")
	}
	checkSFU(d, &c.SFU)
	checkBridge(d, &c.Bridge)
	checkKeys(d, c.Keys)
	ids := map[string]string{}
	for i := range c.Trunks {
		checkTrunk(d, &c.Trunks[i], fmt.Sprintf("trunks[%d]", i), ids)
	}
	checkNumbers(d, c)
	checkFraud(d, &c.Fraud)
	checkLinks(d, &c.Links, c.Keys)
	d.between("ledger.retention", c.Ledger.Retention, minRetention, maxRetention)
}

func checkSFU(d *decoder, s *SFU) {
	d.listen("sfu.listen", s.Listen, false)
	d.origin("sfu.public_url", s.PublicURL)
	for i, o := range s.AllowedOrigins {
		d.origin(fmt.Sprintf("sfu.allowed_origins[%d]", i), o)
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		d.fail("sfu.tls", "expected both cert and key, or neither")
	}
	for i, p := range s.TrustedProxies {
		d.network(fmt.Sprintf("sfu.trusted_proxies[%d]", i), p)
	}
	d.port("sfu.media.udp_port", s.Media.UDPPort)
	d.port("sfu.media.tcp_port", s.Media.TCPPort)
	d.ip("sfu.media.public_ip", s.Media.PublicIP)
	if (s.TURN.URL == "") != (s.TURN.Secret == "") {
		d.fail("sfu.turn", "expected both url and secret, or neither")
	}
	if u := s.TURN.URL; u != "" && !strings.HasPrefix(u, "turn:") && !strings.HasPrefix(u, "turns:") {
		d.fail("sfu.turn.url", "expected turn:host:port or turns:host:port, got %q", u)
	}
	d.origin("sfu.bridge_url", s.BridgeURL)
	d.legListen("sfu.leg_listen", s.LegListen)
	d.between("sfu.empty_room_grace", s.EmptyRoomGrace, time.Millisecond, maxGrace)
	ids, keys := map[string]string{}, map[string]string{}
	for i, k := range s.APIKeys {
		at := fmt.Sprintf("sfu.api_keys[%d]", i)
		d.id(at, k.ID, ids)
		d.secret(at+".key", k.Key, keys)
	}
}

func checkBridge(d *decoder, b *Bridge) {
	d.listen("bridge.listen", b.Listen, false)
	d.origin("bridge.sfu_url", b.SFUURL)
	d.legListen("bridge.leg_listen", b.LegListen)
	d.listen("bridge.sip.udp", b.SIP.UDP, true)
	d.listen("bridge.sip.tcp", b.SIP.TCP, true)
	d.listen("bridge.sip.tls", b.SIP.TLS, true)
	if b.SIP.UDP == "" && b.SIP.TCP == "" && b.SIP.TLS == "" {
		d.fail("bridge.sip", "expected an address in at least one of udp, tcp and tls")
	}
	if (b.SIP.TLSCert == "") != (b.SIP.TLSKey == "") {
		d.fail("bridge.sip", "expected both tls_cert and tls_key, or neither")
	}
	d.ip("bridge.sip.public_ip", b.SIP.PublicIP)
	d.ip("bridge.rtp.public_ip", b.RTP.PublicIP)
	m := portRange.FindStringSubmatch(b.RTP.Ports)
	if m != nil {
		b.RTP.MinPort, _ = strconv.Atoi(m[1])
		b.RTP.MaxPort, _ = strconv.Atoi(m[2])
	}
	// One call takes an even port and the odd one above it (RFC 3550 §11).
	if m == nil || b.RTP.MinPort < 1024 || b.RTP.MaxPort > 65535 || b.RTP.MaxPort <= b.RTP.MinPort {
		d.fail("bridge.rtp.ports", "expected first-last such as 10000-19999, from 1024 to 65535, got %q", b.RTP.Ports)
	}
}

func checkKeys(d *decoder, keys []Key) {
	ids, secrets, roles := map[string]string{}, map[string]string{}, map[string]int{}
	for i, k := range keys {
		at := fmt.Sprintf("keys[%d]", i)
		d.id(at, k.ID, ids)
		roles[k.Role]++
		switch {
		case !slices.Contains(roleNames, k.Role):
			d.fail(at+".role", "expected sfu, bridge or script, got %q", k.Role)
		case k.Role != "script" && roles[k.Role] > keysPerRole:
			d.fail(at+".role", "expected at most %d keys with the role %s", keysPerRole, k.Role)
		}
		// Who knows the secret of another key could sign with its id, and so in its role.
		d.secret(at+".secret", k.Secret, secrets)
		if k.Role != "script" && (len(k.Allow) > 0 || k.PerDay > 0 || k.PerMinute > 0 || k.Concurrent > 0) {
			d.fail(at, "expected limits (allow, per_day, per_minute, concurrent) only for the role script")
		}
		d.destinations(at+".allow", k.Allow)
	}
	for _, role := range roleNames[:2] {
		if roles[role] == 0 {
			d.fail("keys", "expected a key with the role %s", role)
		}
	}
}

func checkTrunk(d *decoder, t *Trunk, at string, ids map[string]string) {
	d.id(at, t.ID, ids)
	if t.Name == "" {
		t.Name = t.ID
	}
	if !isHost(t.Host) {
		d.fail(at+".host", "expected a host, host:port or a domain, got %q", t.Host)
	}
	if t.OutboundProxy != "" && !isHost(t.OutboundProxy) {
		d.fail(at+".outbound_proxy", "expected a host, host:port or a domain, got %q", t.OutboundProxy)
	}
	d.oneOf(at+".transport", t.Transport, transports)
	d.oneOf(at+".dial_format", t.DialFormat, dialFormats)
	d.oneOf(at+".srtp", t.SRTP, srtpModes)
	if t.MaxCalls < 1 {
		d.fail(at+".max_calls", "expected at least 1, got %d", t.MaxCalls)
	}
	for key, n := range map[string]Cap{".max_calls_in": t.MaxCallsIn, ".max_calls_out": t.MaxCallsOut} {
		if int(n) > t.MaxCalls && t.MaxCalls > 0 {
			d.fail(at+key, "expected at most max_calls, which is %d, got %d", t.MaxCalls, n)
		}
	}
	if t.Password != "" && t.Username == "" {
		d.fail(at+".username", "expected a user name for the password")
	}
	if t.Register && t.Username == "" {
		d.fail(at+".username", "expected the user name to register with")
	}
	if t.ProbeEvery != 0 {
		d.between(at+".probe_every", t.ProbeEvery, minProbe, maxProbe)
	}
	checkRewrite(d, t, at)
	// These travel into SIP headers, where a quote or a line break would end them.
	d.quotable(at+".name", t.Name)
	d.quotable(at+".username", t.Username)
	d.quotable(at+".from.display", t.From.Display)
	d.sipUser(at+".caller_id", t.CallerID)
	d.sipUser(at+".from.user", t.From.User)
	if t.From.Host != "" && !isHost(t.From.Host) {
		d.fail(at+".from.host", "expected a host or host:port, got %q", t.From.Host)
	}
	if len(t.Prefixes) == 0 {
		d.fail(at+".prefixes", "expected at least one prefix")
	}
	for i, p := range t.Prefixes {
		if !trunkPrefix.MatchString(p) {
			d.fail(fmt.Sprintf("%s.prefixes[%d]", at, i), "expected + and digits, digits, or \"\", got %q", p)
		}
	}
	if len(t.Codecs) == 0 {
		d.fail(at+".codecs", "expected at least one of PCMA, PCMU, G722")
	}
	for i, codec := range t.Codecs {
		item := fmt.Sprintf("%s.codecs[%d]", at, i)
		d.oneOf(item, codec, codecNames)
		if slices.Index(t.Codecs, codec) < i {
			d.fail(item, "expected each codec once, got %s again", codec)
		}
	}
	for i, source := range t.AllowedSources {
		d.network(fmt.Sprintf("%s.allowed_sources[%d]", at, i), source)
	}
	for i, p := range t.AllowedPrefixes {
		if p == "" || !trunkPrefix.MatchString(p) {
			d.fail(fmt.Sprintf("%s.allowed_prefixes[%d]", at, i), "expected + and digits, or the digits of an extension, got %q", p)
		}
	}
	d.between(at+".max_duration", t.MaxDuration, 0, maxCallLength)
}

// checkRewrite wants rules that turn a canonical number into another one and
// never into something else.
func checkRewrite(d *decoder, t *Trunk, at string) {
	national := t.DialFormat == "national"
	if national && len(t.Rewrite) == 0 {
		d.fail(at+".rewrite", "expected rules such as {from: \"+49\", to: \"0\"} for dial_format national")
	}
	if !national && len(t.Rewrite) > 0 {
		d.fail(at+".rewrite", "expected dial_format national with it, got %q", t.DialFormat)
	}
	for i, r := range t.Rewrite {
		item := fmt.Sprintf("%s.rewrite[%d]", at, i)
		if !rewriteFrom.MatchString(r.From) {
			d.fail(item+".from", "expected + and digits, got %q", r.From)
		}
		if !trunkPrefix.MatchString(r.To) {
			d.fail(item+".to", "expected digits, with or without + before them, or \"\", got %q", r.To)
		}
	}
}

func checkFraud(d *decoder, f *Fraud) {
	d.destinations("fraud.allow", f.Allow)
	d.destinations("fraud.block", f.Block)
	types := number.BlockableTypes()
	for i, t := range f.BlockTypes {
		d.oneOf(fmt.Sprintf("fraud.block_types[%d]", i), t, types)
	}
	for i, r := range f.Rates {
		at := fmt.Sprintf("fraud.rates[%d]", i)
		if !fraudPrefix.MatchString(r.Prefix) {
			d.fail(at+".prefix", "expected + and digits, or the digits of an extension, got %q", r.Prefix)
		}
		if r.Currency != "" && !currency.MatchString(r.Currency) {
			d.fail(at+".currency", "expected three letters such as EUR, got %q", r.Currency)
		} else if r.Currency != f.Rates[0].Currency {
			d.fail(at+".currency", "expected one currency in all rates, got %q and %q", f.Rates[0].Currency, r.Currency)
		}
	}
	if f.PerDay.Spend > 0 && len(f.Rates) == 0 && f.RatesFile == "" {
		d.fail("fraud.per_day.spend", "expected rates or rates_file, without which there are no prices")
	}
	if f.HomeRegion != "" && !number.IsRegion(f.HomeRegion) {
		d.fail("fraud.home_region", "expected the ISO code of a country such as DE, got %q", f.HomeRegion)
	}
	d.between("fraud.max_ring", f.MaxRing, time.Second, maxRing)
	d.between("fraud.max_duration", f.MaxDuration, time.Second, maxCallLength)
	if _, err := time.LoadLocation(f.TimeZone); err != nil || f.TimeZone == "" || f.TimeZone == "Local" {
		d.fail("fraud.time_zone", "expected a time zone such as UTC or Europe/Berlin, got %q", f.TimeZone)
	}
}

func checkLinks(d *decoder, l *Links, keys []Key) {
	if l.Secret != "" {
		secrets := map[string]string{}
		for i, k := range keys {
			secrets[k.Secret] = fmt.Sprintf("keys[%d]", i)
		}
		d.secret("links.secret", l.Secret, secrets)
		return
	}
	if l.RequireSigned {
		d.fail("links.require_signed", "expected a links.secret, without which there are no signed links")
	}
	if l.RequireToJoin {
		d.fail("links.require_to_join", "expected a links.secret, without which there are no signed links")
	}
}

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
