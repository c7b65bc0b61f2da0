package call

import (
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"dialroom/shared/wire"
)

// ending says in our words why a final response (RFC 3261 §21) ended a call.
// rang is whether a phone had rung before: what timed out then is a person,
// not a network.
//
// Some statuses say it all. The others are what gateways answer for want of
// better; there the ISUP cause in the Reason header (RFC 3326, values of
// Q.850) is believed first.
func ending(res *sip.Response, rang bool) wire.Ending {
	if e, ok := exact[res.StatusCode]; ok {
		return e
	}
	if e, ok := causes[cause(res)]; ok {
		return e
	}
	silent := wire.Unreachable
	if rang {
		silent = wire.NoAnswer
	}
	switch status := res.StatusCode; {
	case status == sip.StatusTemporarilyUnavailable, status == sip.StatusRequestTimeout,
		status == sip.StatusRequestTerminated:
		return silent
	case status >= 300 && status < 400:
		// Redirections are not followed: the number that was checked is the
		// number that is dialled.
		return wire.Unreachable
	default:
		// The trunk does not want our request (401, 403, 488, …), or is
		// broken (5xx).
		return wire.TrunkFailed
	}
}

// exact are the statuses that need no second opinion.
var exact = map[int]wire.Ending{
	sip.StatusBusyHere:                   wire.Busy,
	sip.StatusGlobalBusyEverywhere:       wire.Busy,
	sip.StatusGlobalDecline:              wire.Declined,
	607:                                  wire.Declined, // Unwanted, RFC 8197
	608:                                  wire.Declined, // Rejected, RFC 8688
	433:                                  wire.Declined, // Anonymity Disallowed, RFC 5079
	sip.StatusNotFound:                   wire.NotFound,
	sip.StatusGone:                       wire.NotFound,
	sip.StatusAddressIncomplete:          wire.NotFound,
	sip.StatusAmbiguous:                  wire.NotFound,
	sip.StatusGlobalDoesNotExistAnywhere: wire.NotFound,
}

// causes are the Q.850 values with a meaning for a person.
var causes = map[int]wire.Ending{
	1:  wire.NotFound,    // unallocated number
	3:  wire.NotFound,    // no route to destination
	17: wire.Busy,        // user busy
	18: wire.NoAnswer,    // no user responding
	19: wire.NoAnswer,    // no answer from user
	20: wire.Unreachable, // subscriber absent
	21: wire.Declined,    // call rejected
	22: wire.NotFound,    // number changed
	27: wire.Unreachable, // destination out of order
	28: wire.NotFound,    // invalid number format
	31: wire.Unreachable, // normal, unspecified
	34: wire.TrunkFailed, // no circuit available
	38: wire.TrunkFailed, // network out of order
	41: wire.TrunkFailed, // temporary failure
	42: wire.TrunkFailed, // switching equipment congestion
	47: wire.TrunkFailed, // resource unavailable
}

// farewell says in our words why the far end's BYE or CANCEL ended a call. It
// is a person's hand unless its Reason says otherwise: both Q.850 and SIP's own
// statuses are in use there (RFC 3326 §2).
func farewell(msg sip.Message, answered bool) wire.Ending {
	if e, ok := faults[cause(msg)]; ok {
		return e
	}
	switch status := causeOf(msg, "SIP"); {
	case status == sip.StatusRequestTimeout, status == statusServerTimeout:
		if !answered {
			return wire.NoAnswer
		}
		return wire.Unreachable
	case status >= 500 && status <= 599:
		return wire.TrunkFailed
	}
	if c := cause(msg); !answered && (c == 18 || c == 19) {
		return wire.NoAnswer // the caller's network has let it ring long enough
	}
	return wire.HangupPhone
}

