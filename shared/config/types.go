package config

import "time"

// Config is the one settings file of both processes. Every key has a default but the secrets.
type Config struct {
	DataDir    string      `yaml:"data_dir"`
	SFU        SFU         `yaml:"sfu"`
	Bridge     Bridge      `yaml:"bridge"`
	Keys       []Key       `yaml:"keys"`
	Trunks     []Trunk     `yaml:"trunks"`
	Extensions []Extension `yaml:"extensions"`
	Numbers    []Number    `yaml:"numbers"`
	Fraud      Fraud       `yaml:"fraud"`
	Links      Links       `yaml:"links"`
	Ledger     Ledger      `yaml:"ledger"`

	places places `yaml:"-"` // fixed by Parse
}

// Cap is how many there may be at most. The file says a number from 1 up, or
// "off", which is 0: no cap. A 0 in the file is refused, because one reader
// takes it for none at all and the next for any number.
type Cap int

// Amount is a cap of money, in the currency of the rates; "off" as with Cap.
type Amount float64

// off is how the file says that there is no cap.
const off = "off"

// MarshalYAML writes a cap as the file has it.
func (c Cap) MarshalYAML() (any, error) {
	if c == 0 {
		return off, nil
	}
	return int(c), nil
}

// MarshalYAML writes an amount as the file has it.
func (a Amount) MarshalYAML() (any, error) {
	if a == 0 {
		return off, nil
	}
	return float64(a), nil
}

// SFU is what the sfu process listens on and talks to.
type SFU struct {
	Listen         string        `yaml:"listen"`
	PublicURL      string        `yaml:"public_url"`
	AllowedOrigins []string      `yaml:"allowed_origins"` // WebSocket origins beside public_url
	TLS            TLS           `yaml:"tls"`
	TrustedProxies []string      `yaml:"trusted_proxies"` // CIDRs
	Media          Media         `yaml:"media"`
	TURN           TURN          `yaml:"turn"`
	BridgeURL      string        `yaml:"bridge_url"`
	LegListen      string        `yaml:"leg_listen"` // RTP from and to the bridge, default 127.0.0.1:0
	EmptyRoomGrace time.Duration `yaml:"empty_room_grace"`
	AddPhone       bool          `yaml:"add_phone"`     // pages may dial other numbers than that of their link
	EmbedOrigins   []string      `yaml:"embed_origins"` // sites whose pages may show the room in a frame
	APIKeys        []APIKey      `yaml:"api_keys"`
}

// TLS is a certificate and its key, as PEM files.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

// Media is where browsers send their media.
type Media struct {
	UDPPort  int    `yaml:"udp_port"`
	TCPPort  int    `yaml:"tcp_port"`
	PublicIP string `yaml:"public_ip"`
}

// TURN is an external TURN server with time-limited credentials.
type TURN struct {
	URL    string `yaml:"url"`
	Secret string `yaml:"secret"`
}

// APIKey opens the operators' API.
type APIKey struct {
	ID  string `yaml:"id"`
	Key string `yaml:"key"`
}

// Bridge is what the bridge process listens on and talks to.
type Bridge struct {
	Listen    string `yaml:"listen"`
	SFUURL    string `yaml:"sfu_url"`
	LegListen string `yaml:"leg_listen"` // RTP from and to the sfu, default 127.0.0.1:0
	SIP       SIP    `yaml:"sip"`
	RTP       RTP    `yaml:"rtp"`
}

// SIP is the bridge's own SIP endpoint.
type SIP struct {
	UDP      string `yaml:"udp"`
	TCP      string `yaml:"tcp"`
	TLS      string `yaml:"tls"`
	TLSCert  string `yaml:"tls_cert"`
	TLSKey   string `yaml:"tls_key"`
	TLSCA    string `yaml:"tls_ca"` // believed beside the system's authorities
	PublicIP string `yaml:"public_ip"`
}

// RTP is the phone-side media.
type RTP struct {
	Ports    string `yaml:"ports"` // "10000-19999"
	PublicIP string `yaml:"public_ip"`

	MinPort int `yaml:"-"` // from Ports
	MaxPort int `yaml:"-"`
}

// Key may sign requests.
type Key struct {
	ID     string `yaml:"id"`
	Role   string `yaml:"role"` // sfu | bridge | script
	Secret string `yaml:"secret"`

	// For the role script only.
	Allow      []string `yaml:"allow"`      // as in fraud.allow, which still holds; empty: no narrower than that
	PerDay     Cap      `yaml:"per_day"`    // dials; in place of fraud.per_day.key
	PerMinute  Cap      `yaml:"per_minute"` // dials
	Concurrent Cap      `yaml:"concurrent"` // calls at the same time
}

