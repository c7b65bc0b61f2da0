package config

import (
	"strings"
	"testing"
	"time"
)

func TestNumbersAndExtensions(t *testing.T) {
	c, err := parse(t, keysOnly+`
extensions:
- {number: "610", password: "correct horse", name: front desk}
numbers:
- {number: "+4930123400", room: reception}
- {number: "+4930123401", waiting: announce, pin: "4711", rooms: [{code: "1", room: sales}, {code: "2", room: support}]}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Numbers[0]; n.Waiting != WaitingRing || n.Wait != time.Minute {
		t.Errorf("defaults %+v", n)
	}
	if n := c.Numbers[1]; n.Wait != 10*time.Minute || len(n.Rooms) != 2 {
		t.Errorf("got %+v", n)
	}
}

func TestBadNumbersAndExtensions(t *testing.T) {
	tests := map[string]struct{ src, want string }{
		"an extension is short":                {`extensions: [{number: "6100000", password: "correct horse"}]`, "extensions[0].number: expected two to six digits"},
		"a password is not everybody's":        {`extensions: [{number: "610", password: "610"}]`, "extensions[0].password: expected at least 8"},
		"two extensions are two":               {`extensions: [{number: "610", password: "correct horse"}, {number: "610", password: "correct horse"}]`, "extensions[1].number: expected each number once"},
		"a number is not an extension as well": {`{extensions: [{number: "610", password: "correct horse"}], numbers: [{number: "610", room: r}]}`, "numbers[0].number: expected each number once"},
		"a number has a room":                  {`numbers: [{number: "+4930123400"}]`, "numbers[0].room: expected a room"},
		"a number has one kind of room":        {`numbers: [{number: "+4930123400", room: r, rooms: [{code: "1", room: s}]}]`, "numbers[0].room: expected a room"},
		"a code does not begin another":        {`numbers: [{number: "+4930123400", rooms: [{code: "1", room: s}, {code: "12", room: t}]}]`, "numbers[0].rooms[1].code: expected a code that neither"},
		"a wrong PIN is not repeated":          {`numbers: [{number: "+4930123400", room: r, pin: "secret"}]`, "numbers[0].pin: expected up to 16 digits"},
		"waiting is a word we know":            {`numbers: [{number: "+4930123400", room: r, waiting: dance}]`, "numbers[0].waiting: expected ring or announce"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			src := test.src
			if strings.HasPrefix(src, "{") {
				src = strings.TrimSuffix(strings.TrimPrefix(src, "{"), "}")
				src = strings.Replace(src, ", numbers:", "\nnumbers:", 1)
			}
			_, err := parse(t, keysOnly+"\n"+src+"\n", nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret\"") {
				t.Errorf("the PIN is in %v", err)
			}
		})
	}
}
