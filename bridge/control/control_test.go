package control

import (
	"testing"

	"dialroom/bridge/trunk"
	"dialroom/shared/wire"
)

func TestAnswersToAllErrorsOfTheTrunks(t *testing.T) {
	for _, err := range []error{trunk.ErrUnknown, trunk.ErrDisabled, trunk.ErrNotCarried, trunk.ErrFull, trunk.ErrNotAllowed, trunk.ErrTooFast} {
		if status, body := answerTo(err); status == 500 || body.Reason == "" || body.Text == "" {
			t.Errorf("%v is %d %+v", err, status, body)
		}
		if e := ending(err); e != wire.NoTrunk {
			t.Errorf("%v ends %s", err, e)
		}
	}
}

func TestCanonical(t *testing.T) {
	for s, want := range map[string]bool{
		"+4930123456": true, "610": true, "10": true, "123456": true, "+491": true, "+123456789012345": true,
		"": false, "1": false, "+": false, "+49": false, "1234567": false, "+1234567890123456": false,
		"++4930": false, "610;x=y": false, "sip:610": false, "٦١٠": false, " 610": false, "+49 30": false,
	} {
		if got := isCanonical(s); got != want {
			t.Errorf("%q is %v", s, got)
		}
	}
}
