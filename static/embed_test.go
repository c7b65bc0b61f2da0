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

// files returns what is served, by path.
func files(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := fs.WalkDir(Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(Files, name)
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
		switch ext := path.Ext(name); {
		case ext == ".html", ext == ".css", ext == ".svg":
		case ext == ".js" && (path.Dir(name) == "js" || path.Dir(name) == "js/texts") && !strings.HasSuffix(name, ".test.js"):
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
		sent += compressed(t, all[name])
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
	linked   = regexp.MustCompile(`(?:href|src)="([^"#]+)"`)
	imported = regexp.MustCompile(`(?m)^import [^;]*?"(\./[^"]+)";|^\} from "(\./[^"]+)";|\bimport\("(\./[^"]+)"\)`)
)

// load follows links and imports, also those made only when needed, from a page
// and returns all files it may load.
func load(t *testing.T, all map[string]string, page string) map[string]bool {
	t.Helper()
	seen := make(map[string]bool)
	var visit func(name string)
	visit = func(name string) {
		if seen[name] {
			return
		}
		text, ok := all[name]
		if !ok {
			t.Errorf("%s is needed by %s and is not served", name, page)
			return
		}
		seen[name] = true
		switch path.Ext(name) {
		case ".html":
			for _, m := range linked.FindAllStringSubmatch(text, -1) {
				if m[1] != "./" {
					visit(m[1])
				}
			}
		case ".js":
			for _, m := range imported.FindAllStringSubmatch(text, -1) {
				visit(path.Join(path.Dir(name), m[1]+m[2]+m[3]))
			}
		}
	}
	visit(page)
	return seen
}

func TestEveryFileIsLoadedBySomePage(t *testing.T) {
	all := files(t)
	needed := load(t, all, "index.html")
	for name := range load(t, all, "room.html") {
		needed[name] = true
	}
	needed["room.html"] = true
	for name := range all {
		if !needed[name] {
			t.Errorf("%s is served and no page loads it", name)
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
		{"an inline style", ".html", regexp.MustCompile(`<style|\sstyle=`)},
		{"an inline handler", ".html", regexp.MustCompile(`\son[a-z]+=`)},
		{"something from another site", ".html", regexp.MustCompile(`(?:href|src)="(?:https?:)?//`)},
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
