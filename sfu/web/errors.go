package web

import (
	"errors"
	"net/http"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/sfu/dial"
	"dialroom/sfu/room"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// Errors of this package's own edges.
var (
	errInternal   = errors.New("internal error")
	errBadRequest = errors.New("the request cannot be understood")
	errOrigin     = errors.New("the page is not of this site")
	errRole       = errors.New("the key may not do this")
	errClosing    = errors.New("the server is closing")
)

// answerTo is the one place where an error becomes an answer. Texts of errors
// from within never leave.
func answerTo(err error) (status int, body wire.Error) {
	var refused *dial.RefusedError
	switch {
	case errors.As(err, &refused):
		body = wire.Error{Error: "refused", Reason: refused.Reason, Text: refused.Text()}
		return statusOf(refused.Reason), body
	case errors.Is(err, sign.ErrUnauthorized):
		return http.StatusUnauthorized, wire.Error{Error: "unauthorized", Text: "The request is not signed as it must be."}
	case errors.Is(err, sign.ErrStore):
		return answerTo(&dial.RefusedError{Reason: string(wire.GuardUnavailable)})
	case errors.Is(err, errRole):
		return http.StatusForbidden, wire.Error{Error: "forbidden", Text: "This key may not do this."}
	case errors.Is(err, errOrigin):
		return http.StatusForbidden, wire.Error{Error: "forbidden", Text: "Only pages of this site may connect."}
	case errors.Is(err, dial.ErrUnknownCall):
		return http.StatusNotFound, wire.Error{Error: "not-found", Text: "There is no such call."}
	case errors.Is(err, errBadRequest):
		return http.StatusBadRequest, wire.Error{Error: "bad-request", Text: "The request cannot be understood."}
	case errors.Is(err, room.ErrName):
		return http.StatusBadRequest, wire.Error{Error: "bad-request", Text: "This cannot be the name of a room."}
	case errors.Is(err, room.ErrRooms), errors.Is(err, room.ErrFull):
		return http.StatusServiceUnavailable, wire.Error{Error: "unavailable", Text: "There is no more space; please try again later."}
	case errors.Is(err, room.ErrShutdown), errors.Is(err, errClosing):
		return http.StatusServiceUnavailable, wire.Error{Error: "unavailable", Reason: string(wire.Shutdown), Text: wire.Words(string(wire.Shutdown))}
	}
	return http.StatusInternalServerError, wire.Error{Error: "internal", Text: "Something went wrong here."}
}

// statusOf says what a refusal is in HTTP. The bridge passes it on to the
// script that asked.
func statusOf(refusal string) int {
	switch refusal {
	case string(wire.Shutdown), string(wire.GuardUnavailable):
		return http.StatusServiceUnavailable
	case string(wire.CapDay), string(wire.CapMinute), string(wire.CapConcurrent):
		return http.StatusTooManyRequests
	case string(wire.BadTrunk):
		return http.StatusNotFound
	}
	return http.StatusForbidden
}

// fail answers with an error.
func (s *Server) fail(ctx *app.RequestContext, err error) {
	status, body := answerTo(err)
	if status == http.StatusInternalServerError {
		s.log.Error("request failed", "path", string(ctx.Path()), "error", err)
	}
	ctx.JSON(status, body)
}
