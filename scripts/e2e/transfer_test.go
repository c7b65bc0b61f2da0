package e2e

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"dialroom/scripts/carrier/ua"
	"dialroom/scripts/demo/stack"
	"dialroom/shared/config"
	"dialroom/shared/sign"
	"dialroom/shared/wire"
)

// control is the bridge's signed interface, as a script sees it.
func (w *world) control() *sign.Client {
	return &sign.Client{
		HTTP: http.DefaultClient, Base: w.stack.Config.SFU.BridgeURL,
		Key: sign.Key{ID: stack.ScriptKey, Role: "script", Secret: []byte(w.stack.Secret(stack.ScriptKey))},
	}
}

// place places a call as a script and returns its id.
func (w *world) place(number, room string) string {
	w.Helper()
	var placed wire.CallResponse
	if err := w.control().Do(w.soon(), http.MethodPost, wire.PathCalls, wire.CallRequest{Room: room, Number: number}, &placed); err != nil {
		w.Fatal(err)
	}
	return placed.Call.ID
}

// drop hangs a call up from the room's side.
func (w *world) drop(id string) {
	w.Helper()
	if err := w.control().Do(w.soon(), http.MethodDelete, wire.PathCalls+"/"+id, nil, nil); err != nil {
		w.Fatal(err)
	}
}

// callOf is how a call stands.
func (w *world) callOf(id string) wire.Call {
	var now wire.CallResponse
	_ = w.control().Do(w.soon(), http.MethodGet, wire.PathCalls+"/"+id, nil, &now)
	return now.Call
}

func (w *world) callState(id string) wire.State { return w.callOf(id).State }

// transfer asks for a phone to be sent to another number. status is 0 for yes.
func (w *world) transfer(id, number string) (transfer string, status int) {
	w.Helper()
	var placed wire.CallResponse
	err := w.control().Do(w.soon(), http.MethodPost, wire.PathCalls+"/"+id+"/transfer", wire.TransferRequest{Number: number}, &placed)
	var refused *sign.StatusError
	if errors.As(err, &refused) {
		return "", refused.Status
	}
	if err != nil {
		w.Fatal(err)
	}
	return placed.Call.ID, 0
}

// A phone is sent to other numbers: one that is blocked, one that is busy, and
// one that answers. The first it is never told of, the second leaves it where it is.
func TestAPhoneIsSentToAnotherNumberAsTheGuardAllows(t *testing.T) {
	w := newWorld(t, options{settings: func(c *config.Config) {
		patient(c)
		c.Trunks[0].Transfer = true
		c.Fraud.Block = []string{"+44"}
	}})
	call := w.place("600", "desk")
	eventually(t, patience, "the phone has answered", func() bool { return w.callState(call) == wire.Answered })

	if _, status := w.transfer(call, "+442071234567"); status != http.StatusForbidden {
		t.Errorf("a blocked number: answered %d", status)
	}
	if n := w.carrier.Count("REFER"); n != 0 {
		t.Fatalf("the carrier has got %d REFERs for a blocked number", n)
	}

	busy, _ := w.transfer(call, "602")
	eventually(t, patience, "the busy number is said to be", func() bool {
		now := w.callOf(busy)
		return now.State == wire.Ended && now.Reason == wire.Busy
	})
	if state := w.callState(call); state != wire.Answered {
		t.Errorf("the phone that stayed is %s", state)
	}
	eventually(t, patience, "it is on record", func() bool { return w.ending("602") == "busy" })

	away, _ := w.transfer(call, "601")
	eventually(t, patience, "both calls are over", func() bool {
		return w.callOf(away).Reason == wire.Transferred && w.callOf(call).Reason == wire.Transferred
	})
	w.event(patience, "BYE", "600")
	eventually(t, patience, "both are on record", func() bool {
		return w.ending("601") == "transferred" && w.ending("600") == "transferred"
	})
	if n := w.carrier.Count("INVITE"); n != 1 {
		t.Errorf("%d INVITEs: the other calls were the phone's to place", n)
	}
}

// The settings are the operator's: without leave no phone of a trunk goes anywhere.
func TestAPhoneOfATrunkThatMayNotTransferStays(t *testing.T) {
	w := newWorld(t, options{settings: patient})
	call := w.place("600", "desk")
	eventually(t, patience, "the phone has answered", func() bool { return w.callState(call) == wire.Answered })
	if _, status := w.transfer(call, "601"); status != http.StatusForbidden {
		t.Errorf("answered %d", status)
	}
	if w.ending("601") != "" || w.carrier.Count("REFER") != 0 {
		t.Error("it was tried all the same")
	}
}

// baresip, as a desk phone, is sent to a number outside, and dials it itself: that
// is the dial the guard has allowed, and no second one.
func TestADeskPhoneIsSentToANumberOutsideAndDialsOnce(t *testing.T) {
	host := hostIP(t)
	w := newWorld(t, options{
		carrier: func(c *ua.Config) { c.UDP, c.TCP = host+":0", "" },
		settings: func(c *config.Config) {
			patient(c)
			_, port, _ := net.SplitHostPort(c.Bridge.SIP.UDP)
			c.Bridge.SIP.UDP, c.Bridge.SIP.TCP = "0.0.0.0:"+port, ""
			c.Extensions = []config.Extension{{Number: "631", Password: "four-words-or-so", Name: "front desk"}}
		},
	})
	_, port, err := net.SplitHostPort(w.stack.Config.Bridge.SIP.UDP)
	if err != nil {
		t.Fatal(err)
	}
	log := said(t)
	startBaresip(t, log, "631", manner{user: fmt.Sprintf("631@%s:%s", host, port), account: ";auth_pass=four-words-or-so;regint=60"})
	eventually(t, patience, "baresip is registered", func() bool { return strings.Contains(log.String(), "200 OK") })
	call := w.place("631", "desk")
	eventually(t, patience, "it has answered", func() bool { return w.callState(call) == wire.Answered })
	away, status := w.transfer(call, "+4930123456")
	if status != 0 {
		t.Fatalf("answered %d", status)
	}
	eventually(t, patience, "both calls are over", func() bool {
		return w.callOf(away).Reason == wire.Transferred && w.callOf(call).Reason == wire.Transferred
	})
	far := w.call("4930123456", 0)
	eventually(t, patience, "the number outside hears baresip", func() bool { return far.Media().Stats().Received > 100 })
	if n := w.reservations()["+4930123456"]; n != 1 || w.ending("+4930123456") != "" {
		t.Errorf("%d calls are on record, the last one ended %q", n, w.ending("+4930123456"))
	}
}