// Trunk is a way to the telephone network.
type Trunk struct {
	ID             string   `yaml:"id"`
	Name           string   `yaml:"name"`
	Priority       int      `yaml:"priority"`
	Enabled        bool     `yaml:"enabled"` // default true
	Host           string   `yaml:"host"`
	Transport      string   `yaml:"transport"`
	Username       string   `yaml:"username"`
	Password       string   `yaml:"password"`
	Register       bool     `yaml:"register"`
	From           From     `yaml:"from"`
	CallerID       string   `yaml:"caller_id"`
	Prefixes       []string `yaml:"prefixes"`
	DialFormat     string   `yaml:"dial_format"`
	Codecs         []string `yaml:"codecs"`
	SRTP           string   `yaml:"srtp"`
	NAT            bool     `yaml:"nat"`           // its media may come from elsewhere than its SDP says
	MaxCalls       int      `yaml:"max_calls"`     // at the same time, both directions together
	MaxCallsIn     Cap      `yaml:"max_calls_in"`  // of them that come in
	MaxCallsOut    Cap      `yaml:"max_calls_out"` // of them that go out
	AllowedSources []string `yaml:"allowed_sources"`
	Transfer       bool     `yaml:"transfer"` // its phones may transfer (REFER) to what the fraud rules allow

	// Hard limits of the bridge, whoever asks.
	PerMinute       Cap           `yaml:"per_minute"`       // calls placed in any 60 seconds
	AllowedPrefixes []string      `yaml:"allowed_prefixes"` // of what it may dial, whatever it can carry; empty: everything
	MaxDuration     time.Duration `yaml:"max_duration"`     // from answer; 0: as long as fraud.max_duration

	OutboundProxy string        `yaml:"outbound_proxy"` // where requests go instead of host
	ProbeEvery    time.Duration `yaml:"probe_every"`    // OPTIONS; 0 is none
	HideCallerID  bool          `yaml:"hide_caller_id"` // from the callee; the carrier is told
	Rewrite       []Rewrite     `yaml:"rewrite"`        // for dial_format national
}

// Rewrite replaces the beginning of a number.
type Rewrite struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// From is what the From header of an INVITE says.
type From struct {
	User    string `yaml:"user"`
	Host    string `yaml:"host"`
	Display string `yaml:"display"`
}

// Extension is a desk phone that may register.
type Extension struct {
	Number   string `yaml:"number"`
	Password string `yaml:"password"`
	Name     string `yaml:"name"`
}

// Fraud is what FraudGuard goes by.
type Fraud struct {
	Allow       []string      `yaml:"allow"` // prefixes and countries
	Block       []string      `yaml:"block"` // the same
	BlockTypes  []string      `yaml:"block_types"`
	PerDay      PerDay        `yaml:"per_day"`
	PerMinute   PerMinute     `yaml:"per_minute"`
	Concurrent  Concurrent    `yaml:"concurrent"`
	Rates       []Rate        `yaml:"rates"`
	RatesFile   string        `yaml:"rates_file"` // CSV with the columns of Rate, beside Rates
	MaxRing     time.Duration `yaml:"max_ring"`
	MaxDuration time.Duration `yaml:"max_duration"`
	TimeZone    string        `yaml:"time_zone"`
	HomeRegion  string        `yaml:"home_region"` // ISO code whose national spellings are understood; empty: none
}

// PerDay caps what happens in one day.
type PerDay struct {
	Total   Cap    `yaml:"total"` // dials, as the next four
	IP      Cap    `yaml:"ip"`
	Room    Cap    `yaml:"room"`
	Number  Cap    `yaml:"number"`
	Key     Cap    `yaml:"key"`
	Minutes Cap    `yaml:"minutes"` // of all calls together
	Spend   Amount `yaml:"spend"`   // of all calls together, by the rates
}

// PerMinute caps dials in one minute.
type PerMinute struct {
	IP Cap `yaml:"ip"`
}

// Concurrent caps calls that run at the same time.
type Concurrent struct {
	Total Cap `yaml:"total"`
	IP    Cap `yaml:"ip"`
}

// Rate is the price of a minute to the numbers with a prefix; the longest prefix counts.
type Rate struct {
	Prefix    string  `yaml:"prefix"`
	PerMinute float64 `yaml:"per_minute"`
	Currency  string  `yaml:"currency"` // such as EUR; the same in all rates
}

// Links is about signed links.
type Links struct {
	Secret        string `yaml:"secret"`          // empty: there are none
	RequireSigned bool   `yaml:"require_signed"`  // a page dials with a signed link or not at all
	RequireToJoin bool   `yaml:"require_to_join"` // nor joins a room without one
}

// Ledger is about the record of calls.
type Ledger struct {
	Retention time.Duration `yaml:"retention"` // how long calls and refusals are kept
}