// faults are the Q.850 values with which a network, and no person, ends a call.
var faults = map[int]wire.Ending{
	20:  wire.Unreachable, // subscriber absent
	27:  wire.Unreachable, // destination out of order
	34:  wire.TrunkFailed, // no circuit available
	38:  wire.TrunkFailed, // network out of order
	41:  wire.TrunkFailed, // temporary failure
	42:  wire.TrunkFailed, // switching equipment congestion
	44:  wire.TrunkFailed, // requested circuit not available
	47:  wire.TrunkFailed, // resource unavailable
	102: wire.Unreachable, // recovery on timer expiry
}

// Reasons of our own that are no ending.
const (
	// completedElsewhere keeps a phone that has rung from listing a missed
	// call (RFC 3326 §3.1).
	completedElsewhere = `SIP;cause=200;text="Call completed elsewhere"`

	// goneElsewhere goes to a host that has said nothing for too long.
	goneElsewhere = `SIP;cause=408;text="Request Timeout"`
)

// reasonFor is what our BYE or CANCEL says of why a call ends (RFC 3326): the
// Q.850 value that a gateway hands on to the telephone network, and the ending
// in words.
func reasonFor(reason wire.Ending) string {
	switch reason {
	case wire.RoomEmpty:
		return `Q.850;cause=16;text="Nobody is left in the room"`
	case wire.MaxDuration:
		return `Q.850;cause=16;text="Maximum duration"`
	case wire.NoAnswer:
		return `Q.850;cause=19;text="No answer"`
	case wire.Declined:
		return `SIP;cause=603;text="Decline"`
	case wire.MediaLost:
		return `Q.850;cause=41;text="Media lost"`
	case wire.Shutdown, wire.BridgeLost:
		return `Q.850;cause=41;text="Shutting down"`
	case wire.Unreachable:
		return `Q.850;cause=102;text="Session not refreshed"`
	case wire.TrunkFailed, wire.NoTrunk:
		return `Q.850;cause=31;text="Call failed"`
	}
	return `Q.850;cause=16;text="Normal call clearing"`
}

// Refused is the Reason header that tells a caller's network why we refuse its
// call (RFC 6432 §3): a gateway hands the value on to the telephone network. The
// status alone would not do, 480 is said of an empty room and of a phone that is
// out of reach. Nil: there is none that says more than the status.
func Refused(reason wire.Ending) sip.Header {
	var value string
	switch reason {
	case wire.NotFound:
		value = `Q.850;cause=1;text="Unallocated number"`
	case wire.Busy:
		value = `Q.850;cause=17;text="User busy"`
	case wire.NoAnswer, wire.RoomEmpty:
		value = `Q.850;cause=19;text="No answer from user"`
	case wire.Unreachable:
		value = `Q.850;cause=20;text="Subscriber absent"`
	case wire.Declined, wire.HangupRoom:
		value = `Q.850;cause=21;text="Call rejected"`
	case wire.NoTrunk:
		value = `Q.850;cause=34;text="No circuit available"`
	case wire.TrunkFailed, wire.BridgeLost, wire.Shutdown, wire.MediaLost:
		value = `Q.850;cause=41;text="Temporary failure"`
	default:
		return nil
	}
	return sip.NewHeader("Reason", value)
}

// cause returns the Q.850 cause of a message's Reason headers, or 0.
func cause(msg sip.Message) int { return causeOf(msg, "Q.850") }

// causeOf returns the cause that a message's Reason headers have for a
// protocol, or 0. The header is a list, and a protocol's parameters come in any
// order (RFC 3326 §2).
func causeOf(msg sip.Message, protocol string) int {
	for _, header := range msg.GetHeaders("Reason") {
		for value := range strings.SplitSeq(header.Value(), ",") {
			fields := strings.Split(value, ";")
			if !strings.EqualFold(strings.TrimSpace(fields[0]), protocol) {
				continue
			}
			for _, field := range fields[1:] {
				name, number, _ := strings.Cut(field, "=")
				if !strings.EqualFold(strings.TrimSpace(name), "cause") {
					continue
				}
				if n, err := strconv.Atoi(strings.TrimSpace(number)); err == nil {
					return n
				}
			}
		}
	}
	return 0
}
