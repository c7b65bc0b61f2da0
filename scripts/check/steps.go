package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// TypeScript checks the page's JSDoc types; it is pinned because a newer one may know new errors.
const typescript = "typescript@7.0.2"

// noCgo makes vet, staticcheck and the binaries share one build of everything
// they import; only the race detector needs cgo, and so a second one.
func noCgo() []string { return []string{"CGO_ENABLED=0"} }

// tool is a program the tests start, and the Debian package that has it.
type tool struct {
	program, pkg, what string
}

func tools() []tool {
	return []tool{
		{"gcc", "gcc", "the race detector"},
		{"chromium", "chromium", "tests in a browser"},
		{"baresip", "baresip-core", "tests with a second telephone"},
		{"sipp", "sip-tester", "SIP scenarios"},
		{"kamailio", "kamailio", "tests with a proxy in between"},
		{"npx", "npm", "the page's types, and its check for everybody (axe-core)"},
	}
}

// setup installs the programs that are missing, where it may.
func (c *check) setup() error {
	missing := missingTools()
	if len(missing) == 0 {
		return nil
	}
	why := ""
	if _, err := exec.LookPath("apt-get"); err != nil {
		why = "there is no apt-get here"
	} else if os.Geteuid() != 0 {
		why = "only root may install packages"
	} else {
		args := []string{"install", "-y", "-q", "--no-install-recommends"}
		for _, t := range missing {
			args = append(args, t.pkg)
		}
		quiet := []string{"DEBIAN_FRONTEND=noninteractive"}
		err := errors.Join(c.command(quiet, "apt-get", "update", "-q"), c.command(quiet, "apt-get", args...))
		missing = missingTools()
		if len(missing) == 0 {
			return nil
		}
		why = "installing failed"
		if err != nil {
			why = err.Error()
		}
	}
	var lines []string
	for _, t := range missing {
		lines = append(lines, fmt.Sprintf("%s (Debian package %s), without which there is no %s", t.program, t.pkg, t.what))
	}
	return skip(why + "; missing: " + strings.Join(lines, ", "))
}

func missingTools() []tool {
	var missing []tool
	for _, t := range tools() {
		if _, err := exec.LookPath(t.program); err != nil {
			missing = append(missing, t)
		}
	}
	return missing
}

// format wants every Go file as gofmt writes it.
func (c *check) format() error {
	files, err := output("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", "*.go")
	if err != nil {
		return err
	}
	list := existing(strings.Fields(files))
	bad, err := output("gofmt", append([]string{"-l"}, list...)...)
	if err != nil {
		return err
	}
	if bad != "" {
		return fmt.Errorf("not as gofmt writes it:\n%s", strings.TrimSpace(bad))
	}
	return nil
}

// existing drops files that git knows and somebody has just deleted.
func existing(files []string) []string {
	var list []string
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			list = append(list, f)
		}
	}
	return list
}

func (c *check) vet() error { return c.command(noCgo(), "go", "vet", "./...") }

func (c *check) staticcheck() error { return c.command(noCgo(), "go", "tool", "staticcheck", "./...") }

// build shows that both binaries need no C.
func (c *check) build() error {
	dir, err := os.MkdirTemp("", "dialroom-build-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return c.command(noCgo(), "go", "build", "-o", dir, "./sfu", "./bridge")
}

// page checks the types of the ES modules and runs the tests of the pure ones.
func (c *check) page() error {
	for _, program := range []string{"node", "npx"} {
		if _, err := exec.LookPath(program); err != nil {
			return skip("there is no " + program + " (Node.js) here")
		}
	}
	if err := c.command(nil, "npx", "--yes", "-p", typescript, "tsc", "-p", "static/jsconfig.json"); err != nil {
		return err
	}
	files, err := filepath.Glob("static/test/*.test.js")
	if err != nil || len(files) == 0 {
		return errors.Join(errors.New("no tests in static/test"), err)
	}
	cmd := exec.Command("node", append([]string{"--test", "--test-reporter=tap"}, files...)...)
	cmd.Stderr = c.out
	tap, runErr := cmd.Output()
	if runErr != nil {
		_, _ = c.out.Write(tap)
	}
	n := countTAP(string(tap))
	c.passed += n["pass"]
	c.failed += n["fail"]
	c.skipped += n["skipped"] + n["todo"] + n["cancelled"]
	fmt.Fprintf(c.out, "%d tests of the page\n", n["tests"])
	if n["fail"] > 0 {
		return nil // counted and shown
	}
	return runErr
}

// countTAP reads the summary that node's TAP reporter closes with: "# pass 12".
func countTAP(tap string) map[string]int {
	counts := map[string]int{}
	for line := range strings.Lines(tap) {
		if word, number, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "# "), " "); ok && strings.HasPrefix(line, "# ") {
			if n, err := strconv.Atoi(number); err == nil {
				counts[word] = n
			}
		}
	}
	return counts
}

// raceSupported reports whether the race detector runs here; it needs cgo.
func raceSupported() bool {
	if _, err := exec.LookPath("gcc"); err != nil {
		return false
	}
	return runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"
}
