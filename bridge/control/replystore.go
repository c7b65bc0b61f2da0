package control

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// The answers are kept in an append-only file of lines, written anew when it
// has grown:
//
//	dialroom-replies 1
//	{"key":"…","body":"…"}                          a request, before its call is placed
//	{"key":"…","body":"…","status":202,"answer":{…}} and its answer
//
// The first line of a request is synchronised to disk before anything is done
// for it, so that neither a killed process nor a loss of power makes the same
// request place a second call. Answers are left to the kernel: one that is lost
// is known to be lost. A last line that was torn belongs to a request for which
// nothing was done yet.
type replyStore struct {
	path string

	// Owned by the mutex of replies.
	file  *os.File
	lines int // in the file since it was last written anew
}

// storedReply is one entry of the file.
type storedReply struct {
	key    replyKey
	body   [sha256.Size]byte
	answer *reply // nil while it is made
}

// replyLine is a line of the file.
type replyLine struct {
	Key    string          `json:"key"`
	Body   string          `json:"body"`
	Status int             `json:"status,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
}

const (
	repliesMagic = "dialroom-replies 1"

	// maxReplyLine bounds a line, in bytes; an answer has a few hundred.
	maxReplyLine = 64 << 10

	// rewriteAfter is how many lines beyond two for each live entry the file
	// may have before it is written anew.
	rewriteAfter = 4096
)

// openReplyStore reads the file at path, if there is one, and hands every entry
// that can be understood to restore, in order.
func openReplyStore(path string, restore func(key replyKey, body [sha256.Size]byte, answer *reply), log *slog.Logger) (*replyStore, error) {
	s := &replyStore{path: path}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxReplyLine)
	damaged := 0
	if lines.Scan() && lines.Text() != repliesMagic {
		damaged++
	}
	for lines.Scan() {
		if entry, ok := parseReply(lines.Bytes()); ok {
			restore(entry.key, entry.body, entry.answer)
		} else {
			damaged++
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		damaged++
	} else if err != nil {
		return nil, err
	}
	if damaged > 0 {
		log.Warn("lines of the file of answers to scripts cannot be read", "file", path, "lines", damaged)
	}
	return s, nil
}

func parseReply(text []byte) (entry storedReply, ok bool) {
	var line replyLine
	if json.Unmarshal(text, &line) != nil || !unhex(entry.key[:], line.Key) || !unhex(entry.body[:], line.Body) {
		return storedReply{}, false
	}
	if line.Status != 0 {
		if line.Status < 200 || line.Status > 599 || len(line.Answer) == 0 {
			return storedReply{}, false
		}
		entry.answer = &reply{line.Status, line.Answer}
	}
	return entry, true
}

func unhex(into []byte, text string) bool {
	if len(text) != 2*len(into) {
		return false
	}
	_, err := hex.Decode(into, []byte(text))
	return err == nil
}

func (e storedReply) line() ([]byte, error) {
	line := replyLine{Key: hex.EncodeToString(e.key[:]), Body: hex.EncodeToString(e.body[:])}
	if e.answer != nil {
		var err error
		if line.Answer, err = json.Marshal(e.answer.body); err != nil {
			return nil, err
		}
		line.Status = e.answer.status
	}
	b, err := json.Marshal(line)
	return append(b, '\n'), err
}

// claim writes a request before anything is done for it. entries are what the
// file must hold should it be written anew.
func (s *replyStore) claim(key replyKey, body [sha256.Size]byte, entries func() []storedReply) error {
	if list := entries(); s.file == nil || s.lines > 2*len(list)+rewriteAfter {
		if err := s.rewrite(list); err != nil {
			return err
		}
	}
	err := s.answer(storedReply{key: key, body: body})
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.close() // half a line may stand there; the next request writes the file anew
	}
	return err
}

// answer writes one entry.
func (s *replyStore) answer(e storedReply) error {
	line, err := e.line()
	if err != nil {
		return err
	}
	if s.file == nil {
		return fs.ErrClosed
	}
	s.lines++
	_, err = s.file.Write(line)
	return err
}

// rewrite replaces the file. Losing power in between leaves the old or the new one.
func (s *replyStore) rewrite(entries []storedReply) error {
	b := bytes.NewBufferString(repliesMagic + "\n")
	for _, e := range entries {
		line, err := e.line()
		if err != nil {
			return err
		}
		b.Write(line)
	}
	f, err := os.OpenFile(s.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b.Bytes())
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(s.path+".new", s.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(s.path))
	}
	if err != nil {
		_ = f.Close()
		return err
	}
	s.close()
	s.file, s.lines = f, len(entries)
	return nil
}

func (s *replyStore) close() {
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
}

// syncDir makes a rename survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
