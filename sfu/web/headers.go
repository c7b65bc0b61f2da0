package web

import (
	"context"
	"net/url"
	"strings"

	"github.com/cloudwego/hertz/pkg/app"
)

// contentSecurityPolicy allows what the pages need and nothing else: their own
// modules and styles, their own WebSocket, sounds and recordings they make
// themselves. No inline script or style, no other site; embedding only by the
// origins named.
func contentSecurityPolicy(public *url.URL, embeddedBy []string) string {
	ancestors := "'none'"
	if len(embeddedBy) > 0 {
		ancestors = strings.Join(embeddedBy, " ")
	}
	// 'self' covers the WebSocket by the standard, but not yet in every Safari.
	socket := "ws" + strings.TrimPrefix(public.Scheme, "http") + "://" + public.Host
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' data:",
		"font-src 'self'",
		"media-src 'self' blob:",
		"connect-src 'self' " + socket,
		"manifest-src 'self'",
		"base-uri 'none'",
		"form-action 'self'",
		"frame-ancestors " + ancestors,
	}, "; ")
}

// documentHeaders are those that browsers heed on documents only. A room loads
// some fifty files; on all of them they would be a quarter of what is sent.
func documentHeaders() []string {
	return []string{"Content-Security-Policy", "Cross-Origin-Opener-Policy", "Permissions-Policy", "X-Robots-Tag"}
}

// headers sets what every answer carries. The address of a room opens it, so
// no referrer is ever sent, and search engines are asked to forget it.
func headers(policy string) app.HandlerFunc {
	return func(c context.Context, ctx *app.RequestContext) {
		h := &ctx.Response.Header
		h.Set("Content-Security-Policy", policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), fullscreen=(self), "+
			"screen-wake-lock=(self), geolocation=(), payment=(), usb=()")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex, nofollow")
		h.Set("Cache-Control", "no-store") // pages say otherwise
		ctx.Next(c)
	}
}
