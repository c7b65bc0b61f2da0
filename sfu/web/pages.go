package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/cloudwego/hertz/pkg/app"
)

// page is one file, ready to be sent.
type page struct {
	path        string // of the URL
	contentType string
	etag        string
	body        []byte
}

// loadPages reads all files. They are small, and never change while the
// process runs.
func loadPages(files fs.FS) ([]page, error) {
	var pages []page
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		contentType := contentTypeOf(name)
		if contentType == "" {
			return fmt.Errorf("%s: no content type is known for such a file", name)
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		p := page{path: "/" + name, contentType: contentType, etag: `"` + hex.EncodeToString(sum[:12]) + `"`, body: body}
		pages = append(pages, p)
		if name == "index.html" {
			p.path = "/" // whatever the query: links into a room go to room.html
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

// contentTypeOf returns the type of a file by its name. The system's table is
// not asked: it differs from machine to machine.
func contentTypeOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8" // RFC 9239 §6
	case ".json":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".ico":
		return "image/x-icon"
	case ".woff2":
		return "font/woff2"
	case ".mp3":
		return "audio/mpeg"
	case ".ogg", ".opus":
		return "audio/ogg"
	case ".wav":
		return "audio/wav"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return ""
}

// serve sends the page, or 304 when the browser has it. Browsers ask every
// time ("no-cache"), so after an update nobody runs yesterday's modules.
func (p page) serve(_ context.Context, ctx *app.RequestContext) {
	h := &ctx.Response.Header
	h.Set("ETag", p.etag)
	h.Set("Cache-Control", "no-cache")
	if matches(ctx.Request.Header.GetAll("If-None-Match"), p.etag) {
		ctx.SetStatusCode(http.StatusNotModified)
		return
	}
	h.SetContentType(p.contentType)
	if bytes.Equal(ctx.Method(), []byte(http.MethodHead)) {
		// RFC 9110 §9.3.2: the fields of a GET, and no body.
		ctx.Response.SkipBody = true
		h.SetContentLength(len(p.body))
		return
	}
	ctx.Response.SetBodyRaw(p.body)
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
	if bytes.HasPrefix(ctx.Path(), []byte(apiPath+"/")) {
		s.apiFail(ctx, errNoMethod)
		return
	}
	ctx.String(http.StatusMethodNotAllowed, "This address does not take that kind of request.\n")
}
