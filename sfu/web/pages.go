package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/static"
)

// page is one file, ready to be sent.
type page struct {
	path        string // of the URL
	contentType string
	policy      string // Content-Security-Policy; "" is that of every answer
	plain       form
	gzip        form // without a body when it would not be smaller
}

// form is one representation of a page. Each has an ETag of its own, so that
// no cache takes the one for the other (RFC 9110 §8.8.3.3).
type form struct {
	etag string
	body []byte
}

// worthCompressing is the size below which gzip's own header eats what it saves, in bytes.
const worthCompressing = 200

// loadPages reads all files. They are small, and never change while the
// process runs, so that they are compressed once and as well as can be.
func loadPages(files fs.FS) ([]page, error) {
	var pages []page
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		kind := contentTypeOf(name)
		if kind.name == "" {
			return fmt.Errorf("%s: no content type is known for such a file", name)
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		body = static.Sent(name, body)
		sum := sha256.Sum256(body)
		tag := hex.EncodeToString(sum[:12])
		p := page{path: "/" + name, contentType: kind.name, plain: form{`"` + tag + `"`, body}}
		if small := compress(body); kind.text && len(body) >= worthCompressing && len(small) < len(body) {
			p.gzip = form{`"` + tag + `-gzip"`, small}
		}
		pages = append(pages, p)
		if path.Base(name) == "index.html" {
			p.path = strings.TrimSuffix(p.path, "index.html") // whatever the query: links into a room go to room.html
			pages = append(pages, p)
		}
		return nil
	})
	if err == nil && len(pages) == 0 {
		err = errors.New("there are none")
	}
	if err != nil {
		return nil, fmt.Errorf("load pages: %w", err)
	}
	return pages, nil
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one of its own
	_, _ = w.Write(body)                                  // a Buffer never fails
	_ = w.Close()
	return b.Bytes()
}

// part reports whether the file is a script or a style sheet: part of a
// document, never one itself.
func (p page) part() bool {
	ext := path.Ext(p.path)
	return ext == ".js" || ext == ".css"
}

// folder returns the address that lacks the slash of a folder's page, "" for
// other pages. Relative links of such a page would go astray without it.
func (p page) folder() string {
	if p.path == "/" || !strings.HasSuffix(p.path, "/") {
		return ""
	}
	return strings.TrimSuffix(p.path, "/")
}

// contentType is a media type, and whether what has it gets smaller by gzip.
type contentType struct {
	name string
	text bool
}

// contentTypeOf returns the type of a file by its name. The system's table is
// not asked: it differs from machine to machine.
func contentTypeOf(name string) contentType {
	switch path.Ext(name) {
	case ".html":
		return contentType{"text/html; charset=utf-8", true}
	case ".css":
		return contentType{"text/css; charset=utf-8", true}
	case ".js":
		return contentType{"text/javascript; charset=utf-8", true} // RFC 9239 §6
	case ".json":
		return contentType{"application/json", true}
	case ".webmanifest":
		return contentType{"application/manifest+json", true}
	case ".svg":
		return contentType{"image/svg+xml", true}
	case ".txt":
		return contentType{"text/plain; charset=utf-8", true}
	case ".png":
		return contentType{"image/png", false}
	case ".jpg":
		return contentType{"image/jpeg", false}
	case ".webp":
		return contentType{"image/webp", false}
	case ".ico":
		return contentType{"image/x-icon", false}
	case ".woff2":
		return contentType{"font/woff2", false}
	case ".mp3":
		return contentType{"audio/mpeg", false}
	case ".ogg", ".opus":
		return contentType{"audio/ogg", false}
	case ".wav":
		return contentType{"audio/wav", false}
	}
	return contentType{}
}

