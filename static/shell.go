package static

import (
	"bytes"
	_ "embed"
	"strings"
	"text/template"
)

// shell is what stands around the pages of the site: head, header, the
// manual's navigation, footer.
//
//go:embed shell.html
var shell string

// whole puts a page into the shell. Its file has what is its own: what belongs
// into the head, first of all the title, and <main>. A page that begins with a
// doctype is whole already: the room's is.
func whole(name string, text []byte) []byte {
	main := bytes.Index(text, []byte("<main"))
	if main < 0 || bytes.HasPrefix(text, []byte("<!doctype")) {
		return text
	}
	main = bytes.LastIndexByte(text[:main], '\n') + 1 // with the spaces before it
	p := shelled{Name: name, Manual: strings.HasPrefix(name, "docs/"), Root: "./", Head: string(text[:main]), Main: string(text[main:])}
	if p.Manual {
		p.Root = "../"
	}
	var out bytes.Buffer
	if err := template.Must(template.New("shell").Parse(shell)).Execute(&out, p); err != nil {
		panic(err) // the shell is part of the program
	}
	return out.Bytes()
}

// shelled is what the shell knows of a page.
type shelled struct {
	Name       string // its path, such as docs/links.html
	Manual     bool   // whether it is one of the manual
	Root       string // where "/" is, seen from it
	Head, Main string
}

// Here marks a link to the page that it stands on.
func (p shelled) Here(name string) string {
	if name == p.Name {
		return ` aria-current="page"`
	}
	return ""
}
