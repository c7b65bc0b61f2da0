package call

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"dialroom/bridge/leg"
	"dialroom/bridge/trunk"
	sockets "dialroom/shared/udp"
	"dialroom/shared/wire"
)

// sink is a connection that takes everything and leads nowhere.
type sink struct{ sip.Connection }

func (sink) WriteMsg(sip.Message) error { return nil }
func (sink) TryClose() (int, error)     { return 0, nil }

// FuzzMessages feeds bytes through the library's parser into a call that is
// up and into what answers strangers. The placeholders CALLID, OURTAG and
// THEIRTAG become the call's, so that the fuzzer gets past the front door.
func FuzzMessages(f *testing.F) {
	poller, err := sockets.NewPoller()
	if err != nil {
		f.Fatal(err)
	}
	quiet, clock := slog.New(slog.DiscardHandler), newFakeClock()
	hub, err := leg.NewHub(leg.Config{
		Poller: poller, Listen: netip.MustParseAddrPort("127.0.0.1:0"), MinPort: 30000, MaxPort: 39999,
		BindIP: netip.MustParseAddr("127.0.0.1"), Logger: quiet, Now: clock.Now,
	})
	if err != nil {
		f.Fatal(err)
	}
	agent, err := Listen(Config{
		UDP: "127.0.0.1:0", Public: netip.MustParseAddr("127.0.0.1"), Hub: hub,
		Report: func(wire.CallEvent) {}, Clock: clock, Logger: quiet,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		_ = agent.Close()
		hub.Close()
		_ = poller.Close()
	})

	head := "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx;rport\nCall-ID: CALLID\nMax-Forwards: 70\n"
	theirs := head + "From: <sip:b@x>;tag=THEIRTAG\nTo: <sip:a@x>;tag=OURTAG\n"
	ours := head + "From: <sip:a@x>;tag=OURTAG\nTo: <sip:b@x>;tag=THEIRTAG\nContact: <sip:b@127.0.0.1:9>\n"
	offer := strings.ReplaceAll(sdp(4000, "sendonly"), "\r\n", "\n")
	for _, seed := range []string{
		"INVITE sip:a@x SIP/2.0\n" + theirs + "CSeq: 7 INVITE\nContact: <sip:b@127.0.0.1:9>\nContent-Type: application/sdp\n\n" + offer,
		"ACK sip:a@x SIP/2.0\n" + theirs + "CSeq: 7 ACK\n\n" + offer,
		"UPDATE sip:a@x SIP/2.0\n" + theirs + "CSeq: 8 UPDATE\nRequire: timer, 100rel\n\n",
		"BYE sip:a@x SIP/2.0\n" + theirs + "CSeq: 9 BYE\nReason: Q.850;cause=16\n\n",
		"INFO sip:a@x SIP/2.0\n" + theirs + "CSeq: 10 INFO\n\nSignal=1",
		"OPTIONS sip:a@x SIP/2.0\n" + head + "From: <sip:b@x>;tag=1\nTo: <sip:a@x>\nCSeq: 1 OPTIONS\n\n",
		"INVITE sip:a@x SIP/2.0\n" + head + "From: <sip:b@x>;tag=1\nTo: <sip:a@x>\nCSeq: 1 INVITE\n\n",
		"SIP/2.0 183 Progress\n" + ours + "CSeq: 1 INVITE\nRecord-Route: <sip:p@x;lr>, <sip:[::1]>, \"q\" <sips:z>\n\n" + offer,
		"SIP/2.0 200 OK\n" + ours + "CSeq: 1 INVITE\nRecord-Route: *\n\n" + offer,
		"SIP/2.0 401 Unauthorized\n" + ours + "CSeq: 1 INVITE\nWWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\n\n",
		"SIP/2.0 503 Down\n" + ours + "CSeq: 1 INVITE\nReason: Q.850;cause=34;text=\"x\"\n\n",
	} {
		f.Add([]byte(strings.ReplaceAll(seed, "\n", "\r\n")), byte(len(seed)))
	}

	serial := 0
	f.Fuzz(func(t *testing.T, raw []byte, stage byte) {
		serial++
		clock.advance(time.Minute) // so that ports need not cool down
		call := fuzzedCall(t, agent, hub, serial, stage)
		ourTag, _ := call.local.from.Params.Get("tag")
		for from, to := range map[string]string{"CALLID": call.callID, "OURTAG": ourTag, "THEIRTAG": "them"} {
			raw = bytes.ReplaceAll(raw, []byte(from), []byte(to))
		}
		msg, err := sip.ParseMessage(raw)
		if err == nil {
			msg.SetTransport("UDP")
			msg.SetSource("127.0.0.1:9")
			switch msg := msg.(type) {
			case *sip.Request:
				serveFuzzed(t, agent, call, msg)
			case *sip.Response:
				agent.stray(msg)
				call.post(response{nil, msg})
			}
		}
		call.post(abandon{})
		<-call.done
	})
}

