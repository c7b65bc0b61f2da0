// Package scripts has no code of its own: it tests the files that lie here.
package scripts

import (
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"dialroom/shared/config"
)

const example = "dialroom.example.yaml"

func readExample(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// switchedOn is the example with every optional key switched on.
func switchedOn(t *testing.T) string {
	return regexp.MustCompile(`(?m)^(\s*)#(\S|  \S)`).ReplaceAllString(readExample(t), "$1$2")
}

func environment(name string) string { return "value of " + name + ", long enough" }

func TestTheExampleCanBeUsedAsItIs(t *testing.T) {
	c, err := config.Parse(example, []byte(readExample(t)), environment)
	if err != nil {
		t.Fatal(err)
	}
	// What it says about defaults is true.
	want := config.Default()
	want.Keys, want.Trunks, want.Fraud.Allow = c.Keys, c.Trunks, c.Fraud.Allow
	for _, same := range []struct {
		key       string
		got, want any
	}{{"data_dir", c.DataDir, want.DataDir}, {"bridge", c.Bridge, want.Bridge}, {"fraud.per_day", c.Fraud.PerDay, want.Fraud.PerDay},
		{"fraud.max_ring", c.Fraud.MaxRing, want.Fraud.MaxRing}, {"fraud.max_duration", c.Fraud.MaxDuration, want.Fraud.MaxDuration},
		{"sfu.listen", c.SFU.Listen, want.SFU.Listen}, {"sfu.media", c.SFU.Media, want.SFU.Media},
		{"sfu.leg_listen", c.SFU.LegListen, want.SFU.LegListen}, {"sfu.empty_room_grace", c.SFU.EmptyRoomGrace, want.SFU.EmptyRoomGrace}} {
		if !reflect.DeepEqual(same.got, same.want) {
			t.Errorf("%s is %+v, the default is %+v", same.key, same.got, same.want)
		}
	}
}

func TestTheExampleWantsItsSecrets(t *testing.T) {
	if _, err := config.Parse(example, []byte(readExample(t)), func(string) string { return "" }); err == nil {
		t.Error("it works without any secret")
	}
}

func TestWhatIsSwitchedOffIsOnlyNotSupportedYet(t *testing.T) {
	_, err := config.Parse(example, []byte(switchedOn(t)), environment)
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		t.Fatalf("got %v", err)
	}
	for _, err := range all.Unwrap() {
		var e *config.Error
		if !errors.As(err, &e) || e.Want != "not supported yet" {
			t.Error(err)
		}
	}
}

func TestTheExampleDocumentsEveryKey(t *testing.T) {
	var tree map[string]any
	if err := yaml.Unmarshal([]byte(switchedOn(t)), &tree); err != nil {
		t.Fatal(err)
	}
	missing(t, reflect.TypeFor[config.Config](), tree, "")
}

// missing reports the keys of a settings struct that a YAML value does not have.
func missing(t *testing.T, typ reflect.Type, value any, path string) {
	switch {
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
		list, _ := value.([]any)
		if len(list) == 0 {
			t.Errorf("%s: no example", path)
			return
		}
		missing(t, typ.Elem(), list[0], path+"[0]")
	case typ.Kind() == reflect.Struct:
		keys, _ := value.(map[string]any)
		for f := range typ.Fields() {
			key := f.Tag.Get("yaml")
			if key == "-" {
				continue
			}
			sub, ok := keys[key]
			at := strings.TrimPrefix(path+"."+key, ".")
			if !ok {
				t.Errorf("%s: not in the example", at)
				continue
			}
			missing(t, f.Type, sub, at)
		}
	}
}
