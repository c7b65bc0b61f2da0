package config

import (
	"fmt"
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
	checkBridge(d, &c.Bridge, c.SFU.TLS.Cert != "")
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
	for i, o := range s.EmbedOrigins {
		d.embedder(fmt.Sprintf("sfu.embed_origins[%d]", i), o)
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

// checkBridge checks bridge; secure is whether the sfu serves HTTPS.
func checkBridge(d *decoder, b *Bridge, secure bool) {
	d.listen("bridge.listen", b.Listen, false)
	d.origin("bridge.sfu_url", b.SFUURL)
	if secure && strings.HasPrefix(b.SFUURL, "http:") {
		d.fail("bridge.sfu_url", "expected https://, because sfu.tls is set, got %q", b.SFUURL)
	}
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