// fuzzedCall is a call that sends nothing, in a state of the fuzzer's choice.
func fuzzedCall(t *testing.T, agent *Agent, hub *leg.Hub, serial int, stage byte) *Call {
	t.Helper()
	media, err := hub.New(fmt.Sprint("c_", serial), wire.Leg{Media: sfuMedia, SSRCToPhone: uint32(serial)})
	if err != nil {
		t.Fatal(err)
	}
	table := trunk.NewTable([]trunk.Trunk{{
		ID: "tr", Enabled: true, Host: "127.0.0.1:9", Transport: udp, Prefixes: []string{""},
		Username: "u", Password: "p", Codecs: []wire.Codec{wire.PCMA, wire.PCMU},
	}}, SystemClock{}.Now)
	slot, err := table.First("610", "")
	if err != nil {
		t.Fatal(err)
	}
	call := newCall(agent, Order{ID: fmt.Sprint("c_", serial), Number: "610", Slot: slot}, media)
	call.invite = call.newInvite(media.Offer(call.trunk.Codecs))
	call.invite.PrependHeader(agent.via(hop{network: udp}))
	call.inviteTo = hop{network: udp, addr: netip.MustParseAddrPort("127.0.0.1:9")}
	d := &dialog{remote: &sip.ToHeader{Address: uri("sip:b@x")}, target: uri("sip:b@127.0.0.1:9"), network: udp}
	d.remote.Params.Add("tag", "them")
	call.forks["them"] = d
	next := []state{call.dialing, call.ringing, call.early, call.answered, call.cancelling, call.leaving}[int(stage)%6]
	if call.dialog = d; stage%6 == 5 {
		call.byes = 1
	}
	agent.mu.Lock()
	agent.calls[call.id], agent.dialogs[dialogKey(call.callID, call.tag)] = call, call
	agent.mu.Unlock()
	agent.callWG.Add(1)
	go call.runFrom(next)
	return call
}

// serveFuzzed serves a request and waits until its call has seen it.
func serveFuzzed(t *testing.T, agent *Agent, call *Call, req *sip.Request) {
	t.Helper()
	tx := sip.NewServerTx("key", req, sink{}, slog.New(slog.DiscardHandler))
	if err := tx.Init(); err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		agent.serve(req, tx)
	}()
	seen := make(chan struct{})
	if call.post(do(func() { close(seen) })) {
		select {
		case <-seen:
		case <-call.done:
		case <-time.After(patience):
			t.Fatal("the call hangs")
		}
	}
	call.post(abandon{}) // an accepted re-INVITE waits for its ACK until then
	<-served
	tx.Terminate()
}

func TestQuietHandlerLetsNoMessageTextThrough(t *testing.T) {
	var out bytes.Buffer
	logger := slog.New(quietHandler{slog.NewTextHandler(io.Writer(&out), &slog.HandlerOptions{Level: slog.LevelDebug})})
	logger.With("msg", "INVITE sip:+4930123456@x").Error("failed to parse", "data", "INVITE sip:+4930123456@x", "error", "near +4930123456")
	logger.Info("Unhandled sip response", "caller", "transactionLayer", "req", "BYE sip:+4930123456@x")
	if got := out.String(); strings.Contains(got, "4930123456") || strings.Contains(got, "ERROR") {
		t.Errorf("logged %s", got)
	}
	if !strings.Contains(out.String(), "caller=transactionLayer") {
		t.Errorf("nothing is left of it: %s", out.String())
	}
}
