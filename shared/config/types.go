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
	NAT            bool     `yaml:"nat"` // its media may come from elsewhere than its SDP says
	MaxCalls       int      `yaml:"max_calls"`
	AllowedSources []string `yaml:"allowed_sources"`
	Transfer       bool     `yaml:"transfer"` // its phones may transfer (REFER) to what the fraud rules allow

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
	Allow       []string      `yaml:"allow"`
	Block       []string      `yaml:"block"`
	BlockTypes  []string      `yaml:"block_types"`
	PerDay      PerDay        `yaml:"per_day"`
	PerMinute   PerMinute     `yaml:"per_minute"`
	Concurrent  Concurrent    `yaml:"concurrent"`
	MaxRing     time.Duration `yaml:"max_ring"`
	MaxDuration time.Duration `yaml:"max_duration"`
	TimeZone    string        `yaml:"time_zone"`
}

// PerDay caps dials in one day.
type PerDay struct {
	Total  int `yaml:"total"`
	IP     int `yaml:"ip"`
	Room   int `yaml:"room"`
	Number int `yaml:"number"`
}

// PerMinute caps dials in one minute.
type PerMinute struct {
	IP int `yaml:"ip"`
}

// Concurrent caps calls that run at the same time.
type Concurrent struct {
	Total int `yaml:"total"`
	IP    int `yaml:"ip"`
}

// Links is about signed links.
type Links struct {
	Secret        string `yaml:"secret"`
	RequireSigned bool   `yaml:"require_signed"`
}
