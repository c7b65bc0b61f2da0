package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"

	"dialroom/sfu/dial"
	"dialroom/sfu/fraud"
	"dialroom/sfu/room"
	"dialroom/shared/config"
)

// turnLife is how long TURN credentials are good: longer than a day of calls,
// because a page gets them once.
const turnLife = 24 * time.Hour

// policyOf makes FraudGuard's rules and the limits of a call.
func policyOf(c *config.Config) (dial.Policy, error) {
	var carried []string
	for _, t := range c.Trunks {
		if t.Enabled {
			carried = append(carried, t.Prefixes...)
		}
	}
	for _, e := range c.Extensions {
		carried = append(carried, e.Number) // our own desk phones
	}
	rules, err := fraud.New(fraud.Settings{Allow: c.Fraud.Allow, Carried: carried})
	if err != nil {
		return dial.Policy{}, fmt.Errorf("fraud: %w", err)
	}
	return dial.Policy{Rules: rules, MaxRing: c.Fraud.MaxRing, MaxDuration: c.Fraud.MaxDuration, Numbers: numbersOf(c)}, nil
}

// numbersOf returns the virtual numbers and their rooms, "" where the caller chooses.
func numbersOf(c *config.Config) map[string]string {
	numbers := make(map[string]string, len(c.Numbers))
	for _, n := range c.Numbers {
		numbers[n.Number] = n.Room
	}
	return numbers
}

// checkFiles checks what the settings only name: the certificate, and the
// rules as FraudGuard reads them.
func checkFiles(c *config.Config) error {
	if c.SFU.TLS.Cert != "" {
		if _, err := tls.LoadX509KeyPair(c.SFU.TLS.Cert, c.SFU.TLS.Key); err != nil {
			return fmt.Errorf("sfu.tls: %w", err)
		}
	}
	_, err := policyOf(c)
	return err
}

// loadCertificate puts the certificate into use for the connections to come.
func (m *Main) loadCertificate(c config.TLS) error {
	if c.Cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return fmt.Errorf("sfu.tls: %w", err)
	}
	m.certificate.Store(&pair)
	return nil
}

// Reload reads the settings again and puts those into use that can change
// while calls run. With a broken file everything stays as it was.
func (m *Main) Reload() {
	next, err := config.Load(m.path)
	if err == nil {
		err = checkFiles(next)
	}
	var policy dial.Policy
	if err == nil {
		policy, err = policyOf(next)
	}
	if err == nil && next.SFU.TLS == m.cfg.SFU.TLS {
		err = m.loadCertificate(next.SFU.TLS)
	}
	if err != nil {
		m.log.Error("settings not reloaded, the old ones stay", "errors", strings.Split(err.Error(), "\n"))
		return
	}
	m.dial.SetPolicy(policy)
	if keys := needRestart(m.cfg, next); len(keys) > 0 {
		m.log.Warn("these changes of the settings need a restart", "keys", keys)
	}
	m.cfg.Trunks, m.cfg.Fraud = next.Trunks, next.Fraud
	m.cfg.Numbers, m.cfg.Extensions = next.Numbers, next.Extensions
	m.log.Info("settings reloaded", "trunks", len(next.Trunks), "allow", len(next.Fraud.Allow))
}

// needRestart names what differs and is not put into use by a reload. What
// only the bridge goes by is not the sfu's to say.
func needRestart(old, next *config.Config) []string {
	var keys []string
	for _, c := range []struct {
		key  string
		a, b any
	}{
		{"data_dir", old.DataDir, next.DataDir},
		{"keys", old.Keys, next.Keys},
	} {
		if !reflect.DeepEqual(c.a, c.b) {
			keys = append(keys, c.key)
		}
	}
	a, b := reflect.ValueOf(old.SFU), reflect.ValueOf(next.SFU)
	for i := range a.NumField() {
		if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			keys = append(keys, "sfu."+a.Type().Field(i).Tag.Get("yaml"))
		}
	}
	return keys
}

// iceServers returns the TURN server with credentials that expire: a user name
// that begins with the time, and its HMAC-SHA1 as the password. This is the
// "REST API for access to TURN services" (draft-uberti-behave-turn-rest-00 §2.2),
// which TURN servers know as a shared secret.
func iceServers(turn config.TURN, now time.Time) []room.ICEServer {
	if turn.URL == "" {
		return nil
	}
	user := strconv.FormatInt(now.Add(turnLife).Unix(), 10) + ":dialroom"
	h := hmac.New(sha1.New, []byte(turn.Secret))
	h.Write([]byte(user))
	return []room.ICEServer{{URLs: []string{turn.URL}, Username: user, Credential: base64.StdEncoding.EncodeToString(h.Sum(nil))}}
}

// hasIPv6 reports whether the host has IPv6 at all.
func hasIPv6() bool {
	c, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv6Loopback(), 0)))
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
