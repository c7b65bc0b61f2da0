package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"

	"os/exec"
	"slices"
	"strings"
)

// realTime are the folders whose tests start the real processes and listen to
// them in real time: they have the machine to themselves, one after the other.
func realTime() []string { return []string{"scripts/demo", "scripts/load", "scripts/e2e"} }

// packageTimeout ends a hanging test binary with all its stacks on the screen.
const packageTimeout = "45m"

// tests runs and counts every test under the race detector.
func (c *check) tests() error {
	list, err := output("go", "list", "./...")
	if err != nil {
		return err
	}
	var fast, real []string
	for _, pkg := range strings.Fields(list) {
		short := strings.TrimPrefix(pkg, module+"/")
		if slices.ContainsFunc(realTime(), func(folder string) bool { return within(short, folder) }) {
			real = append(real, pkg)
		} else {
			fast = append(fast, pkg)
		}
	}
	return errors.Join(c.goTest(fast), c.goTest(real, "-p=1"))
}

// goTest runs the tests of some packages. Failed tests are counted and shown; the
// error is about what could not be run.
func (c *check) goTest(packages []string, flags ...string) error {
	if len(packages) == 0 {
		return nil
	}
	// vet ran as a step of its own.
	args := append([]string{"test", "-json", "-vet=off", "-timeout=" + packageTimeout}, flags...)
	if raceSupported() {
		args = append(args, "-race")
	} else if c.ci {
		return errors.New("no race detector here: gcc is missing")
	} else {
		fmt.Fprintln(c.out, "without the race detector: gcc is missing")
	}
	cmd := exec.Command("go", append(args, packages...)...)
	cmd.Stderr = c.out
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n := newCounter(c.out)
	readErr := n.read(stdout)
	runErr := cmd.Wait()
	c.passed += n.passed
	c.failed += n.failed
	c.skipped += n.skipped
	if n.failed == 0 && runErr != nil {
		return errors.Join(readErr, runErr)
	}
	return readErr
}

// event is one line of go test -json (go doc test2json), and of go build -json.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build events
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// counter counts tests, subtests included, and shows what failed.
type counter struct {
	out                     io.Writer
	passed, failed, skipped int

	output   map[string][]string // of tests and packages under way
	builds   map[string][]string // what the compiler said, by import path
	failedIn map[string]int      // failed tests by package
	ran      map[string]int      // tests by package
}

func newCounter(out io.Writer) *counter {
	return &counter{out: out, output: map[string][]string{}, builds: map[string][]string{}, failedIn: map[string]int{}, ran: map[string]int{}}
}

func (n *counter) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) == nil {
				n.add(e)
			} else {
				_, _ = n.out.Write(line) // go itself speaking
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (n *counter) add(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		n.builds[e.ImportPath] = append(n.builds[e.ImportPath], e.Output)
	case "output":
		n.output[key] = append(n.output[key], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			n.endPackage(e)
		} else {
			n.endTest(e, key)
		}
	}
}

func (n *counter) endTest(e event, key string) {
	n.ran[e.Package]++
	switch e.Action {
	case "pass":
		n.passed++
	case "fail":
		n.failed++
		n.failedIn[e.Package]++
		n.show(fmt.Sprintf("--- FAIL: %s %s", e.Package, e.Test), n.output[key])
	case "skip":
		n.skipped++
		n.show(fmt.Sprintf("--- SKIP: %s %s", e.Package, e.Test), n.output[key])
	}
	delete(n.output, key)
}

func (n *counter) endPackage(e event) {
	if e.Action == "fail" && n.failedIn[e.Package] == 0 {
		// It did not build, panicked outside a test, hung or leaked.
		n.failed++
		n.show("--- FAIL: "+e.Package, n.builds[e.FailedBuild])
		for _, key := range slices.Sorted(maps.Keys(n.output)) {
			if strings.HasPrefix(key, e.Package+" ") {
				n.show("", n.output[key])
			}
		}
	}
	maps.DeleteFunc(n.output, func(key string, _ []string) bool { return strings.HasPrefix(key, e.Package+" ") })
	word := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "?   "}[e.Action]
	fmt.Fprintf(n.out, "%s %s (%d tests, %.1f s)\n", word, e.Package, n.ran[e.Package], e.Elapsed)
}

// show prints what a test said, indented under its title.
func (n *counter) show(title string, lines []string) {
	if title != "" {
		fmt.Fprintln(n.out, title)
	}
	for _, l := range lines {
		if noise(l) {
			continue
		}
		fmt.Fprint(n.out, "    ", strings.TrimSuffix(l, "\n"), "\n")
	}
}

// noise are the lines that say what the title says.
func noise(line string) bool {
	return strings.HasPrefix(line, "=== ")
}
