package phone

import (
	"bytes"
	"testing"

	"dialroom/sfu/room"
)

func TestParse(t *testing.T) {
	fixed := "\x80\x88\x12\x34\x00\x00\x00\xa0\x00\x00\x00\x07"
	for _, c := range []struct{ name, packet, payload string }{
		{"a plain packet", fixed + "abc", "abc"},
		{"two contributing sources", "\x82" + fixed[1:] + "11112222abc", "abc"},
		{"an extension of one word", "\x90" + fixed[1:] + "\xbe\xde\x00\x01xxxxabc", "abc"},
		{"an empty extension", "\x90" + fixed[1:] + "\xbe\xde\x00\x00abc", "abc"},
		{"padding", "\xa0" + fixed[1:] + "abc\x00\x02", "abc"},
		{"everything at once", "\xb1" + fixed[1:] + "1111\xbe\xde\x00\x01xxxxabc\x01", "abc"},
		{"nothing", "", ""},
		{"a short header", fixed[:11], ""},
		{"no payload", fixed, ""},
		{"version 1", "\x40" + fixed[1:] + "abc", ""},
		{"contributing sources that are not there", "\x8f" + fixed[1:] + "1111", ""},
		{"an extension header that is cut off", "\x90" + fixed[1:] + "\xbe\xde\x00", ""},
		{"an extension longer than the packet", "\x90" + fixed[1:] + "\xbe\xde\xff\xffabc", ""},
		{"an extension and no payload", "\x90" + fixed[1:] + "\xbe\xde\x00\x01xxxx", ""},
		{"padding longer than the payload", "\xa0" + fixed[1:] + "abc\x05", ""},
		{"padding that is all there is", "\xa0" + fixed[1:] + "abc\x04", ""},
		{"padding of nothing", "\xa0" + fixed[1:] + "abc\x00", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, payload, ok := parse([]byte(c.packet))
			if ok != (c.payload != "") || ok && string(payload) != c.payload {
				t.Fatalf("payload %q, %v", payload, ok)
			}
			if want := (header{marker: true, pt: 8, seq: 0x1234, timestamp: 160, ssrc: 7}); ok && h != want {
				t.Errorf("%+v", h)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("\xb1\x88\x12\x34\x00\x00\x00\xa0\x00\x00\x00\x071111\xbe\xde\x00\x01xxxxabc\x01"))
	f.Add([]byte("\x80\x08\xff\xff\xff\xff\xff\xff\x00\x00\x00\x01\xd5"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, payload, ok := parse(b)
		if !ok {
			return
		}
		if len(payload) == 0 || !bytes.Contains(b[headerSize:], payload) {
			t.Fatalf("payload %x", payload)
		}
		again := make([]byte, headerSize, headerSize+len(payload))
		h.put(again)
		if g, p, ok := parse(append(again, payload...)); !ok || g != h || !bytes.Equal(p, payload) {
			t.Fatalf("%+v becomes %+v", h, g)
		}
	})
}

// FuzzReceive puts anything into a hub whose legs relay and mix.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x80\x08\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\xd5\xd5"), true)
	f.Fuzz(func(t *testing.T, b []byte, mixing bool) {
		s := newStage(nil)
		s.quiet = true
		c := s.hub.NewConference()
		one, two := s.hub.NewLeg("1"), s.hub.NewLeg("2")
		_, _ = one.Connect("PCMA", bridgeAddr), two.Connect("PCMU", bridgeAddr)
		c.Add(two)
		sp := s.speaker(room.PCMU, make([]int16, 800), 0)
		list := tracks(sp)
		if !mixing {
			list = nil
		}
		c.SetSources(append(list, one.Track()))
		for len(b) > 0 {
			n := min(len(b), 64)
			p := append([]byte(nil), b[:n]...)
			b = b[n:]
			if n >= headerSize {
				header{ssrc: one.ssrcIn, seq: uint16(p[2])<<8 | uint16(p[3]), pt: p[1] & 9, timestamp: uint32(p[4])<<16 | uint32(p[5])}.put(p)
			}
			s.hub.receive(p, bridgeAddr)
			s.run(7e6)
		}
	})
}
