package ua

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/pion/srtp/v3"
)

// protection is the SRTP of one call, with keys from the session descriptions (RFC 4568).
type protection struct {
	in, out   *srtp.Context
	theirs    string // key parameter of the offer
	attribute string // our crypto attribute
}

// secure returns the protection that an offer asks for, before as long as the
// key is the same; nil for a plain stream. It is an error when the carrier wants
// SRTP and is not offered any, and the other way round.
func (c *Carrier) secure(o offer, before *protection) (*protection, error) {
	if c.cfg.SRTP != "off" {
		for _, line := range o.cryptos {
			f := strings.Fields(line)
			if len(f) != 3 {
				continue // session parameters would change how packets look
			}
			if before != nil && before.theirs == f[2] {
				return before, nil
			}
			if p, err := newProtection(f[0], f[1], f[2]); err == nil {
				return p, nil
			}
		}
	}
	switch {
	case o.proto == "RTP/SAVP":
		return nil, fmt.Errorf("%w: no SRTP we could speak", ErrOffer)
	case c.cfg.SRTP == "required":
		return nil, fmt.Errorf("%w: no SRTP", ErrOffer)
	}
	return nil, nil
}

func newProtection(tag, suite, theirs string) (*protection, error) {
	profile := srtp.ProtectionProfileAes128CmHmacSha1_80
	switch suite {
	case "AES_CM_128_HMAC_SHA1_80":
	case "AES_CM_128_HMAC_SHA1_32":
		profile = srtp.ProtectionProfileAes128CmHmacSha1_32
	default:
		return nil, fmt.Errorf("%w: suite %q", ErrOffer, suite)
	}
	inline, _, _ := strings.Cut(strings.TrimPrefix(theirs, "inline:"), "|")
	key, err := base64.StdEncoding.DecodeString(inline)
	if err != nil || len(key) != 30 {
		return nil, fmt.Errorf("%w: key", ErrOffer)
	}
	own := make([]byte, 30)
	_, _ = rand.Read(own) // never fails
	p := &protection{theirs: theirs, attribute: tag + " " + suite + " inline:" + base64.StdEncoding.EncodeToString(own)}
	if p.in, err = srtp.CreateContext(key[:16], key[16:], profile, srtp.SRTPReplayProtection(64)); err != nil {
		return nil, err
	}
	p.out, err = srtp.CreateContext(own[:16], own[16:], profile)
	return p, err
}
