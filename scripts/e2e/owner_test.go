package e2e

import (
	"net/url"
	"strings"
	"testing"
)

// from is an address as tabs open it, in English.
func from(address *url.URL) string {
	return strings.TrimPrefix(set(address, "lang", "en").RequestURI(), "/")
}

func TestAnOwnerMutesAndRemovesAndAGuestCannot(t *testing.T) {
	w := newWorld(t, signedOnly(secretOfLinks))
	b := newBrowser(w, nil)
	for i, l := range looks {
		t.Run(l.String(), func(t *testing.T) {
			u := person{b.on(t), l, "Board " + string(rune('A'+i))}
			owner := u.openOn(l.screen, l.scheme, from(w.signed("--room", u.room, "--name", "Olga", "--owner")), instrument)
			owner.connected()
			guest := u.enter("name=Gus&nocam=1")
			guest.connected()
			other := u.enter("name=Otto&nocam=1")
			other.connected()

			guest.tool("People")
			guest.in("list", "People in the room").see("StaticText", "Olga")
			if guest.has("button", "Remove Otto") || guest.has("button", "Mute Otto") {
				t.Error("a guest may remove others")
			}
			guest.click("button", "Close")

			owner.tool("People")
			owner.click("button", "Mute Gus")
			guest.see("button", "Unmute")
			guest.words("Olga has switched off your microphone.*")
			owner.accessible("an owner's list of people")
			owner.shoot("people-owner")
			guest.click("button", "Unmute")
			guest.see("button", "Mute")
			owner.see("button", "Mute Gus")

			owner.click("button", "Remove Gus")
			box := owner.in("dialog", "Remove Gus?")
			box.see("button", "Cancel")
			owner.shoot("remove")
			box.click("button", "Remove")
			guest.see("heading", "You were taken out of the room")
			guest.accessible("taken out")
			guest.shoot("taken-out")
			owner.gone("listitem", "Gus*")
			// Nobody comes back by loading the page again with what the browser remembers.
			other.see("listitem", "Olga*")
			owner.close()
		})
	}
}

func TestAnOwnerHangsUpAPhone(t *testing.T) {
	w := newWorld(t, signedOnly(secretOfLinks))
	u := person{newBrowser(w, nil), looks[0], "Board"}
	owner := u.openOn(u.look.screen, u.look.scheme, from(w.signed("--room", u.room, "--dial", "600", "--name", "Olga", "--owner")), instrument)
	owner.awaitState("answered")
	guest := u.enter("name=Gus&nocam=1")
	guest.awaitState("answered")
	owner.tool("People")
	owner.click("button", "Hang up 600")
	owner.in("dialog", "Hang up 600?").click("button", "End the call")
	guest.awaitState("ended")
	w.event(patience, "BYE", "600")
}
