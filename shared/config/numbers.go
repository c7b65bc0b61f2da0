package config

import (
	"fmt"
	"regexp"
	"time"
)

// Number is a virtual number: an inbound number and its room.
type Number struct {
	Number  string        `yaml:"number"`
	Room    string        `yaml:"room"`
	Name    string        `yaml:"name"`
	Waiting string        `yaml:"waiting"` // what a caller hears in an empty room: ring (default) or announce
	Wait    time.Duration `yaml:"wait"`    // for somebody to come; default 1m, with announce 10m
	PIN     string        `yaml:"pin"`     // to be pressed first
	Rooms   []Choice      `yaml:"rooms"`   // a code to press for each room, instead of room
}

// Choice is one of the rooms behind a number.
type Choice struct {
	Code string `yaml:"code"`
	Room string `yaml:"room"`
}

// What a caller hears in an empty room.
const (
	WaitingRing     = "ring"
	WaitingAnnounce = "announce"
)

// The waits that are used where none is set: as long as telephones ring, and
// as long as somebody listens to an announcement.
const (
	ringWait     = time.Minute
	announceWait = 10 * time.Minute
)

// minPassword keeps a desk phone from being everybody's: eight characters
// stand a day of guessing at the rate the registrar lets anybody guess.
const minPassword = 8

var (
	e164Number      = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	extensionNumber = regexp.MustCompile(`^[0-9]{2,6}$`)
	pinDigits       = regexp.MustCompile(`^[0-9*]{0,16}$`)
	roomName        = regexp.MustCompile(`^[^\x00-\x1f\x7f/?#]{1,64}$`)
)

func checkNumbers(d *decoder, c *Config) {
	seen := map[string]string{}
	for i := range c.Extensions {
		e, at := &c.Extensions[i], fmt.Sprintf("extensions[%d]", i)
		if !extensionNumber.MatchString(e.Number) {
			d.fail(at+".number", "expected two to six digits, got %q", e.Number)
		}
		d.unique(at+".number", e.Number, seen)
		if len(e.Password) < minPassword {
			d.fail(at+".password", "expected at least %d characters, got %d", minPassword, len(e.Password))
		}
		d.quotable(at+".name", e.Name)
	}
	for i := range c.Numbers {
		n, at := &c.Numbers[i], fmt.Sprintf("numbers[%d]", i)
		if !e164Number.MatchString(n.Number) && !extensionNumber.MatchString(n.Number) {
			d.fail(at+".number", "expected + and 7 to 15 digits, or two to six digits, got %q", n.Number)
		}
		d.unique(at+".number", n.Number, seen)
		d.quotable(at+".name", n.Name)
		checkRooms(d, n, at)
		switch n.Waiting {
		case "":
			n.Waiting = WaitingRing
		case WaitingRing, WaitingAnnounce:
		default:
			d.fail(at+".waiting", "expected ring or announce, got %q", n.Waiting)
		}
		if n.Wait == 0 {
			if n.Wait = ringWait; n.Waiting == WaitingAnnounce {
				n.Wait = announceWait
			}
		}
		d.between(at+".wait", n.Wait, time.Second, maxGrace)
		if !pinDigits.MatchString(n.PIN) {
			d.fail(at+".pin", "expected up to 16 digits")
		}
	}
}

// checkRooms wants one room, or several with a code each, none of which begins
// another: a caller need not say when a code is over.
func checkRooms(d *decoder, n *Number, at string) {
	if (n.Room == "") == (len(n.Rooms) == 0) {
		d.fail(at+".room", "expected a room, or several with a code each in rooms")
	}
	if n.Room != "" && !roomName.MatchString(n.Room) {
		d.fail(at+".room", "expected a room name, got %q", n.Room)
	}
	for i, c := range n.Rooms {
		item := fmt.Sprintf("%s.rooms[%d]", at, i)
		if c.Code == "" || !pinDigits.MatchString(c.Code) {
			d.fail(item+".code", "expected up to 16 digits, got %q", c.Code)
		}
		if !roomName.MatchString(c.Room) {
			d.fail(item+".room", "expected a room name, got %q", c.Room)
		}
		for j, other := range n.Rooms[:i] {
			if len(c.Code) > 0 && len(other.Code) > 0 && (len(c.Code) >= len(other.Code) && c.Code[:len(other.Code)] == other.Code ||
				len(other.Code) >= len(c.Code) && other.Code[:len(c.Code)] == c.Code) {
				d.fail(item+".code", "expected a code that neither begins nor continues that of rooms[%d]", j)
			}
		}
	}
}

func (d *decoder) unique(key, val string, seen map[string]string) {
	if other, twice := seen[val]; twice && val != "" {
		d.fail(key, "expected each number once, %s has it too", other)
	}
	seen[val] = key
}
