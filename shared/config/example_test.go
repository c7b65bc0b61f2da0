package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// The example documents every key, at its default unless that is not possible.
func TestTheExampleNamesEveryKeyAndSaysTheDefaults(t *testing.T) {
	src, err := os.ReadFile("../../scripts/dialroom.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := Parse("dialroom.example.yaml", src, func(name string) string { return "secret of " + name })
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Keys = []Key{
		{ID: "sfu", Role: "sfu", Secret: "secret of DIALROOM_SFU_SECRET"},
		{ID: "bridge", Role: "bridge", Secret: "secret of DIALROOM_BRIDGE_SECRET"},
		{ID: "crm", Role: "script", Secret: "secret of DIALROOM_CRM_SECRET"},
	}
	want.Keys[2].Allow = []string{}
	want.SFU.APIKeys = []APIKey{{ID: "ops", Key: "secret of DIALROOM_API_KEY"}}
	trunk := defaultTrunk()
	trunk.ID, trunk.Name, trunk.Host, trunk.CallerID = "tr_4194b9eab3de", "main carrier", "sip.example.net", "+4930123456"
	trunk.AllowedSources, trunk.AllowedPrefixes, trunk.Rewrite = []string{}, []string{}, []Rewrite{}
	want.Fraud.Rates = []Rate{}
	want.Trunks = []Trunk{trunk}
	for _, list := range []*[]string{&want.SFU.AllowedOrigins, &want.SFU.EmbedOrigins, &want.SFU.TrustedProxies, &want.Fraud.Allow, &want.Fraud.Block} {
		*list = []string{}
	}
	cfg.places = places{}
	if !reflect.DeepEqual(*cfg, want) {
		t.Errorf("got  %+v\nwant %+v", *cfg, want)
	}
	for _, key := range allKeys(reflect.TypeFor[Config]()) {
		if !strings.Contains(string(src), key+":") {
			t.Errorf("the key %s is not in the example", key)
		}
	}
}

// allKeys lists the names of all keys, at any depth.
func allKeys(t reflect.Type) []string {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var keys []string
	for f := range t.Fields() {
		if name := f.Tag.Get("yaml"); name != "-" {
			keys = append(append(keys, name), allKeys(f.Type)...)
		}
	}
	return keys
}
