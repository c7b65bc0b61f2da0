package config

import (
	"reflect"
	"slices"
)

// refuseLater refuses what the software does not do yet. Every key of the
// settings is known from the start, so that no key ever changes from unknown
// to known or is read and not obeyed; a key leaves this file with its feature.
func refuseLater(d *decoder, c *Config) {
	later := func(key string, set bool) {
		if set {
			d.fail(key, "not supported yet")
		}
	}
	later("sfu.api_keys", len(c.SFU.APIKeys) > 0)

	f, standard := c.Fraud, Default().Fraud
	later("fraud.block", len(f.Block) > 0)
	later("fraud.block_types", !slices.Equal(f.BlockTypes, standard.BlockTypes))
	for _, caps := range []struct {
		key       string
		got, want any
	}{
		{"fraud.per_day", f.PerDay, standard.PerDay},
		{"fraud.per_minute", f.PerMinute, standard.PerMinute},
		{"fraud.concurrent", f.Concurrent, standard.Concurrent},
	} {
		got, want := reflect.ValueOf(caps.got), reflect.ValueOf(caps.want)
		for i := range got.NumField() {
			later(caps.key+"."+got.Type().Field(i).Tag.Get("yaml"), !got.Field(i).Equal(want.Field(i)))
		}
	}
	// A day begins only for the daily caps.
	later("fraud.time_zone", f.TimeZone != standard.TimeZone)
	later("links.secret", c.Links.Secret != "")
	later("links.require_signed", c.Links.RequireSigned)
}
