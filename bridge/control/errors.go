package control

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/cloudwego/hertz/pkg/app"

	"dialroom/bridge/call"
	"dialroom/bridge/trunk"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// Errors of this package's own.
var (
	errInternal   = errors.New("internal error")
	errNoRoute    = errors.New("no such path")
	errNoMethod   = errors.New("no such method here")
	errBadRequest = errors.New("the request cannot be understood")
	errNumber     = errors.New("not a canonical number")
	errDigits     = errors.New("not digits of a telephone")
	errReason     = errors.New("not a reason to hang up")
	errRole       = errors.New("the key may not do this")
	errScriptLeg  = errors.New("a script may not bring a leg or an id")
	errReused     = errors.New("the Idempotency-Key was used for another request")
	errKeyLength  = errors.New("the Idempotency-Key is too long")
	errStore      = errors.New("the request cannot be remembered")
	errCrowded    = errors.New("too many requests wait for their answers")
	errPinned     = errors.New("the pinned trunk does not carry the number")
	errSFU        = errors.New("the sfu does not answer")
)

// sfuRefusal is the sfu's "no" to a script, passed on as it came.
type sfuRefusal struct {
	status int
	body   wire.Error
}

func (e *sfuRefusal) Error() string { return "the sfu refused: " + e.body.Reason }

// answerTo is the one place where an error becomes an answer. Texts of errors
// from within never leave.
func answerTo(err error) (int, wire.Error) {
	var refusal *sfuRefusal
	var body *wire.BadBody
	switch {
	case errors.As(err, &refusal):
		return refusal.status, refusal.body
	case errors.As(err, &body):
		return http.StatusBadRequest, wire.Error{Error: "bad-request", Text: body.Text}
	case errors.Is(err, sign.ErrUnauthorized):
		return http.StatusUnauthorized, wire.Error{Error: "unauthorized", Text: "The request is not signed as it must be."}
	case errors.Is(err, sign.ErrStore):
		return http.StatusServiceUnavailable, unplaced("refused", string(wire.GuardUnavailable))
	case errors.Is(err, errRole):
		return http.StatusForbidden, wire.Error{Error: "forbidden", Text: "This key may not do this."}
	case errors.Is(err, errScriptLeg):
		return http.StatusForbidden, wire.Error{Error: "forbidden", Text: "Only the sfu may send a leg or an id."}
	case errors.Is(err, errBadRequest):
		return http.StatusBadRequest, wire.Error{Error: "bad-request", Text: "The request cannot be understood."}
	case errors.Is(err, errNumber):
		return http.StatusBadRequest, unplaced("bad-request", string(wire.BadNumber))
	case errors.Is(err, errDigits):
		return http.StatusBadRequest, wire.Error{Error: "bad-request", Text: "Digits are up to 64 of 0-9, *, # and A-D."}
	case errors.Is(err, errReason):
		return http.StatusBadRequest, wire.Error{Error: "bad-request", Text: "A call cannot be hung up for this reason."}
	case errors.Is(err, errKeyLength):
		return http.StatusBadRequest, wire.Error{Error: "bad-request", Text: "An Idempotency-Key has up to 255 characters."}
	case errors.Is(err, errReused):
		return http.StatusConflict, wire.Error{Error: "conflict", Text: "This Idempotency-Key was used for another request."}
	case errors.Is(err, call.ErrExists):
		return http.StatusConflict, wire.Error{Error: "conflict", Text: "There is a call with this id."}
	case errors.Is(err, call.ErrNoAudio):
		return http.StatusConflict, wire.Error{Error: "conflict", Text: "The call cannot take digits now."}
	case errors.Is(err, call.ErrNotUp):
		return http.StatusConflict, wire.Error{Error: "conflict", Text: "The call is not answered, or over."}
	case errors.Is(err, call.ErrTransferred):
		return http.StatusConflict, wire.Error{Error: "conflict", Text: "This phone is being transferred already."}
	case errors.Is(err, call.ErrNoTransfer):
		return http.StatusForbidden, wire.Error{Error: "forbidden", Text: "The settings do not let phones of this line be transferred."}
	case errors.Is(err, call.ErrUnknown):
		return http.StatusNotFound, wire.Error{Error: "not-found", Text: "There is no such call."}
	case errors.Is(err, errNoRoute):
		return http.StatusNotFound, wire.Error{Error: "not-found", Text: "There is nothing here."}
	case errors.Is(err, errNoMethod):
		return http.StatusMethodNotAllowed, wire.Error{Error: "method-not-allowed", Text: "This cannot be done here."}
	case errors.Is(err, trunk.ErrUnknown):
		return http.StatusNotFound, unplaced("not-found", string(wire.BadTrunk))
	case errors.Is(err, errPinned):
		return http.StatusForbidden, unplaced("refused", string(wire.BadTrunk))
	case errors.Is(err, trunk.ErrNotAllowed):
		return http.StatusForbidden, unplaced("refused", string(wire.NotAllowed))
	case errors.Is(err, trunk.ErrTooFast):
		return http.StatusTooManyRequests, unplaced("refused", string(wire.CapMinute))
	case errors.Is(err, errNobody):
		return http.StatusServiceUnavailable, unplaced("unavailable", string(wire.Unreachable))
	case errors.Is(err, trunk.ErrDisabled), errors.Is(err, trunk.ErrNotCarried), errors.Is(err, trunk.ErrFull):
		return http.StatusServiceUnavailable, unplaced("unavailable", string(wire.NoTrunk))
	case errors.Is(err, call.ErrTransport), errors.Is(err, call.ErrMedia):
		return http.StatusServiceUnavailable, unplaced("unavailable", string(wire.TrunkFailed))
	case errors.Is(err, call.ErrClosed):
		return http.StatusServiceUnavailable, unplaced("unavailable", string(wire.Shutdown))
	case errors.Is(err, errSFU):
		return http.StatusServiceUnavailable, wire.Error{Error: "unavailable", Text: "The room server cannot be reached."}
	case errors.Is(err, errStore):
		return http.StatusServiceUnavailable, wire.Error{Error: "unavailable", Text: "An Idempotency-Key cannot be remembered at the moment."}
	case errors.Is(err, errCrowded):
		return http.StatusServiceUnavailable, wire.Error{Error: "unavailable", Text: "Too much is going on; please try again."}
	}
	return http.StatusInternalServerError, wire.Error{Error: "internal", Text: "Something went wrong here."}
}

