// Package registrar keeps the desk phones: who may register, and where the
// devices of each extension are.
//
// A REGISTER passes the ban list, then digest authentication (auth.go), then
// its Contacts become bindings (bindings.go), which run out when they are not
// refreshed. A call of a phone passes the same authentication. Whoever wants to
// ring an extension asks for its bindings.
//
// An extension that does not exist and a wrong password get the same answer by
// the same work, and after a few of either an address gets no answer at all.
//
// The package sends nothing and places no calls.
package registrar

import (
	"crypto/rand"
	"crypto/subtle"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Extension is a desk phone as the settings describe it.
type Extension struct {
	Number   string
	Password string
	Name     string
}

// Config is what a Registrar needs.
type Config struct {
	Realm  string // shown to phones; a change makes every phone forget its password
	Now    func() time.Time
	Logger *slog.Logger
}

// Registrar holds the extensions and their bindings. It is safe for concurrent use.
type Registrar struct {
	cfg    Config // fixed after New
	log    *slog.Logger
	secret []byte // of the nonces
	decoy  string // account of extensions that do not exist

	mu         sync.Mutex // guards what follows
	extensions map[string]Extension
	accounts   map[string]string    // hashes of the passwords, by number
	bindings   map[string][]Binding // by number
	used       map[string]time.Time // nonces, until when they would be good
	swept      time.Time            // when used and failures were last cleared
	failures   map[netip.Prefix]*failures
}

// New returns a registrar without extensions.
func New(cfg Config) *Registrar {
	if cfg.Realm == "" {
		cfg.Realm = "dialroom"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	secret := make([]byte, 32)
	rand.Read(secret)
	return &Registrar{
		cfg: cfg, log: cfg.Logger, secret: secret, decoy: accountOf(rand.Text(), cfg.Realm, rand.Text()),
		extensions: make(map[string]Extension), bindings: make(map[string][]Binding),
		used: make(map[string]time.Time), failures: make(map[netip.Prefix]*failures),
	}
}

// Load replaces the extensions. The devices of one that is gone, or has another
// password, are forgotten.
func (r *Registrar) Load(list []Extension) {
	next, accounts := make(map[string]Extension, len(list)), make(map[string]string, len(list))
	for _, e := range list {
		next[e.Number], accounts[e.Number] = e, accountOf(e.Number, r.cfg.Realm, e.Password)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for number := range r.bindings {
		if next[number].Password != r.extensions[number].Password || next[number].Number == "" {
			delete(r.bindings, number)
		}
	}
	r.extensions, r.accounts = next, accounts
}

// Has returns the extension of that number.
func (r *Registrar) Has(number string) (Extension, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.extensions[number]
	return e, ok
}

// Empty reports whether there are no extensions at all.
func (r *Registrar) Empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.extensions) == 0
}

// Register answers a REGISTER (RFC 3261 §10.3). nil is no answer: the address
// is banned.
func (r *Registrar) Register(req *sip.Request) *sip.Response {
	source, ok := sourceOf(req)
	if !ok {
		return nil
	}
	to := req.To()
	ext, answer := r.authenticate(req, source.Addr(), to.Address.User)
	if answer != nil || ext == nil {
		return answer
	}
	if tags := required(req); len(tags) > 0 {
		res := sip.NewResponseFromRequest(req, sip.StatusBadExtension, "Bad Extension", nil)
		res.AppendHeader(sip.NewHeader("Unsupported", strings.Join(tags, ", ")))
		return res
	}
	return r.bind(req, source, ext)
}

// Authenticate says which extension has sent a request. An answer, or none of
// both for a banned address, means that it may not go on.
func (r *Registrar) Authenticate(req *sip.Request) (*Extension, *sip.Response) {
	source, ok := sourceOf(req)
	if !ok {
		return nil, nil
	}
	return r.authenticate(req, source.Addr(), req.From().Address.User)
}

func sourceOf(req *sip.Request) (netip.AddrPort, bool) {
	source, err := netip.ParseAddrPort(req.Source())
	if err != nil {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(source.Addr().Unmap(), source.Port()), true
}

// required returns the option tags that a REGISTER insists on and we lack.
func required(req *sip.Request) []string {
	var list []string
	for _, h := range req.GetHeaders("Require") {
		for tag := range strings.SplitSeq(h.Value(), ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				list = append(list, tag)
			}
		}
	}
	return list
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
