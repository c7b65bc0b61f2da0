// Command check is the test command: it prepares the machine, checks the tree
// and runs every test.
//
//	go run ./scripts/check            every step, in order
//	go run ./scripts/check STEP…      only these
//
// The steps are setup, format, vet, staticcheck, rules, build, page and tests.
// A step that cannot run here (a tool is missing and cannot be installed) is
// skipped with its reason; when CI is true in the environment nothing may be
// skipped. The last line counts: "N passed, N failed, N skipped". A failed
// step counts as one failure, a skipped one as one skip.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

func main() {
	c := &check{ci: os.Getenv("CI") == "true", out: os.Stdout}
	if err := c.run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if c.failed > 0 || c.ci && c.skipped > 0 {
		os.Exit(1)
	}
}

// check is one run.
type check struct {
	ci  bool
	out io.Writer

	passed, failed, skipped int
}

// skip is the error of a step that cannot run here, with the reason.
type skip string

func (s skip) Error() string { return string(s) }

type step struct {
	name string
	run  func(*check) error
}

func steps() []step {
	return []step{
		{"setup", (*check).setup},
		{"format", (*check).format},
		{"vet", (*check).vet},
		{"staticcheck", (*check).staticcheck},
		{"rules", (*check).rules},
		{"build", (*check).build},
		{"page", (*check).page},
		{"tests", (*check).tests},
	}
}

// run runs the named steps, all when there are none, and prints the count.
func (c *check) run(names []string) error {
	all := steps()
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s step) bool { return s.name == name }) {
			return fmt.Errorf("no step %q", name)
		}
	}
	var bad []string
	for _, s := range all {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		start := time.Now()
		fmt.Fprintf(c.out, "== %s\n", s.name)
		err := s.run(c)
		var why skip
		switch {
		case errors.As(err, &why):
			c.skipped++
			fmt.Fprintf(c.out, "-- %s: skipped: %s\n", s.name, why)
			if c.ci {
				bad = append(bad, s.name)
			}
		case err != nil:
			c.failed++
			bad = append(bad, s.name)
			fmt.Fprintf(c.out, "-- %s: FAILED: %v\n", s.name, err)
		default:
			fmt.Fprintf(c.out, "-- %s: ok (%.1f s)\n", s.name, time.Since(start).Seconds())
		}
	}
	if len(bad) > 0 {
		fmt.Fprintf(c.out, "\nNot in order: %s\n", strings.Join(bad, ", "))
	}
	if c.ci && c.skipped > 0 {
		fmt.Fprintln(c.out, "CI skips nothing: every skip is a failure")
	}
	fmt.Fprintf(c.out, "%d passed, %d failed, %d skipped\n", c.passed, c.failed, c.skipped)
	return nil
}

// command runs a program with its output shown.
func (c *check) command(env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = c.out, c.out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// output runs a program and returns what it printed.
func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return string(out), nil
}
