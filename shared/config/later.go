package config

import "fmt"

// refuseLater refuses what the software does not do yet. Every key of the
// settings is known from the start, so that no key ever changes from unknown
// to known or is read and not obeyed; a key leaves this file with its feature.
func refuseLater(d *decoder, c *Config) {
	later := func(key string, set bool) {
		if set {
			d.fail(key, "not supported yet")
		}
	}
	later("bridge.sip.tls", c.Bridge.SIP.TLS != "")
	later("bridge.sip.tls_cert", c.Bridge.SIP.TLSCert != "")
	later("bridge.sip.tls_key", c.Bridge.SIP.TLSKey != "")
	for i, t := range c.Trunks {
		at := fmt.Sprintf("trunks[%d]", i)
		later(at+".register", t.Register)
		later(at+".transport", t.Transport == "tls")
		later(at+".dial_format", t.DialFormat == "national")
		later(at+".srtp", t.SRTP == "optional" || t.SRTP == "required")
		later(at+".allowed_sources", len(t.AllowedSources) > 0)
		// G722 may stand in the list; alone it would leave nothing to offer.
		later(at+".codecs", len(t.Codecs) == 1 && t.Codecs[0] == "G722")
	}
	later("extensions", len(c.Extensions) > 0)
	later("numbers", len(c.Numbers) > 0)
}
