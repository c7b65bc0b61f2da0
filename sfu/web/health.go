package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/cloudwego/hertz/pkg/app"
)

// healthz is GET /healthz: the process is up.
func (s *Server) healthz(_ context.Context, ctx *app.RequestContext) {
	ctx.String(http.StatusOK, "ok\n")
}

// readyz is GET /readyz: 200 when calls can be taken, 503 with one line for
// each reason when not.
func (s *Server) readyz(c context.Context, ctx *app.RequestContext) {
	var reasons []string
	if s.cfg.Ready != nil {
		reasons = s.cfg.Ready(c)
	}
	if len(reasons) == 0 {
		ctx.String(http.StatusOK, "ready\n")
		return
	}
	ctx.String(http.StatusServiceUnavailable, "%s\n", strings.Join(reasons, "\n"))
}
