package signal

import (
	"context"
	"encoding/json"
	"time"

	"github.com/coder/websocket"
)

// writeTimeout bounds one message to the network.
const writeTimeout = 10 * time.Second

// readLoop hands messages to run. After shut it only keeps reading, for the
// page's close frame.
func (c *client) readLoop(ctx context.Context, in chan<- []byte) {
	for {
		kind, data, err := c.conn.Read(ctx)
		if err != nil {
			c.shut(websocket.StatusNormalClosure, "")
			return
		}
		if kind != websocket.MessageText {
			c.shut(websocket.StatusUnsupportedData, "text messages only")
			continue
		}
		select {
		case in <- data:
		case <-c.done:
		}
	}
}

// writeLoop sends what the outbox holds. After shut it sends the rest, then the
// close frame, and waits for the page's.
func (c *client) writeLoop(ctx context.Context) {
	for open := true; open; {
		select {
		case msg := <-c.out:
			if !c.write(ctx, msg) {
				return
			}
		case <-c.done:
			open = false
		}
	}
	for len(c.out) > 0 { // nobody else receives
		if !c.write(ctx, <-c.out) {
			return
		}
	}
	_ = c.conn.Close(c.code, c.reason) // a page that is gone needs no farewell
}

// write sends one message. When that fails the connection is closed.
func (c *client) write(ctx context.Context, msg any) bool {
	data, err := json.Marshal(msg)
	if err == nil {
		wait, cancel := context.WithTimeout(ctx, writeTimeout)
		err = c.conn.Write(wait, websocket.MessageText, data)
		cancel()
	}
	if err != nil {
		c.shut(websocket.StatusInternalError, "")
		_ = c.conn.CloseNow()
	}
	return err == nil
}

// pingLoop closes a connection on which nobody answers, and measures how long
// the answers take.
func (c *client) pingLoop(ctx context.Context) {
	ticker := time.NewTicker(c.s.cfg.PingEvery)
	defer ticker.Stop()
	for {
		wait, cancel := context.WithTimeout(ctx, c.s.cfg.PongTimeout)
		sent := time.Now()
		err := c.conn.Ping(wait)
		cancel()
		if err != nil {
			c.shut(websocket.StatusGoingAway, "no answer to a ping")
			return
		}
		select {
		case c.roundTrips <- time.Since(sent):
		case <-c.done:
			return
		}
		select {
		case <-ticker.C:
		case <-c.done:
			return
		}
	}
}
