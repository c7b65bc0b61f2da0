package call

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// A far end that takes nothing any more, while call after call is sent its way:
// the library moves the deadline of the connection for each.
func TestAConnectionThatTakesNothingEndsThoughMoreIsSentAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer func() { _ = theirs.Close() }()
		gone := make(chan struct{})
		l := &link{Conn: ours, reading: make(chan struct{}), gone: func() { close(gone) }}
		began := time.Now()
		go func() {
			if _, err := l.Write([]byte("INVITE sip:x SIP/2.0\r\n\r\n")); err == nil {
				t.Error("it was taken")
			}
		}()
		for range 10 {
			time.Sleep(time.Second)
			_ = l.SetWriteDeadline(time.Now().Add(connectTime))
		}
		<-gone
		if waited := time.Since(began); waited > 10*time.Second {
			t.Errorf("it ended after %v", waited)
		}
	})
}
