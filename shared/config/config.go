// Package config reads the one settings file of both processes.
//
// The file is YAML and read strictly: an unknown key, a value of the wrong
// type, a reference to nothing or a value that makes no sense is an error with
// the line and the full path of its key, and all errors of a file are reported
// at once. A value may hold ${NAME}, which is taken from the environment. Keys
// that are left out have the values of [Default].
//
// A file flows through two steps: the decoder (decode.go) fills a Config
// that starts with the defaults and notes where every key stands, and the
// checks (check.go) look at each value. So a key is either honoured or refused,
// never ignored.
//
// The package opens no file but the settings file itself, resolves no name
// and keeps no state: reloading is loading again.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// maxFile bounds the settings file. A thousand trunks are about 500 KB.
const maxFile = 4 << 20

// Error is one thing wrong with a settings file.
type Error struct {
	File string // base name as given to Load or Parse
	Line int    // 1 is the first
	Key  string // full path, "trunks[0].transport"; empty for the file as a whole
	Want string // what was expected, and what was found unless it is secret
}

// Error returns "dialroom.yaml:12: trunks[0].transport: expected udp or tcp, got \"sctp\"".
func (e *Error) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Want)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Key, e.Want)
}

// places knows where the keys of a file stand.
type places struct {
	file  string
	lines map[string]int // key path -> line; "" is the file
}

// line finds where a key, or the nearest key around it, stands.
func (p places) line(key string) int {
	for {
		if line, ok := p.lines[key]; ok || key == "" {
			return max(line, 1)
		}
		key = key[:max(0, strings.LastIndexAny(key, ".["))]
	}
}

// Fail makes the error of a key that only its user can check: what is in the
// files that the settings name. It returns an *[Error].
func (c *Config) Fail(key, format string, args ...any) error {
	return &Error{File: c.places.file, Line: c.places.line(key), Key: key, Want: fmt.Sprintf(format, args...)}
}

// Load reads the settings file at path, with values from the environment of
// the process. Its errors are those of the file system, or as for [Parse].
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	defer func() { _ = f.Close() }()
	src, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return Parse(filepath.Base(path), src, os.Getenv)
}

// Parse reads settings from src. name stands for the file in errors, getenv
// returns the value of an environment variable or "". The error joins one
// *[Error] for each thing that is wrong, in the order of their lines.
func Parse(name string, src []byte, getenv func(string) string) (*Config, error) {
	d := &decoder{places: places{name, map[string]int{"": 1}}, getenv: getenv}
	cfg := Default()
	cfg.places = d.places
	if len(src) > maxFile {
		d.failAt(1, "", "expected at most %d bytes", maxFile)
		return nil, d.err()
	}
	if d.document(src, &cfg) {
		// A file that is not even YAML says nothing about the values.
		meet(d, &cfg)
		d.unread = len(d.errs)
		check(d, &cfg)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return &cfg, nil
}

// err joins what was found, by line.
func (d *decoder) err() error {
	sort.SliceStable(d.errs, func(i, j int) bool { return d.errs[i].Line < d.errs[j].Line })
	joined := make([]error, len(d.errs))
	for i, e := range d.errs {
		joined[i] = e
	}
	return errors.Join(joined...)
}
