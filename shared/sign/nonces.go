package sign

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A nonce is good once, also across a restart. The nonces store keeps every
// nonce for as long as the age check alone would let its request pass again,
// in memory and in an append-only file:
//
//	dialroom-nonces 1 <boot id of the machine>
//	<created, Unix seconds> <hex of the nonce's tag>
//	closed
//
// A nonce is written before its request is accepted. Written means handed to
// the kernel, which a killed process cannot take back; so after a restart on a
// machine that stayed up the file is complete, everything in it is refused,
// and everything else is accepted at once. The last line of a file that was
// closed is "closed", synchronised to disk; such a file is complete too.
//
// A machine that lost power may have lost the end of the file. Then, and when
// the file is damaged, requests that may have been accepted before are refused
// by their time of signing: those up to MaxAge after the machine came up (no
// request accepted before that can be signed later), or, when that is unknown,
// MaxAge after the process did. A file that does not exist is a first start.
type nonces struct {
	path string // "" keeps nothing on disk

	// Owned by the Verifier's mutex.
	file    *os.File
	lines   int // in the file since it was last rewritten
	seen    map[tag]int64
	order   []entry // of seen, in the order of arrival; times are in order but for MaxAge either way
	perKey  map[string]int
	floor   int64 // requests created at or before this second are refused: their nonces are forgotten
	purgeAt int64 // the second of the last purge
}

// tag identifies a nonce of a key: the first half of a SHA-256. Finding two
// nonces with one tag gains an attacker nothing but a refusal.
type tag [16]byte

type entry struct {
	tag     tag
	created int64
	keyID   string // "" when it came from the file
}

const (
	fileMagic  = "dialroom-nonces 1"
	fileClosed = "closed"

	// maxPerKey bounds the memory of a window: 500 calls a second with five
	// requests each, for the two minutes a nonce can live, are 300,000. Who
	// signs more is refused, and nobody else with them.
	maxPerKey = 1 << 19

	// rewriteAfter is how many lines a file may have beyond its live ones
	// before it is written anew; 4096 lines are 180 KB.
	rewriteAfter = 4096
)

func tagOf(keyID, nonce string) tag {
	sum := sha256.Sum256([]byte(keyID + "\x00" + nonce)) // a key id has no zero byte
	return tag(sum[:16])
}

// openNonces loads the file at path and starts a new one. now is the time of
// the start.
func openNonces(path string, now time.Time) (*nonces, error) {
	s := &nonces{path: path, seen: map[tag]int64{}, perKey: map[string]int{}, floor: -1}
	if path == "" {
		return s, nil
	}
	boot, up := machine()
	trusted, err := s.load(boot, now)
	if err != nil {
		return nil, fmt.Errorf("sign: load nonces: %w", err)
	}
	if !trusted {
		since := now
		if up > 0 {
			since = now.Add(-up)
		}
		s.floor = max(s.floor, since.Add(MaxAge).Unix())
	}
	if err := s.rewrite(); err != nil {
		return nil, fmt.Errorf("sign: start nonces: %w", err)
	}
	return s, nil
}

