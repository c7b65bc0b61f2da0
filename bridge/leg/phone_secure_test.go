package leg

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/pion/srtp/v3"

	"dialroom/shared/wire"
)

// keyOf is a phone's key in base64, told apart by n.
func keyOf(n byte) string {
	var k master
	for i := range k {
		k[i] = n + byte(i)
	}
	return base64.StdEncoding.EncodeToString(k[:])
}

const (
	sha80 = "AES_CM_128_HMAC_SHA1_80"
	sha32 = "AES_CM_128_HMAC_SHA1_32"
)

// securePhone is the far end of a leg with SRTP.
type securePhone struct {
	t       testing.TB
	b       *bench
	in, out *srtp.Context
}

func contextOf(t testing.TB, value string) *srtp.Context {
	t.Helper()
	c, ok := parseCrypto(value)
	if !ok {
		t.Fatalf("crypto %q", value)
	}
	ctx, err := c.context(srtp.SRTPReplayProtection(64))
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// cryptoLines returns the crypto attributes of an SDP, and its m-line's profile.
func cryptoLines(text []byte) (proto string, values []string) {
	for line := range strings.SplitSeq(string(text), "\r\n") {
		if v, ok := strings.CutPrefix(line, "a=crypto:"); ok {
			values = append(values, v)
		}
		if f := strings.Fields(line); strings.HasPrefix(line, "m=audio") {
			proto = f[2]
		}
	}
	return proto, values
}

// secured is a bench whose leg has agreed on SRTP with a phone that answered its offer.
func secured(t testing.TB, suite string) (*bench, *securePhone) {
	t.Helper()
	b := newBench(t)
	b.leg.Secure(SRTPRequired)
	_, ours := cryptoLines(b.leg.Offer([]wire.Codec{wire.PCMA}))
	for _, v := range ours {
		if f := strings.Fields(v); f[1] == suite {
			theirs := f[0] + " " + suite + " inline:" + keyOf(1)
			s, err := b.leg.Answer([]byte(sdpOf("198.51.100.7", "m=audio 30000 RTP/SAVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=crypto:"+theirs)))
			if err != nil || !s.Secure {
				t.Fatalf("%+v, %v", s, err)
			}
			return b, &securePhone{t, b, contextOf(t, v), contextOf(t, theirs)}
		}
	}
	t.Fatalf("%s was not offered: %q", suite, ours)
	return nil, nil
}

func (p *securePhone) encrypted(plain []byte) []byte {
	p.t.Helper()
	out, err := p.out.EncryptRTP(nil, plain, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

// heard decrypts what the leg has sent to the phone.
func (p *securePhone) heard() (list []rtpHeader, payloads [][]byte) {
	p.t.Helper()
	for _, sent := range p.b.rtp.sent {
		plain, err := p.in.DecryptRTP(nil, sent.data, nil)
		if err != nil {
			p.t.Fatalf("the phone cannot read what it gets: %v", err)
		}
		h, ok := parseRTP(plain)
		if !ok {
			p.t.Fatalf("not RTP: % x", plain)
		}
		list, payloads = append(list, h), append(payloads, plain[h.start:h.end])
	}
	p.b.rtp.sent = nil
	return list, payloads
}