// serve sends the page, or 304 when the browser has it. Browsers ask every
// time ("no-cache"), so after an update nobody runs yesterday's modules.
func (p page) serve(_ context.Context, ctx *app.RequestContext) {
	h := &ctx.Response.Header
	f := p.plain
	if p.gzip.body != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(ctx.Request.Header.GetAll("Accept-Encoding")) {
			f = p.gzip
		}
	}
	h.Set("ETag", f.etag)
	h.Set("Cache-Control", "no-cache")
	if p.policy != "" {
		h.Set("Content-Security-Policy", p.policy)
	}
	if p.part() {
		for _, name := range documentHeaders() {
			h.Del(name)
		}
	}
	if matches(ctx.Request.Header.GetAll("If-None-Match"), f.etag) {
		ctx.SetStatusCode(http.StatusNotModified)
		return
	}
	h.SetContentType(p.contentType)
	if f.etag != p.plain.etag {
		h.Set("Content-Encoding", "gzip")
	}
	if bytes.Equal(ctx.Method(), []byte(http.MethodHead)) {
		// RFC 9110 §9.3.2: the fields of a GET, and no body.
		ctx.Response.SkipBody = true
		h.SetContentLength(len(f.body))
		return
	}
	ctx.Response.SetBodyRaw(f.body)
}

// takesGzip reads Accept-Encoding (RFC 9110 §12.5.3): the entry for gzip
// counts, without one that for "*", and a weight of 0 is a no.
func takesGzip(fields []string) bool {
	others := false
	for _, f := range fields {
		for entry := range strings.SplitSeq(f, ",") {
			coding, parameters, _ := strings.Cut(entry, ";")
			name, weight, weighted := strings.Cut(strings.TrimSpace(parameters), "=")
			q := 1.0
			if weighted && strings.EqualFold(strings.TrimSpace(name), "q") {
				q, _ = strconv.ParseFloat(strings.TrimSpace(weight), 64) // what is no number is a no
			}
			switch coding = strings.TrimSpace(coding); {
			case strings.EqualFold(coding, "gzip"), strings.EqualFold(coding, "x-gzip"):
				return q > 0
			case coding == "*":
				others = q > 0
			}
		}
	}
	return others
}

// toFolder sends a browser from /docs to /docs/, with its query.
func toFolder(folder string) app.HandlerFunc {
	return func(_ context.Context, ctx *app.RequestContext) {
		to := folder + "/"
		if query := ctx.URI().QueryString(); len(query) > 0 {
			to += "?" + string(query)
		}
		ctx.Response.Header.Set("Location", to)
		ctx.SetStatusCode(http.StatusPermanentRedirect)
	}
}

// matches is the weak comparison of If-None-Match (RFC 9110 §13.1.2).
func matches(fields []string, etag string) bool {
	for _, f := range fields {
		for candidate := range strings.SplitSeq(f, ",") {
			candidate = strings.TrimSpace(candidate)
			if candidate == "*" || strings.TrimPrefix(candidate, "W/") == etag {
				return true
			}
		}
	}
	return false
}

func (s *Server) notFound(_ context.Context, ctx *app.RequestContext) {
	if bytes.HasPrefix(ctx.Path(), []byte(apiPath+"/")) {
		s.apiFail(ctx, errNoRoute)
		return
	}
	ctx.String(http.StatusNotFound, "There is nothing at this address.\n")
}

func (s *Server) notAllowed(_ context.Context, ctx *app.RequestContext) {
	ctx.Response.Header.Set("Allow", strings.Join(s.methods(string(ctx.Path())), ", ")) // RFC 9110 §15.5.6
	if bytes.HasPrefix(ctx.Path(), []byte(apiPath+"/")) {
		s.apiFail(ctx, errNoMethod)
		return
	}
	ctx.String(http.StatusMethodNotAllowed, "This address does not take that kind of request.\n")
}

// methods lists what a path can be asked for.
func (s *Server) methods(asked string) []string {
	var list []string
	for _, r := range s.hertz.Routes() {
		pattern, given := strings.Split(r.Path, "/"), strings.Split(asked, "/")
		if slices.EqualFunc(pattern, given, func(p, g string) bool { return p == g || strings.HasPrefix(p, ":") && g != "" }) {
			list = append(list, r.Method)
		}
	}
	slices.Sort(list)
	return list
}
