package e2e

import (
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"dialroom/scripts/demo/stack"
)

func TestTheDemoPrintsALinkThatCallsAndStopsWhenTold(t *testing.T) {
	log := &logBook{}
	path := filepath.Join(t.TempDir(), "demo")
	if err := stack.BuildProgram(within(t, 5*time.Minute), path, "dialroom/scripts/demo", false); err != nil {
		t.Fatal(err)
	}
	demo, err := stack.StartProcess("demo", log, path, "--port", "0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(demo.Stop)
	echo := regexp.MustCompile(`http://localhost:\d+/room\.html\?room=\S+&dial=600$`)
	url := ""
	for url == "" {
		select {
		case line, ok := <-demo.Lines():
			if !ok {
				<-demo.Done()
				t.Fatalf("the demo ended: %v", demo.Failure())
			}
			url = echo.FindString(line)
		case <-time.After(5 * time.Minute): // it builds first
			t.Fatalf("no link:\n%s", log)
		}
	}
	w := &world{TB: t, log: log, stack: &stack.Stack{URL: url[:strings.LastIndex(url, "/")]}}
	p := newBrowser(w, nil).open(url[strings.LastIndex(url, "/")+1:])
	p.awaitState("answered")
	p.do(chromedp.Navigate("about:blank"))

	demo.Signal(syscall.SIGINT)
	select {
	case <-demo.Done():
	case <-time.After(patience):
		t.Fatal("the demo does not stop on Ctrl-C")
	}
	if err := demo.Failure().Error(); !strings.Contains(err, "ended by itself") || !strings.Contains(log.String(), "Stopped.") {
		t.Errorf("the demo ended so: %v\n%s", err, log)
	}
}
