package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"dialroom/sfu/dial"
	"dialroom/sfu/fraud"
	"dialroom/sfu/room"
	"dialroom/shared/config"
	"dialroom/shared/sign"
)

// turnLife is how long TURN credentials are good: longer than a day of calls,
// because a page gets them once.
const turnLife = 24 * time.Hour

// policyOf makes FraudGuard's rules and the limits of a call.
func policyOf(c *config.Config) (dial.Policy, error) {
	rates, err := ratesOf(c.Fraud)
	if err != nil {
		return dial.Policy{}, c.Fail("fraud.rates_file", "expected a readable CSV of prices: %v", err)
	}
	f := c.Fraud
	s := fraud.Settings{Allow: f.Allow, Block: f.Block, BlockTypes: f.BlockTypes,
		PerDay: fraud.PerDay{Total: int(f.PerDay.Total), IP: int(f.PerDay.IP), Room: int(f.PerDay.Room), Number: int(f.PerDay.Number),
			Key: int(f.PerDay.Key), Minutes: float64(f.PerDay.Minutes), Spend: float64(f.PerDay.Spend)},
		PerMinute:  fraud.PerMinute{IP: int(f.PerMinute.IP)},
		Concurrent: fraud.Concurrent{Total: int(f.Concurrent.Total), IP: int(f.Concurrent.IP)},
		Keys:       map[string]fraud.Key{}, Rates: rates,
		MaxDuration: f.MaxDuration, TimeZone: f.TimeZone, HomeRegion: f.HomeRegion, RequireSigned: c.Links.RequireSigned}
	for _, t := range c.Trunks {
		if t.Enabled {
			s.Carried = append(s.Carried, t.Prefixes...)
		}
	}
	for _, n := range c.Numbers {
		s.Own = append(s.Own, n.Number)
	}
	for _, k := range c.Keys {
		if k.Role == sign.RoleScript {
			s.Keys[k.ID] = fraud.Key{Allow: k.Allow, PerDay: int(k.PerDay), PerMinute: int(k.PerMinute), Concurrent: int(k.Concurrent)}
		}
	}
	for _, e := range c.Extensions {
		s.Carried = append(s.Carried, e.Number) // our own desk phones
	}
	rules, err := fraud.New(s)
	if err != nil {
		return dial.Policy{}, c.Fail("fraud", "expected rules that go together: %v", err)
	}
	return dial.Policy{Rules: rules, MaxRing: f.MaxRing, HomeRegion: f.HomeRegion, Numbers: numbersOf(c),
		AddPhone: c.SFU.AddPhone && !c.Links.RequireSigned}, nil
}

// ratesOf returns the prices of the settings and of the file they name.
func ratesOf(f config.Fraud) ([]fraud.Rate, error) {
	var rates []fraud.Rate
	for _, r := range f.Rates {
		rates = append(rates, fraud.Rate{Prefix: r.Prefix, PerMinute: r.PerMinute, Currency: r.Currency})
	}
	if f.RatesFile == "" {
		return rates, nil
	}
	file, err := os.Open(f.RatesFile)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	more, err := fraud.ReadRates(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.RatesFile, err)
	}
	return append(rates, more...), nil
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
			return c.Fail("sfu.tls", "expected a certificate and its key: %v", err)
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
// while calls run. With a broken file everything stays as it was; but when it is
// the rules that cannot be read, nobody knows what an operator wanted to close,
// and no call is placed until a reload can read them.
func (m *Main) Reload() {
	next, err := config.Load(m.path)
	broken := err != nil && hidesRules(err)
	var policy dial.Policy
	if err == nil {
		policy, err = policyOf(next)
		broken = err != nil
	}
	if err == nil {
		err = checkFiles(next)
	}
	if err == nil && next.SFU.TLS == m.cfg.SFU.TLS {
		err = m.loadCertificate(next.SFU.TLS)
	}
	if err != nil {
		m.log.Error("settings not reloaded, the old ones stay", "errors", strings.Split(err.Error(), "\n"))
		if broken {
			m.log.Error("the rules cannot be read, no call is placed until they are reloaded")
			m.noRules.Store(true)
			m.dial.SetPolicy(dial.Policy{})
		}
		return
	}
	m.dial.SetPolicy(policy)
	m.noRules.Store(false)
	m.requireToJoin.Store(next.Links.RequireToJoin)
	if keys := needRestart(m.cfg, next); len(keys) > 0 {
		m.log.Warn("these changes of the settings need a restart", "keys", keys)
	}
	m.cfg.SFU.AddPhone = next.SFU.AddPhone
	m.cfg.Trunks, m.cfg.Numbers, m.cfg.Fraud, m.cfg.Extensions = next.Trunks, next.Numbers, next.Fraud, next.Extensions
	m.log.Info("settings reloaded", "trunks", len(next.Trunks), "allow", len(next.Fraud.Allow))
}

// hidesRules reports whether an error of the settings leaves open what may be
// dialled: the file cannot be read at all, or the error is in what the rules are
// made of.
func hidesRules(err error) bool {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return slices.ContainsFunc(many.Unwrap(), hidesRules)
	}
	var one *config.Error
	if !errors.As(err, &one) || one.Key == "" {
		return true
	}
	part, _, _ := strings.Cut(one.Key, ".")
	part, _, _ = strings.Cut(part, "[")
	return slices.Contains([]string{"fraud", "links", "keys", "trunks", "numbers"}, part)
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
		{"keys", secretsOf(old.Keys), secretsOf(next.Keys)},
		{"ledger", old.Ledger, next.Ledger},
		{"links.secret", old.Links.Secret, next.Links.Secret},
	} {
		if !reflect.DeepEqual(c.a, c.b) {
			keys = append(keys, c.key)
		}
	}
	a, b := reflect.ValueOf(old.SFU), reflect.ValueOf(next.SFU)
	for i := range a.NumField() {
		key := a.Type().Field(i).Tag.Get("yaml")
		if key != "add_phone" && !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
			keys = append(keys, "sfu."+key)
		}
	}
	return keys
}

// secretsOf are the keys without their limits, which are rules.
func secretsOf(keys []config.Key) []config.Key {
	var list []config.Key
	for _, k := range keys {
		list = append(list, config.Key{ID: k.ID, Role: k.Role, Secret: k.Secret})
	}
	return list
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