// unplaced says why no call was placed.
func unplaced(code, reason string) wire.Error {
	return wire.Error{Error: code, Reason: reason, Text: wire.Words(reason)}
}

// ending is what a call that was granted and then could not be placed has for
// an ending.
func ending(err error) wire.Ending {
	switch _, body := answerTo(err); wire.Ending(body.Reason) {
	case wire.NoTrunk:
		return wire.NoTrunk
	case wire.Shutdown:
		return wire.Shutdown
	case wire.Unreachable:
		return wire.Unreachable
	}
	if errors.Is(err, errPinned) || errors.Is(err, trunk.ErrUnknown) || errors.Is(err, trunk.ErrNotAllowed) || errors.Is(err, trunk.ErrTooFast) {
		return wire.NoTrunk
	}
	return wire.TrunkFailed
}

// fromSFU says what a failed request for a leg means to the script that
// caused it. Its refusals are passed on; that it could not be asked, or does
// not accept our own signature, is nobody's business but the log's.
func fromSFU(err error) error {
	var status *sign.StatusError
	if !errors.As(err, &status) {
		return errors.Join(errSFU, err)
	}
	var body wire.Error
	if json.Unmarshal(status.Body, &body) != nil || body.Error == "" {
		return errors.Join(errSFU, err)
	}
	switch status.Status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
		http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return &sfuRefusal{status.Status, body}
	}
	return errors.Join(errSFU, err)
}

// fail answers with an error.
func (s *Server) fail(c *app.RequestContext, err error) {
	status, body := answerTo(err)
	if status >= http.StatusInternalServerError {
		s.log.Warn("a request failed", "path", string(c.Path()), "status", status, "error", err)
	}
	s.answer(c, reply{status, body})
}
