package main

import (
	"context"
	"net/netip"
	"time"

	"dialroom/bridge/call"
	"dialroom/bridge/reception"
	"dialroom/bridge/registrar"
	"dialroom/bridge/trunk"
	"dialroom/shared/config"
	"dialroom/shared/wire"
)

// This file puts together what is inside the house: the registered phones, the
// virtual numbers, and the front door.

// natEvery is how often a phone behind a NAT hears from us, so that the NAT
// does not forget it: well under the 30 s after which the hastiest do.
const natEvery = 20 * time.Second

// openDoor starts to take calls in. It comes last: everything else is running.
func (m *Main) openDoor(sfu reception.SFU, media netip.AddrPort) {
	m.registrar = registrar.New(registrar.Config{Now: m.clock.Now, Logger: m.log})
	m.desk = reception.New(reception.Config{
		Agent: m.agent, Trunks: m.trunks, Registrar: m.registrar, SFU: sfu, Media: media,
		Lease: m.control.Lease, Place: m.control.PlaceFor, Logger: m.log,
	})
	m.furnish(m.cfg)
	m.agent.Attend(m.desk)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.keepPathsOpen(ctx)
	}()
	m.later(func() {
		cancel()
		<-done
	})
}

// furnish puts extensions and numbers into use.
func (m *Main) furnish(cfg *config.Config) {
	m.registrar.Load(extensionsOf(cfg))
	m.desk.Load(linesOf(cfg))
}

// keepPathsOpen sends phones behind a NAT something now and then.
func (m *Main) keepPathsOpen(ctx context.Context) {
	tick := time.NewTicker(natEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, b := range m.registrar.BehindNAT() {
				m.agent.KeepOpen(b.Network, b.Source)
			}
		}
	}
}

// inside finds a number of the house (control.Config.Inside): the devices of
// an extension, or this bridge itself for a virtual number, where the call
// comes in again as one into the number's room.
func (m *Main) inside(number, room string) (devices []call.Target, as trunk.Trunk, inside bool) {
	as = trunk.Trunk{
		Enabled: true, Host: sipAddress(m.cfg.Bridge).String(), Transport: "udp", FromUser: "dialroom", FromDisplay: room,
		DialFormat: trunk.Plus, Codecs: []wire.Codec{wire.G722, wire.PCMA, wire.PCMU},
	}
	if _, ok := m.desk.Line(number); ok {
		return []call.Target{m.agent.Self(number)}, as, true
	}
	if _, ok := m.registrar.Has(number); !ok {
		return nil, trunk.Trunk{}, false
	}
	for _, b := range m.registrar.Bindings(number) {
		as.SRTP, as.NAT = reception.PhoneSRTP, true
		devices = append(devices, call.Target{URI: b.URI, Network: b.Network, Addr: b.Source})
	}
	return devices, as, true
}

func extensionsOf(cfg *config.Config) []registrar.Extension {
	var list []registrar.Extension
	for _, e := range cfg.Extensions {
		list = append(list, registrar.Extension{Number: e.Number, Password: e.Password, Name: e.Name})
	}
	return list
}

// linesOf makes the virtual numbers of the settings.
func linesOf(cfg *config.Config) map[string]call.Line {
	lines := make(map[string]call.Line, len(cfg.Numbers))
	for _, n := range cfg.Numbers {
		line := call.Line{Room: n.Room, PIN: n.PIN, Announce: n.Waiting == config.WaitingAnnounce, Wait: n.Wait}
		for _, c := range n.Rooms {
			if line.Rooms == nil {
				line.Rooms = make(map[string]string)
			}
			line.Rooms[c.Code] = c.Room
		}
		lines[n.Number] = line
	}
	return lines
}

// prefixesOf parses networks that the settings were checked for.
func prefixesOf(list []string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, s := range list {
		if p, err := netip.ParsePrefix(s); err == nil {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes
}
