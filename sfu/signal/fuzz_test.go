package signal

import (
	"errors"
	"testing"
)

// FuzzDecode feeds what anybody can send through a WebSocket.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"type":"join","room":"r","name":"Ann","resume":"x"}`,
		`{"type":"offer","sdp":"v=0\r\n","tracks":{"0":"mic","1":"phone"}}`,
		`{"type":"candidate","candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.1 1 typ host","sdpMid":"0"}}`,
		`{"type":"candidate","candidate":null}`,
		`{"type":"view","video":[{"id":"p_1","kind":"camera","width":320}]}`,
		`{"type":"dial","number":"+4930123456","trunk":"tr_1","again":true}`,
		`{"type":"hangup","call":"c_1"}`, `{"type":"dtmf","call":"c_1","digits":"12#"}`,
		`{"type":"state","audio":true,"video":false,"screen":false}`,
		`{"type":"chat","text":"\ud800"}`, `{"type":"leave"}`, `{"type":"mute","id":"p_1","muted":null}`, `{"type":"remove","id":7}`, `{"type":"ping"}`,
		`{"type":"ping","type":"join"}`, `[[[[[[`, `{"type":`, "\xff\xfe", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		msg, err := decode(data)
		switch {
		case err == nil && msg == nil:
			t.Error("neither a message nor an error")
		case err != nil && !errors.Is(err, errMalformed) && !errors.Is(err, errUnknownType):
			t.Errorf("an error without a code: %v", err)
		}
		if m, ok := msg.(viewMessage); ok && len(m.Video) > maxView {
			t.Errorf("a view of %d", len(m.Video))
		}
	})
}
