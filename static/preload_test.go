package static

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	preloaded = regexp.MustCompile(`<link rel="modulepreload" href="([^"]+)">`)
	started   = regexp.MustCompile(`<script type="module" src="([^"]+)">`)
	// needed is an import without which a module does not run.
	needed = regexp.MustCompile(`(?m)^import [^;]*?"(\./[^"]+)";|^\} from "(\./[^"]+)";`)
)

// Without a preload a browser hears of a module only when it has read the one
// that imports it: a round trip for each step of the way, on a click to a call.
func TestTheRoomPreloadsEveryModuleItRunsWith(t *testing.T) {
	all := files(t)
	page := all["room.html"]
	want := make(map[string]bool)
	var visit func(name string)
	visit = func(name string) {
		if want[name] {
			return
		}
		want[name] = true
		for _, m := range needed.FindAllStringSubmatch(all[name], -1) {
			visit(path.Join(path.Dir(name), m[1]+m[2]))
		}
	}
	for _, m := range started.FindAllStringSubmatch(page, -1) {
		visit(m[1])
		delete(want, m[1]) // the page loads it itself
	}
	have := make(map[string]bool)
	for _, m := range preloaded.FindAllStringSubmatch(page, -1) {
		if have[m[1]] {
			t.Errorf("%s is preloaded twice", m[1])
		}
		have[m[1]] = true
		if !want[m[1]] {
			t.Errorf("%s is preloaded and not needed", m[1])
		}
	}
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !have[name] {
			missing = append(missing, `  <link rel="modulepreload" href="`+name+`">`)
		}
	}
	if len(missing) > 0 {
		t.Errorf("the head of room.html lacks:\n%s", strings.Join(missing, "\n"))
	}
}
