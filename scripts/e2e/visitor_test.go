package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"dialroom/scripts/demo/stack"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// visitor is a page as far as the WebSocket goes: it joins and dials, and has
// no sound.
type visitor struct {
	conn *websocket.Conn
}

// call is what a visitor is told about a call.
type callMessage struct {
	Type, ID, State, Reason, Text string
}

// visit joins a room from an address, which a trusted proxy names.
func (w *world) visit(ctx context.Context, room, ip string) (*visitor, error) {
	return w.enter(ctx, ip, map[string]any{"type": "join", "room": room, "name": "Ada"})
}

// enter is visit with a join message of its own.
func (w *world) enter(ctx context.Context, ip string, join map[string]any) (*visitor, error) {
	header := http.Header{"Origin": {w.stack.URL}}
	if ip != "" {
		header.Set("X-Forwarded-For", ip)
	}
	conn, res, err := websocket.Dial(ctx, strings.Replace(w.stack.URL, "http", "ws", 1)+"/ws", &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		return nil, err
	}
	if res != nil && res.Body != nil {
		_ = res.Body.Close()
	}
	conn.SetReadLimit(1 << 20)
	v := &visitor{conn}
	if err := v.send(ctx, join); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *visitor) send(ctx context.Context, message any) error {
	raw, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return v.conn.Write(ctx, websocket.MessageText, raw)
}

// dial dials and returns the verdict: "" when the call goes on, or the refusal.
func (v *visitor) dial(ctx context.Context, number string) (refusal string, err error) {
	if err := v.send(ctx, map[string]any{"type": "dial", "number": number, "again": true}); err != nil {
		return "", err
	}
	for {
		_, raw, err := v.conn.Read(ctx)
		if err != nil {
			return "", err
		}
		var m callMessage
		if err := json.Unmarshal(raw, &m); err != nil {
			return "", err
		}
		switch {
		case m.Type == "error":
			return "", fmt.Errorf("the server says %s", raw)
		case m.Type != "call":
		case m.State == string(wire.Refused):
			return m.Reason, nil
		case m.State == string(wire.Dialing):
			return "", nil
		}
	}
}

func (v *visitor) close() { _ = v.conn.CloseNow() }

// script is a client of the bridge with the key of scripts.
func (w *world) script() *sign.Client {
	key := sign.Key{ID: stack.ScriptKey, Role: sign.RoleScript, Secret: []byte(w.stack.Secret(stack.ScriptKey))}
	c := sign.NewClient(w.stack.Config.SFU.BridgeURL, key, patience, nil)
	w.Cleanup(c.Close)
	return c
}

// dialAsScript dials as a script does, and returns the verdict as visitor.dial.
func dialAsScript(ctx context.Context, c *sign.Client, room, number string) (refusal string, err error) {
	err = c.Do(ctx, http.MethodPost, wire.PathCalls, wire.CallRequest{Room: room, Number: number}, nil)
	var status *sign.StatusError
	if !errors.As(err, &status) {
		return "", err
	}
	var body wire.Error
	if json.Unmarshal(status.Body, &body) != nil || body.Reason == "" {
		return "", fmt.Errorf("the bridge says %d %s", status.Status, status.Body)
	}
	return body.Reason, nil
}

// readiness asks whether the sfu says that it can take calls.
func (w *world) readiness() int {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(w.stack.URL + "/readyz")
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// restartSFU starts the sfu again, as a supervisor would.
func (w *world) restartSFU() {
	w.Helper()
	if err := w.stack.StartSFU(); err != nil {
		w.Fatal(err)
	}
	if err := w.stack.Ready(w.soon()); err != nil {
		w.Fatal(err)
	}
}

// pause is for tests whose subject is when something happens.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
