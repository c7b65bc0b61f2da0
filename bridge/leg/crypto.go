package leg

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/srtp/v3"
)

// SRTP is how a leg's media is to be protected.
type SRTP uint8

// Policies.
const (
	// SRTPOff speaks plain RTP only.
	SRTPOff SRTP = iota
	// SRTPOptional offers keys within the plain profile, as telephones do that
	// "prefer" SRTP, and takes what the far end makes of it.
	SRTPOptional
	// SRTPRequired has no call without it.
	SRTPRequired
)

// ParseSRTP reads the name a policy has in the settings; unknown ones are off.
func ParseSRTP(name string) SRTP {
	switch name {
	case "optional":
		return SRTPOptional
	case "required":
		return SRTPRequired
	}
	return SRTPOff
}

// suite is a crypto suite of RFC 4568 §6.2.
type suite struct {
	name    string
	profile srtp.ProtectionProfile
}

// suites we know, the better one first. Both have a key of 16 bytes and a salt of 14.
var suites = [...]suite{
	{"AES_CM_128_HMAC_SHA1_80", srtp.ProtectionProfileAes128CmHmacSha1_80},
	{"AES_CM_128_HMAC_SHA1_32", srtp.ProtectionProfileAes128CmHmacSha1_32},
}

const (
	masterKey  = 16
	masterSalt = 14
	// maxMKI is the longest master key identifier (RFC 4568 §6.1).
	maxMKI = 128
)

// master is a master key and its salt, as an inline parameter joins them.
type master [masterKey + masterSalt]byte

// crypto is one crypto attribute: a suite, and the key of who sends it.
type crypto struct {
	tag   string
	suite *suite
	key   master
	mki   string // bytes that stand in every packet; "" for none
}

// parseCrypto reads a crypto attribute (RFC 4568 §9.1). It is false for one that
// cannot be used: another suite, several keys, or a parameter that would change
// how packets look.
func parseCrypto(value string) (crypto, bool) {
	f := strings.Fields(value)
	if len(f) < 3 || len(f[0]) > 9 || strings.Trim(f[0], "0123456789") != "" {
		return crypto{}, false
	}
	c := crypto{tag: f[0]}
	for i := range suites {
		if strings.EqualFold(suites[i].name, f[1]) {
			c.suite = &suites[i]
		}
	}
	inline, ok := strings.CutPrefix(f[2], "inline:")
	if c.suite == nil || !ok || strings.Contains(inline, ";") {
		return crypto{}, false
	}
	for _, param := range f[3:] {
		// RFC 4568 §6.3: what is not understood makes the attribute useless,
		// unless it says it may be ignored (-), or says nothing new.
		if !strings.HasPrefix(param, "-") && !strings.HasPrefix(param, "WSH=") && param != "KDR=0" {
			return crypto{}, false
		}
	}
	parts := strings.Split(inline, "|") // key, then lifetime and MKI:length, both optional
	key, err := base64.StdEncoding.DecodeString(parts[0])
	if err != nil || len(key) != len(c.key) || len(parts) > 3 {
		return crypto{}, false
	}
	copy(c.key[:], key)
	if id, length, ok := strings.Cut(parts[len(parts)-1], ":"); ok && len(parts) > 1 {
		n, err := strconv.ParseUint(id, 10, 64)
		size, err2 := strconv.Atoi(length)
		if err != nil || err2 != nil || size < 1 || size > maxMKI || size < 8 && n>>(8*size) != 0 {
			return crypto{}, false
		}
		mki := make([]byte, size)
		for i := size - 1; i >= 0; i-- {
			mki[i], n = byte(n), n>>8
		}
		c.mki = string(mki)
	}
	return c, true
}

// String writes the attribute's value.
func (c *crypto) String() string {
	return fmt.Sprintf("%s %s inline:%s", c.tag, c.suite.name, base64.StdEncoding.EncodeToString(c.key[:]))
}

// context makes what packets pass.
func (c *crypto) context(opts ...srtp.ContextOption) (*srtp.Context, error) {
	if c.mki != "" {
		opts = append(opts, srtp.MasterKeyIndicator([]byte(c.mki)))
	}
	return srtp.CreateContext(c.key[:masterKey], c.key[masterKey:], c.suite.profile, opts...)
}

// keyring is the keys of a leg: one of ours per suite, made when first needed.
type keyring struct {
	policy SRTP
	own    [len(suites)]crypto
}

// offer returns the attributes we offer: one per suite, each with a key of its own.
func (k *keyring) offer() []crypto {
	for i := range k.own {
		if k.own[i].suite == nil {
			k.renew(i)
		}
	}
	return k.own[:]
}

// renew makes a new key for suite i.
func (k *keyring) renew(i int) {
	k.own[i] = crypto{tag: strconv.Itoa(i + 1), suite: &suites[i]}
	_, _ = rand.Read(k.own[i].key[:]) // never fails
}

// ours returns our key for the suite of theirs.
func (k *keyring) ours(theirs *crypto) *crypto {
	for i := range k.own {
		if theirs.suite == &suites[i] {
			if k.own[i].suite == nil {
				k.renew(i)
			}
			return &k.own[i]
		}
	}
	return nil // there is no other suite
}

// forget makes the next key another.
func (k *keyring) forget() { k.own = [len(suites)]crypto{} }
