package control

import (
	"encoding/json"
	"strings"
	"testing"

	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// FuzzCallRequest checks that whatever passes the checks of a request can
// stand in a Request-URI, a path and a log line.
func FuzzCallRequest(f *testing.F) {
	f.Add([]byte(`{"id":"c_x","room":"r","number":"+4989654321","leg":{"media":"127.0.0.1:9","instance":"s"}}`))
	f.Add([]byte(`{"room":"r","number":"610","trunk":"tr_1","name":"CRM"}`))
	f.Add([]byte(`{"id":"c_\u0000","number":"+49\r\nX: y"}`))
	f.Add([]byte(`{"number":1}{}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var req wire.CallRequest
		if err := wire.Decode(body, &req); err != nil {
			if status, answer := answerTo(err); status != 400 || answer.Text == "" || strings.Contains(answer.Text, "wire.") {
				t.Errorf("%v is answered with %d %+v", err, status, answer)
			}
			return
		}
		if isCanonical(req.Number) && strings.Trim(req.Number, "+0123456789") != "" {
			t.Errorf("number %q passed", req.Number)
		}
		if isID(req.ID) && strings.ContainsAny(req.ID, "/?#%. \r\n\x00") {
			t.Errorf("id %q passed", req.ID)
		}
	})
}

// FuzzSFUAnswer checks that whatever the sfu answers to a request for a leg
// becomes an answer to the script that caused it.
func FuzzSFUAnswer(f *testing.F) {
	f.Add(403, []byte(`{"error":"refused","reason":"not-allowed","text":"No."}`))
	f.Add(502, []byte(`<html>`))
	f.Add(200, []byte(`{"error":1}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		code, answer := answerTo(fromSFU(&sign.StatusError{Status: status, Body: body}))
		if code < 400 || code > 599 || answer.Error == "" {
			t.Errorf("%d %q became %d %+v", status, body, code, answer)
		}
		if _, err := json.Marshal(answer); err != nil {
			t.Error(err)
		}
	})
}