// load reads what an earlier process left and reports whether that is all it accepted.
func (s *nonces) load(boot string, now time.Time) (trusted bool, err error) {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	if !lines.Scan() {
		return false, lines.Err()
	}
	header, damaged, closed := lines.Text(), false, false
	for lines.Scan() {
		if closed = lines.Text() == fileClosed; closed {
			continue
		}
		created, t, ok := parseLine(lines.Text())
		if !ok {
			damaged = true
			continue
		}
		if now.Sub(time.Unix(created, 0)) <= MaxAge {
			s.keep(entry{tag: t, created: created})
		} else {
			s.floor = max(s.floor, created)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return false, nil
	}
	sameBoot := boot != "" && header == fileMagic+" "+boot
	return !damaged && (sameBoot || closed && strings.HasPrefix(header, fileMagic+" ")), lines.Err()
}

func parseLine(line string) (created int64, t tag, ok bool) {
	digits, hexTag, ok := strings.Cut(line, " ")
	if !ok || !isCount(digits) || len(hexTag) != 2*len(t) {
		return 0, t, false
	}
	created, _ = strconv.ParseInt(digits, 10, 64)
	_, err := hex.Decode(t[:], []byte(hexTag))
	return created, t, err == nil
}

func appendLine(b []byte, e entry) []byte {
	b = strconv.AppendInt(b, e.created, 10)
	b = append(b, ' ')
	b = hex.AppendEncode(b, e.tag[:])
	return append(b, '\n')
}

// use takes a nonce, or says why it cannot be taken. created is within MaxAge
// of now.
func (s *nonces) use(keyID, nonce string, created int64, now time.Time) error {
	s.purge(now)
	t := tagOf(keyID, nonce)
	if created <= s.floor {
		return errForgot
	}
	if _, again := s.seen[t]; again {
		return errReplay
	}
	if s.perKey[keyID] >= maxPerKey {
		return errFlood
	}
	e := entry{tag: t, created: created, keyID: keyID}
	if err := s.write(e); err != nil {
		return fmt.Errorf("%w: %w", ErrStore, err)
	}
	s.keep(e)
	return nil
}

func (s *nonces) keep(e entry) {
	s.seen[e.tag] = e.created
	s.order = append(s.order, e)
	s.perKey[e.keyID]++
}

// purge forgets nonces whose requests are too old to pass again, at most once
// a second. What is forgotten raises the floor, so that a clock set back
// cannot make a forgotten nonce good again.
func (s *nonces) purge(now time.Time) {
	if now.Unix() == s.purgeAt {
		return
	}
	s.purgeAt = now.Unix()
	n := 0
	for n < len(s.order) && now.Sub(time.Unix(s.order[n].created, 0)) > MaxAge {
		e := s.order[n]
		delete(s.seen, e.tag)
		if s.perKey[e.keyID]--; s.perKey[e.keyID] == 0 {
			delete(s.perKey, e.keyID)
		}
		s.floor = max(s.floor, e.created)
		n++
	}
	if n == 0 {
		return
	}
	s.order = append(s.order[:0:0], s.order[n:]...)
	if n >= len(s.seen) { // a map never shrinks by itself
		seen := make(map[tag]int64, len(s.seen))
		maps.Copy(seen, s.seen)
		s.seen = seen
	}
}

func (s *nonces) write(e entry) error {
	if s.path == "" {
		return nil
	}
	if s.file == nil || s.lines > len(s.order)+rewriteAfter {
		if err := s.rewrite(); err != nil {
			return err
		}
	}
	if _, err := s.file.Write(appendLine(nil, e)); err != nil {
		// Half a line may stand in the file now; the next request writes it anew.
		_ = s.file.Close()
		s.file = nil
		return err
	}
	s.lines++
	return nil
}

// rewrite replaces the file by one that holds only what is still kept. Losing
// power in between leaves the old file or the new one.
func (s *nonces) rewrite() error {
	boot, _ := machine()
	b := []byte(fileMagic + " " + boot + "\n")
	for _, e := range s.order {
		b = appendLine(b, e)
	}
	tmp := s.path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, s.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.file, s.lines = f, len(s.order)
	return nil
}

// close marks the file as complete.
func (s *nonces) close() error {
	if s.file == nil {
		return nil
	}
	_, err := s.file.WriteString(fileClosed + "\n")
	if err == nil {
		err = s.file.Sync()
	}
	err = errors.Join(err, s.file.Close())
	s.file = nil
	return err
}

// syncDir makes a rename survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// machine returns an id of this boot of the machine and how long it has been
// up; "" and 0 where the system does not tell (other than Linux).
func machine() (boot string, up time.Duration) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err == nil {
		boot = strings.TrimSpace(string(id))
	}
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return boot, 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return boot, 0
	}
	return boot, time.Duration(seconds * float64(time.Second))
}
