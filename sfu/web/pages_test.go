package web

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

// docsSite has a page worth compressing, a folder with a page, and a picture.
func docsSite(t *testing.T, change ...func(*Config)) *site {
	t.Helper()
	return newSite(t, func(c *Config) {
		c.Files = fstest.MapFS{
			"index.html":      {Data: []byte("<title>landing</title>")},
			"room.html":       {Data: []byte("<title>room</title>" + strings.Repeat("<p>all the same</p>", 200))},
			"docs/index.html": {Data: []byte("<title>docs</title>")},
			"docs/links.html": {Data: []byte("<title>links</title>")},
			"room.png":        {Data: bytes.Repeat([]byte("not compressed"), 200)},
		}
		for _, f := range change {
			f(c)
		}
	})
}

func TestPagesAreSentCompressedToWhoTakesThat(t *testing.T) {
	st := docsSite(t)
	plain, whole := st.do(t, "GET", "/room.html", http.Header{"Accept-Encoding": {"identity"}})
	if plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("plain: %v", plain.Header)
	}
	for _, field := range []string{"gzip", "gzip, deflate, br, zstd", "br;q=1.0, GZIP;q=0.8", "*", "deflate, *;q=0.5", "x-gzip"} {
		resp, body := st.do(t, "GET", "/room.html", http.Header{"Accept-Encoding": {field}})
		if resp.Header.Get("Content-Encoding") != "gzip" || resp.Header.Get("Vary") != "Accept-Encoding" || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %v", field, resp.Header)
			continue
		}
		if resp.Header.Get("Etag") == plain.Header.Get("Etag") {
			t.Errorf("%s: both forms have one ETag", field)
		}
		r, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != whole || len(body) >= len(whole) {
			t.Errorf("%s: %d bytes for %d, %v", field, len(body), len(whole), err)
		}
		head, _ := st.do(t, "HEAD", "/room.html", http.Header{"Accept-Encoding": {field}})
		if head.ContentLength != int64(len(body)) || head.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("HEAD with %s: %d bytes, %v", field, head.ContentLength, head.Header)
		}
	}
	for _, field := range []string{"", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "gzip;q=nonsense", "gzippy"} {
		if resp, body := st.do(t, "GET", "/room.html", http.Header{"Accept-Encoding": {field}}); resp.Header.Get("Content-Encoding") != "" || body != whole {
			t.Errorf("%q: %v", field, resp.Header)
		}
	}
}

func TestEachFormOfAPageIsKnownByItsOwnETag(t *testing.T) {
	st := docsSite(t)
	tags := map[string]string{}
	for _, encoding := range []string{"identity", "gzip"} {
		resp, _ := st.do(t, "GET", "/room.html", http.Header{"Accept-Encoding": {encoding}})
		tags[encoding] = resp.Header.Get("Etag")
	}
	for wanted, tag := range tags {
		for had, old := range tags {
			resp, body := st.do(t, "GET", "/room.html", http.Header{"Accept-Encoding": {wanted}, "If-None-Match": {old}})
			if same := wanted == had; same != (resp.StatusCode == 304) || same != (body == "") || resp.Header.Get("Etag") != tag || resp.Header.Get("Vary") == "" {
				t.Errorf("wanted %s, had %s: %d %v", wanted, had, resp.StatusCode, resp.Header)
			}
		}
	}
}

func TestWhatIsSmallOrCompressedAlreadyIsSentAsItIs(t *testing.T) {
	st := docsSite(t)
	for _, path := range []string{"/", "/room.png"} {
		resp, _ := st.do(t, "GET", path, http.Header{"Accept-Encoding": {"gzip"}})
		if resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("Vary") != "" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
}

func TestAFolderHasAPageOfItsOwn(t *testing.T) {
	st := docsSite(t)
	for _, path := range []string{"/docs/", "/docs/?x=1", "/docs/index.html"} {
		if resp, body := st.do(t, "GET", path, nil); resp.StatusCode != 200 || body != "<title>docs</title>" {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
	}
	for path, want := range map[string]string{"/docs": "/docs/", "/docs?x=%2B1&y": "/docs/?x=%2B1&y"} {
		for _, method := range []string{"GET", "HEAD"} {
			if resp, _ := st.do(t, method, path, nil); resp.StatusCode != 308 || resp.Header.Get("Location") != want {
				t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, resp.Header.Get("Location"))
			}
		}
	}
	if resp, body := st.do(t, "GET", "/docs/links.html", nil); resp.StatusCode != 200 || body != "<title>links</title>" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}

func TestOnlyTheNamedSitesMayEmbedTheRoomAndNothingElse(t *testing.T) {
	ancestors := func(st *site, path string) string {
		resp, _ := st.do(t, "GET", path, nil)
		_, after, _ := strings.Cut(resp.Header.Get("Content-Security-Policy"), "frame-ancestors ")
		return after
	}
	open := docsSite(t, func(c *Config) { c.EmbedOrigins = []string{"https://crm.example.com", "https://CRM.example.org:443"} })
	if got := ancestors(open, "/room.html?room=x"); got != "https://crm.example.com https://crm.example.org" {
		t.Errorf("the room: %s", got)
	}
	for _, path := range []string{"/", "/docs/", "/nothing", "/qr.svg?text=x"} {
		if got := ancestors(open, path); got != "'none'" {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := ancestors(docsSite(t), "/room.html"); got != "'none'" {
		t.Errorf("without a setting: %s", got)
	}
}
