package config

import (
	"cmp"
	"net"
	"time"
)

// Default returns the settings of an empty file. It has no keys and no
// trunks, so it is not enough to run with.
func Default() Config {
	return Config{
		DataDir: "./data",
		SFU: SFU{
			Listen:         "127.0.0.1:8080",
			PublicURL:      "http://localhost:8080",
			Media:          Media{UDPPort: 7882, TCPPort: 7882},
			BridgeURL:      "http://127.0.0.1:8090",
			LegListen:      "127.0.0.1:0",
			EmptyRoomGrace: 15 * time.Second,
			AddPhone:       true,
		},
		Bridge: Bridge{
			Listen:    "127.0.0.1:8090",
			SFUURL:    "http://127.0.0.1:8080",
			LegListen: "127.0.0.1:0",
			SIP:       SIP{UDP: "0.0.0.0:5060"},
			RTP:       RTP{Ports: "10000-19999", MinPort: 10000, MaxPort: 19999},
		},
		Fraud: Fraud{
			BlockTypes:  []string{"premium_rate", "shared_cost", "personal", "uan", "satellite"},
			PerDay:      PerDay{Total: 200, IP: 10, Room: 5, Number: 5},
			PerMinute:   PerMinute{IP: 3},
			Concurrent:  Concurrent{Total: 20, IP: 2},
			MaxRing:     60 * time.Second,
			MaxDuration: 2 * time.Hour,
			TimeZone:    "UTC",
		},
		Ledger: Ledger{Retention: 90 * 24 * time.Hour},
	}
}

// defaultTrunk is what a trunk is that says no more than its id and host.
func defaultTrunk() Trunk {
	return Trunk{
		Priority:   10,
		Enabled:    true,
		Transport:  "udp",
		ProbeEvery: 30 * time.Second,
		Prefixes:   []string{"+"},
		DialFormat: "e164",
		Codecs:     []string{"PCMA", "PCMU", "G722"},
		SRTP:       "off",
		MaxCalls:   10,
	}
}

// meet has the two processes look for each other where they listen, unless the
// file says where else. Where the port is any that is free, it has to.
func meet(d *decoder, c *Config) {
	def := Default()
	if !d.has("sfu.bridge_url") {
		c.SFU.BridgeURL = "http://" + cmp.Or(Here(c.Bridge.Listen), Here(def.Bridge.Listen))
	}
	if !d.has("bridge.sfu_url") {
		c.Bridge.SFUURL = c.SFU.Scheme() + cmp.Or(Here(c.SFU.Listen), Here(def.SFU.Listen))
	}
}

// Scheme is how the sfu is spoken with, "http://" or "https://".
func (s *SFU) Scheme() string {
	if s.TLS.Cert != "" {
		return "https://"
	}
	return "http://"
}

// Here returns where on this host somebody answers who listens at an address,
// "" when nobody knows: with port 0, or where it is no address.
func Here(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil || port == "0" {
		return ""
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
