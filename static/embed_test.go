package static

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// pages is every page there is; each of them has everything it needs.
var pages = []string{"index.html", "room.html", "links.html", "docs/index.html", "docs/links.html", "docs/scripts.html",
	"docs/settings.html", "docs/protocol.html", "docs/production.html"}

// files returns what is served, by path, the pages with what surrounds them.
func files(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(Files, name)
		if path.Ext(name) == ".html" {
			text = Sent(name, text)
		}
		all[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestOnlyWhatPagesLoadIsServed(t *testing.T) {
	for name := range files(t) {
		switch ext, dir := path.Ext(name), path.Dir(name); {
		case ext == ".html" && (dir == "." || dir == "docs"):
		case (ext == ".css" || ext == ".svg") && dir == ".":
		case ext == ".js" && (dir == "js" || dir == "js/texts") && !strings.HasSuffix(name, ".test.js"):
		default:
			t.Errorf("%s is served", name)
		}
	}
}

// The pages are sent compressed; a phone on a bad network loads the room in a second or two.
func TestTheRoomWeighsLessThan120KB(t *testing.T) {
	const limit = 120 << 10
	all := files(t)
	plain, sent := 0, 0
	for name := range load(t, all, "room.html") {
		plain += len(all[name])
		sent += compressed(t, string(Sent(name, []byte(all[name]))))
	}
	t.Logf("room.html and everything it loads: %d bytes, %d as gzip", plain, sent)
	if sent > limit {
		t.Errorf("room.html and everything it loads: %d bytes as gzip, want at most %d", sent, limit)
	}
}

// compressed is how many bytes a text has as gzip.
func compressed(t *testing.T, text string) int {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Len()
}

var (
	// loaded is what a page loads, whether a person follows its links or not.
	loaded = regexp.MustCompile(`<(?:link|script|img|source)\s[^>]*?(?:href|src|srcset)="([^"]+)"`)
	// led is where a page leads.
	led = regexp.MustCompile(`<a\s[^>]*?href="([^"]+)"`)
	// imported is a static import, and a dynamic one as soon as it is needed.
	imported = regexp.MustCompile(`(?m)^import [^;]*?"(\./[^"]+)";|^\} from "(\./[^"]+)";|\bimport\("(\./[^"]+)"\)`)
)

// load follows links and imports, also those made only when needed, from a page
// and returns all files it may load.
func load(t *testing.T, all map[string]string, page string) map[string]bool {
	t.Helper()
	seen := make(map[string]bool)
	var visit func(name, by string)
	visit = func(name, by string) {
		if seen[name] {
			return
		}
		text, ok := all[name]
		if !ok {
			t.Errorf("%s is needed by %s and is not served", name, by)
			return
		}
		seen[name] = true
		switch path.Ext(name) {
		case ".html":
			for _, m := range loaded.FindAllStringSubmatch(text, -1) {
				visit(path.Join(path.Dir(name), m[1]), name)
			}
		case ".js":
			for _, m := range imported.FindAllStringSubmatch(text, -1) {
				visit(path.Join(path.Dir(name), m[1]+m[2]+m[3]), name)
			}
		}
	}
	visit(page, "a visitor")
	return seen
}

func TestEveryFileIsLoadedBySomePage(t *testing.T) {
	all := files(t)
	needed := make(map[string]bool)
	for _, page := range pages {
		for name := range load(t, all, page) {
			needed[name] = true
		}
	}
	for name := range all {
		if !needed[name] {
			t.Errorf("%s is served and no page loads it", name)
		}
	}
}

// outside is what the server answers and is not a file.
var outside = map[string]bool{"/api/v1/openapi.json": true}

// A link between pages leads to one that is there, and to a place that is on it.
func TestNoLinkOfAPageIsDead(t *testing.T) {
	all := files(t)
	for _, page := range pages {
		for _, m := range led.FindAllStringSubmatch(all[page], -1) {
			target, place, _ := strings.Cut(strings.ReplaceAll(m[1], "&amp;", "&"), "#")
			target, _, _ = strings.Cut(target, "?")
			if outside[target] {
				continue
			}
			name := page
			if target != "" {
				name = path.Join(path.Dir(page), target)
				if strings.HasSuffix(target, "/") {
					name = path.Join(name, "index.html")
				}
			}
			text, ok := all[name]
			if !ok {
				t.Errorf("%s leads to %s, which is not there", page, m[1])
			} else if place != "" && !strings.Contains(text, `id="`+place+`"`) {
				t.Errorf("%s leads to %s, which has no such place", page, m[1])
			}
		}
	}
}

// What the content security policy forbids would fail silently in a browser.
func TestNothingInTheFilesNeedsALaxPolicy(t *testing.T) {
	forbidden := []struct {
		why     string
		ext     string
		pattern *regexp.Regexp
	}{
		{"an inline script", ".html", regexp.MustCompile(`<script(?:\s[^>]*)?>[^<]`)},
		{"an inline style", ".html", regexp.MustCompile(`<style|<[^>]*\sstyle=`)},
		{"an inline handler", ".html", regexp.MustCompile(`<[^>]*\son[a-z]+=`)},
		{"something from another site", ".html", regexp.MustCompile(`<[^>]*(?:href|src)="(?:https?:)?//`)},
		{"a side that is the wrong one from right to left", ".css", regexp.MustCompile(`(?m)(?:^|[;{\s])(?:margin-|padding-|border-)?(?:left|right)\s*:|text-align:\s*(?:left|right)\b`)},
		{"something from another site", ".css", regexp.MustCompile(`url\(|@import`)},
		{"something from another site", ".js", regexp.MustCompile(`["'](?:https?:)?//[a-z]`)},
		{"markup out of text", ".js", regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment`)},
		{"code out of text", ".js", regexp.MustCompile(`\beval\(|new Function\(`)},
		{"an inline style", ".js", regexp.MustCompile(`setAttribute\("style"|cssText`)},
	}
	for name, text := range files(t) {
		for _, f := range forbidden {
			if path.Ext(name) == f.ext && f.pattern.MatchString(strings.ReplaceAll(text, `"http://www.w3.org/2000/svg"`, "")) {
				t.Errorf("%s has %s: %q", name, f.why, f.pattern.FindString(text))
			}
		}
	}
}

func TestNoFileIsLongerThan400Lines(t *testing.T) {
	for name, text := range files(t) {
		if n := strings.Count(text, "\n"); n >= 400 {
			t.Errorf("%s has %d lines", name, n)
		}
	}
}
