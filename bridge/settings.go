package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"

	"dialroom/bridge/trunk"
	"dialroom/shared/config"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// checkTransports makes sure that every trunk's transport is listened on: the
// far end sends its requests where Contact says.
func checkTransports(cfg *config.Config) error {
	listens := map[string]string{"udp": cfg.Bridge.SIP.UDP, "tcp": cfg.Bridge.SIP.TCP, "tls": cfg.Bridge.SIP.TLS}
	var wrong []error
	for i, t := range cfg.Trunks {
		if t.Enabled && listens[t.Transport] == "" {
			wrong = append(wrong, cfg.Fail(fmt.Sprintf("trunks[%d].transport", i), "expected bridge.sip.%s to be set for the trunk %s", t.Transport, t.ID))
		}
	}
	return errors.Join(wrong...)
}

// trunksOf makes the trunks of the settings.
func trunksOf(cfg *config.Config) []trunk.Trunk {
	trunks := make([]trunk.Trunk, 0, len(cfg.Trunks))
	for _, t := range cfg.Trunks {
		trunks = append(trunks, trunk.Trunk{
			ID: t.ID, Name: t.Name, Priority: t.Priority, Enabled: t.Enabled,
			Host: t.Host, Proxy: t.OutboundProxy, Transport: t.Transport, Username: t.Username, Password: t.Password,
			Register: t.Register, ProbeEvery: t.ProbeEvery, Private: t.HideCallerID, Rules: rulesOf(t.Rewrite),
			FromUser: t.From.User, FromHost: t.From.Host, FromDisplay: t.From.Display, CallerID: t.CallerID,
			Prefixes: t.Prefixes, DialFormat: t.DialFormat, Codecs: codecsOf(t.Codecs), MaxCalls: t.MaxCalls, MaxIn: int(t.MaxCallsIn), MaxOut: int(t.MaxCallsOut),
			PerMinute: int(t.PerMinute), AllowedPrefixes: t.AllowedPrefixes, MaxDuration: t.MaxDuration,
			SRTP: t.SRTP, NAT: t.NAT,
			Sources: prefixesOf(t.AllowedSources), Transfer: t.Transfer,
		})
	}
	return trunks
}

func rulesOf(list []config.Rewrite) []trunk.Rule {
	var rules []trunk.Rule
	for _, r := range list {
		rules = append(rules, trunk.Rule{From: r.From, To: r.To})
	}
	return rules
}

// codecsOf names the codecs as the calls do.
func codecsOf(names []string) []wire.Codec {
	var codecs []wire.Codec
	for _, name := range names {
		codecs = append(codecs, wire.Codec(name))
	}
	return codecs
}

func signKeys(keys []config.Key) []sign.Key {
	list := make([]sign.Key, 0, len(keys))
	for _, k := range keys {
		list = append(list, sign.Key{ID: k.ID, Role: k.Role, Secret: []byte(k.Secret)})
	}
	return list
}

// bridgeKey is the key this process signs with: the first of its role. The
// second is there to be accepted while keys are rotated.
func bridgeKey(keys []sign.Key) sign.Key {
	for _, k := range keys {
		if k.Role == sign.RoleBridge {
			return k
		}
	}
	return sign.Key{} // the settings have been checked for one
}

// needRestart names what differs and is not put into use by Reload. What only
// the sfu goes by is not the bridge's to say.
func needRestart(old, next *config.Config) []string {
	var keys []string
	if old.DataDir != next.DataDir {
		keys = append(keys, "data_dir")
	}
	if !reflect.DeepEqual(old.Keys, next.Keys) {
		keys = append(keys, "keys")
	}
	was, is := reflect.ValueOf(old.Bridge), reflect.ValueOf(next.Bridge)
	for i := range was.NumField() {
		if !was.Field(i).Equal(is.Field(i)) {
			keys = append(keys, "bridge."+was.Type().Field(i).Tag.Get("yaml"))
		}
	}
	return keys
}

// listenIP is the address that SIP listens on; unspecified when it is all of
// them.
func listenIP(b config.Bridge) netip.Addr {
	for _, listen := range []string{b.SIP.UDP, b.SIP.TCP, b.SIP.TLS} {
		if listen == "" {
			continue
		}
		host, _, err := net.SplitHostPort(listen)
		if err != nil {
			continue
		}
		if ip, err := netip.ParseAddr(host); err == nil {
			return ip.Unmap()
		}
	}
	return netip.IPv4Unspecified()
}

// sipAddress is the address that Via and Contact name: the one of the
// settings, or the one SIP listens on, or that of the default route.
func sipAddress(b config.Bridge) netip.Addr {
	if ip, err := netip.ParseAddr(b.SIP.PublicIP); err == nil {
		return ip.Unmap()
	}
	ip := listenIP(b)
	if ip.IsUnspecified() {
		return routeIP(ip)
	}
	return ip
}

// sipByRoute reports whether sipAddress is but a guess: every address is
// listened on, and none is set.
func sipByRoute(b config.Bridge) bool { return b.SIP.PublicIP == "" && listenIP(b).IsUnspecified() }

// bindAddress is where phone-side RTP is received: where SIP is.
func bindAddress(b config.Bridge) netip.Addr { return listenIP(b) }

// rtpAddress is the address that SDP names: the one of the settings, or the
// same as SIP's.
func rtpAddress(b config.Bridge) netip.Addr {
	if ip, err := netip.ParseAddr(b.RTP.PublicIP); err == nil {
		return ip.Unmap()
	}
	return sipAddress(b)
}

// rtpByRoute reports whether rtpAddress is but a guess.
func rtpByRoute(b config.Bridge) bool { return b.RTP.PublicIP == "" && sipByRoute(b) }

// routeIP is this host's address on its default route, or its loopback
// address when it has none. Nothing is sent to find out.
func routeIP(family netip.Addr) netip.Addr {
	network, anybody, loopback := "udp4", "192.0.2.1:9", netip.MustParseAddr("127.0.0.1") // RFC 5737
	if family.Is6() {
		network, anybody, loopback = "udp6", "[2001:db8::1]:9", netip.IPv6Loopback() // RFC 3849
	}
	conn, err := net.Dial(network, anybody)
	if err != nil {
		return loopback
	}
	defer func() { _ = conn.Close() }()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}
