package static

import (
	"strings"
	"testing"
)

func TestEveryPageOfTheSiteStandsInTheSameShell(t *testing.T) {
	for name, text := range files(t) {
		if !strings.HasSuffix(name, ".html") || name == "room.html" {
			continue
		}
		for _, once := range []string{"<!doctype html>", "<title>", "</head>", "<header", `<main id="main"`, "</main>", "<footer", `id="said"`, "</html>"} {
			if n := strings.Count(text, once); n != 1 {
				t.Errorf("%s has %d %s", name, n, once)
			}
		}
		if strings.Contains(text, "{{") {
			t.Errorf("%s has places that are not filled", name)
		}
		_, navigation, manual := strings.Cut(text, `<nav class="docs-nav"`)
		navigation, _, _ = strings.Cut(navigation, "</nav>")
		if manual != strings.HasPrefix(name, "docs/") || manual && strings.Count(navigation, `aria-current="page"`) != 1 {
			t.Errorf("%s: the manual's navigation does not say where one is: %q", name, navigation)
		}
	}
	if text := "<!doctype html><main>"; string(Sent("room.html", []byte(text))) != text {
		t.Error("a page that is whole was put into the shell")
	}
}
