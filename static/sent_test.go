package static

import (
	"path"
	"strings"
	"testing"
)

func TestCommentsAreNotSent(t *testing.T) {
	for _, tc := range []struct{ what, name, text, want string }{
		{"a block of documentation", "a.js", "/**\n * What it is.\n *\n */\nlet a = 1; // stays\n", "\n\n\n\nlet a = 1; // stays\n"},
		{"a line of it", "a.js", "  /** @type {string} */\n  let a;\n", "\nlet a;\n"},
		{"a cast before a value", "a.js", "x(\n  /** @type {any} */ (y));\n", "x(\n/** @type {any} */ (y));\n"},
		{"a remark", "a.js", "\t// why\n\treturn 1;\n", "\nreturn 1;\n"},
		{"a remark behind it that never ends", "a.js", "a(/* one\n", "a(/* one\n"},
		{"in a style sheet", "a.css", "/* Buttons. */\n.a {\n  color: red; /* stays */\n}\n", "\n.a {\ncolor: red; /* stays */\n}\n"},
		{"what is no comment in a style sheet", "a.css", "// a\n", "// a\n"},
		{"a page", "a.html", "  <!-- stays -->\n  // stays\n", "  <!-- stays -->\n  // stays\n"},
	} {
		if got := string(Sent(tc.name, []byte(tc.text))); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.what, got, tc.want)
		}
	}
}

func TestNoTextOfAScriptSpansLines(t *testing.T) {
	for name, text := range files(t) {
		if path.Ext(name) != ".js" {
			continue
		}
		for n, line := range strings.Split(string(Sent(name, []byte(text))), "\n") {
			code, _, _ := strings.Cut(line, " // ")
			if strings.Count(strings.ReplaceAll(code, "\\`", ""), "`")%2 != 0 {
				t.Errorf("%s:%d: a text in backticks goes on in the next line", name, n+1)
			}
		}
		if a, b := strings.Count(text, "\n"), strings.Count(string(Sent(name, []byte(text))), "\n"); a != b {
			t.Errorf("%s: %d lines are sent of %d", name, b, a)
		}
	}
}
