package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"dialroom/scripts/demo/stack"
)

// built is what TestMain has prepared for all tests; only read by them.
type built struct {
	bin      stack.Binaries
	chromium string // path, "" when there is none
	baresip  string
	root     string // of the module
}

var prepared built

func TestMain(m *testing.M) { os.Exit(prepare(m)) }

func prepare(m *testing.M) int {
	dir, err := os.MkdirTemp("", "dialroom-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if prepared.bin, err = stack.Build(ctx, dir, raceDetector); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if prepared.root, err = filepath.Abs("../.."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			prepared.chromium = path
			break
		}
	}
	prepared.baresip, _ = exec.LookPath("baresip")
	return m.Run()
}
