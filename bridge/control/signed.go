package control

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/shared/sign"
)

// request is a signed request that may be answered.
type request struct {
	key  sign.Key
	id   string // call id of the path
	body []byte
	c    *app.RequestContext
}

// reply is an answer: a status and, unless it is nil, a JSON body.
type reply struct {
	status int
	body   any
}

// handler answers one request, or says why not.
type handler func(ctx context.Context, req request) (reply, error)

// signed lets through what one of the roles has signed.
func (s *Server) signed(h handler, roles ...string) app.HandlerFunc {
	return func(ctx context.Context, c *app.RequestContext) {
		key, err := s.verify(c)
		if err != nil {
			s.fail(c, err)
			return
		}
		if !slices.Contains(roles, key.Role) {
			s.fail(c, errRole)
			return
		}
		answer, err := h(ctx, request{key: key, id: c.Param("id"), body: c.Request.Body(), c: c})
		if err != nil {
			s.fail(c, err)
			return
		}
		s.answer(c, answer)
	}
}

// verify checks a request's signature against what came over the wire.
func (s *Server) verify(c *app.RequestContext) (sign.Key, error) {
	header := make(http.Header)
	c.Request.Header.VisitAll(func(name, value []byte) { header.Add(string(name), string(value)) })
	uri := c.Request.URI()
	key, err := s.cfg.Verifier.Verify(string(c.Method()), string(uri.PathOriginal()), string(uri.QueryString()),
		header, c.Request.Body())
	if errors.Is(err, sign.ErrStore) {
		s.log.Error("a signed request cannot be remembered and is refused",
			"path", string(c.Path()), "key", sign.KeyID(err), "cause", sign.Cause(err))
		return key, err
	}
	if err != nil {
		s.log.Warn("a request was not signed as it must be",
			"path", string(c.Path()), "client", c.RemoteAddr().String(), "key", sign.KeyID(err), "cause", sign.Cause(err))
	}
	return key, err
}

func (s *Server) answer(c *app.RequestContext, r reply) {
	c.Response.Header.Set("Cache-Control", "no-store")
	if r.body == nil {
		c.SetStatusCode(r.status)
		return
	}
	c.JSON(r.status, r.body)
}
