package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// legs is POST /internal/v1/legs: the bridge asks for a leg.
func (s *Server) legs(c context.Context, ctx *app.RequestContext) {
	var req wire.LegRequest
	if err := s.fromBridge(ctx, &req); err != nil {
		s.fail(ctx, err)
		return
	}
	granted, err := s.cfg.Calls.Grant(c, req)
	if err != nil {
		s.fail(ctx, err)
		return
	}
	ctx.JSON(http.StatusOK, granted)
}

// events is POST /internal/v1/events: the bridge reports a call.
func (s *Server) events(c context.Context, ctx *app.RequestContext) {
	var e wire.CallEvent
	if err := s.fromBridge(ctx, &e); err != nil {
		s.fail(ctx, err)
		return
	}
	if err := s.cfg.Calls.Event(c, e); err != nil {
		s.fail(ctx, err)
		return
	}
	ctx.SetStatusCode(http.StatusNoContent)
}

// fromBridge checks that the bridge has signed a request and reads its body.
func (s *Server) fromBridge(ctx *app.RequestContext, into any) error {
	header := http.Header{}
	ctx.Request.Header.VisitAll(func(k, v []byte) {
		header[string(k)] = append(header[string(k)], string(v))
	})
	uri := ctx.URI()
	key, err := s.cfg.Verifier.Verify(string(ctx.Method()), string(uri.PathOriginal()), string(uri.QueryString()), header, ctx.Request.Body())
	if errors.Is(err, sign.ErrStore) {
		// What cannot be remembered could come twice; for a dial that is a guard that cannot be asked.
		s.log.Error("a signed request cannot be remembered and is refused", "path", string(ctx.Path()), "key", sign.KeyID(err), "cause", sign.Cause(err))
		return err
	}
	if err != nil {
		s.log.Warn("signed request refused", "path", string(ctx.Path()), "client", s.client(ctx), "key", sign.KeyID(err), "cause", sign.Cause(err))
		return err
	}
	if key.Role != sign.RoleBridge {
		s.log.Warn("signed request of another role", "path", string(ctx.Path()), "client", s.client(ctx), "key", key.ID, "role", key.Role)
		return errRole
	}
	if err := json.Unmarshal(ctx.Request.Body(), into); err != nil {
		return fmt.Errorf("%w: %w", errBadRequest, err)
	}
	return nil
}
