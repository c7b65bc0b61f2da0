package static

import (
	"bytes"
	"path"
)

// Sent is the text of a file as it is sent: pages with what surrounds them;
// scripts and style sheets without indentation and without the comments that
// have lines to themselves, which are a third of them; everything else as it
// is. Every line of a script keeps its number, so that what a browser reports
// is found in the source.
//
// It reads lines, not the language: no comment may begin in the middle of a
// statement that goes on, and no text may span lines. A test sees to that.
func Sent(name string, text []byte) []byte {
	switch path.Ext(name) {
	case ".js", ".css":
	case ".html":
		return whole(name, text)
	default:
		return text
	}
	out := make([]byte, 0, len(text))
	comment := false
	for whole := range bytes.Lines(text) {
		line := bytes.TrimSpace(whole)
		switch {
		case comment:
			comment = !bytes.HasSuffix(line, []byte("*/"))
		case bytes.HasPrefix(line, []byte("/*")) && (bytes.HasSuffix(line, []byte("*/")) || !bytes.Contains(line, []byte("*/"))):
			comment = !bytes.HasSuffix(line, []byte("*/"))
		case bytes.HasPrefix(line, []byte("//")) && path.Ext(name) == ".js":
		default:
			out = append(out, line...)
		}
		if bytes.HasSuffix(whole, []byte("\n")) {
			out = append(out, '\n')
		}
	}
	return out
}
