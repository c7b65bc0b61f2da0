package wire

import (
	"errors"
	"testing"
)

func TestWhatIsWrongWithABodyIsSaidWithoutTheNamesOfOurTypes(t *testing.T) {
	for body, want := range map[string]string{
		`{"room":"r","number":"610"}`:               "",
		` {"room":"r","leg":{"media":"m"}} ` + "\n": "",
		``:                               "body: expected one JSON object",
		`{"room":`:                       "body: expected one JSON object",
		`[]`:                             "body: expected one JSON object",
		`"room"`:                         "body: expected one JSON object",
		`{"room":"r"}{}`:                 "body: expected one JSON object",
		`{"room":"r"}]`:                  "body: expected one JSON object",
		`{"number":610}`:                 "number: expected a string, got number",
		`{"room":["r"]}`:                 "room: expected a string, got array",
		`{"leg":"l"}`:                    "leg: expected an object, got string",
		`{"leg":{"max_ring":"60"}}`:      "leg.max_ring: expected a number, got string",
		`{"leg":{"ssrc_to_phone":-1}}`:   "leg.ssrc_to_phone: expected a number, got number -1",
		`{"colour":"red"}`:               "colour: unknown field",
		`{"leg":{"colour \"x\"":"red"}}`: `colour \"x\: unknown field`,
	} {
		err := Decode([]byte(body), new(CallRequest))
		var bad *BadBody
		switch {
		case want == "" && err == nil:
		case !errors.As(err, &bad), bad.Text != want:
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
