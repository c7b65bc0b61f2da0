package static

import (
	"encoding/json"
	"html"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dialroom/shared/config"
	"dialroom/shared/number"
	"dialroom/shared/wire"
)

// The manual and the form say what the code knows: these tests hold them against it.

// entry is one row of a table of the manual.
type entry struct{ name, term, text string }

var (
	row  = regexp.MustCompile(`(?s)<div(?: id="([^"]+)")?><dt><code>(.*?)</code>(.*?)</dt><dd>(.*?)</dd></div>`)
	code = regexp.MustCompile(`<code>(.*?)</code>`)
	tag  = regexp.MustCompile(`<[^>]*>`)
)

// entries returns the rows of a page whose id begins with prefix, by the rest of it.
func entries(t *testing.T, page, prefix string) map[string]entry {
	t.Helper()
	all := make(map[string]entry)
	for _, m := range row.FindAllStringSubmatch(read(t, page), -1) {
		name, ok := strings.CutPrefix(m[1], prefix)
		if m[1] == "" || !ok {
			continue
		}
		if _, twice := all[name]; twice {
			t.Errorf("%s has %s twice", page, m[1])
		}
		all[name] = entry{html.UnescapeString(m[2]), m[3], m[4]}
	}
	return all
}

// codes are what stands in <code>, without what surrounds a word.
func codes(text string) []string {
	var list []string
	for _, m := range code.FindAllStringSubmatch(text, -1) {
		list = append(list, strings.FieldsFunc(html.UnescapeString(tag.ReplaceAllString(m[1], "")), func(r rune) bool {
			return strings.ContainsRune(` {},:"`, r)
		})...)
	}
	return list
}

func read(t *testing.T, file string) string {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// same compares the names of a table with those the code knows.
func same(t *testing.T, what string, documented, known []string) {
	t.Helper()
	for _, name := range known {
		if !slices.Contains(documented, name) {
			t.Errorf("%s: %s is not in the manual", what, name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(known, name) {
			t.Errorf("%s: %s is in the manual, and nothing knows it", what, name)
		}
	}
	if len(known) == 0 {
		t.Errorf("%s: nothing was found to compare with", what)
	}
}

// all is the first group of every match.
func all(pattern, text string) []string {
	var list []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

func TestTheManualHasEveryParameterOfALink(t *testing.T) {
	known := all(`\bget\("(\w+)"\)`, read(t, "js/link.js")+read(t, "js/i18n.js"))
	documented := entries(t, "docs/links.html", "parameter-")
	same(t, "parameters", slices.Collect(maps.Keys(documented)), known)
	for name, e := range documented {
		if e.name != name {
			t.Errorf("the place of %s is called %s", e.name, name)
		}
	}
	_, section, _ := strings.Cut(read(t, "../README.md"), "\n## The link\n")
	section, _, _ = strings.Cut(section, "\n- ")
	same(t, "parameters in the README", all("(?m)^\\| `(\\w+)` \\|", section), known)
}

// The form makes what link.js reads.
func TestTheFormMakesEveryParameter(t *testing.T) {
	known := all(`\bget\("(\w+)"\)`, read(t, "js/link.js")+read(t, "js/i18n.js"))
	made := all(`(?m)^    \["(\w+)", `, read(t, "js/makelink.js"))
	made = append(made, "nocam", "link") // the same as cam; put in by the server that signs
	same(t, "parameters that the form makes", made, known)
}

// What the form takes for a number the server takes for the same one.
func TestTheFormReadsNumbersAsTheServerDoes(t *testing.T) {
	_, table, _ := strings.Cut(read(t, "test/makelink.test.js"), "const numbers = [\n")
	table, _, _ = strings.Cut(table, "\n];")
	rows := regexp.MustCompile(`(?m)^  (\[".*"\]),$`).FindAllStringSubmatch(table, -1)
	if len(rows) < 20 {
		t.Fatalf("%d numbers to compare", len(rows))
	}
	for _, m := range rows {
		var c [3]string
		if err := json.Unmarshal([]byte(m[1]), &c); err != nil {
			t.Fatal(err)
		}
		want := c[2]
		if strings.Trim(want, "+0123456789") != "" {
			want = "" // the form says why not
		}
		if got, _ := number.Parse(c[1], ""); got.String() != want {
			t.Errorf("%s: the form makes %q of %q, the server %q", c[0], want, c[1], got)
		}
	}
}

func TestTheManualHasEveryReasonInItsWords(t *testing.T) {
	src := read(t, "../shared/wire/wire.go")
	known := all(`\s(?:Ending|Refusal)\s+= "([\w-]+)"`, src)
	documented := entries(t, "docs/links.html", "reason-")
	same(t, "reasons", slices.Collect(maps.Keys(documented)), known)
	for name, e := range documented {
		if want := wire.Words(name); html.UnescapeString(e.text) != want {
			t.Errorf("%s: the manual says %q, the server %q", name, e.text, want)
		}
	}
}

func TestTheManualHasEveryPathOfTheAPI(t *testing.T) {
	var api struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal([]byte(read(t, "../sfu/web/openapi.json")), &api); err != nil {
		t.Fatal(err)
	}
	var known []string
	for path, methods := range api.Paths {
		for method := range methods {
			if method != "parameters" {
				known = append(known, strings.ToUpper(method)+" "+path)
			}
		}
	}
	_, section, _ := strings.Cut(read(t, "docs/scripts.html"), `<h2 id="api">`)
	section, _, _ = strings.Cut(section, "<h2")
	same(t, "paths", all(`<dt><code>([A-Z]+ /.*?)</code>`, section), known)
}

func TestTheManualHasEveryMessageAndItsFields(t *testing.T) {
	types := read(t, "protocol.d.ts")
	for _, side := range []struct{ union, prefix string }{{"ToServer", "to-"}, {"FromServer", "from-"}} {
		_, union, _ := strings.Cut(types, "export type "+side.union+" =")
		union, _, _ = strings.Cut(union, "\n\n")
		documented := entries(t, "docs/protocol.html", side.prefix)
		var known []string
		for _, m := range messages(types, union) {
			known = append(known, m.name)
			text := documented[m.name].text
			if strings.Contains(text, `href="#`) { // its fields stand elsewhere on the page
				text = read(t, "docs/protocol.html")
			}
			for _, field := range m.fields {
				if !slices.Contains(codes(text), field) {
					t.Errorf("%s %s: the manual does not name its field %s", side.union, m.name, field)
				}
			}
		}
		if side.prefix == "to-" {
			// The server knows more than our page sends.
			known = all(`(?m)^\tcase "([\w-]+)":`, read(t, "../sfu/signal/message.go"))
		}
		same(t, side.union, slices.Collect(maps.Keys(documented)), known)
	}
	for _, shape := range []string{"Participant", "Call"} {
		_, section, _ := strings.Cut(read(t, "docs/protocol.html"), `<h2 id="`+strings.ToLower(shape)+`">`)
		section, _, _ = strings.Cut(section, "<h2")
		for _, field := range fields(types, shape) {
			if !slices.Contains(codes(section), field) {
				t.Errorf("%s: the manual does not name its field %s", shape, field)
			}
		}
	}
}

// message is one member of a union in protocol.d.ts.
type message struct {
	name   string
	fields []string
}

// messages reads a union: objects in place, names of interfaces, and both joined by &.
func messages(types, union string) []message {
	var list []message
	for line := range strings.Lines(union) {
		line = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(line), ";"))
		line, ok := strings.CutPrefix(line, "| ")
		if !ok {
			continue
		}
		var m message
		if name := regexp.MustCompile(`^\w+$`).FindString(line); name != "" {
			m.fields = fields(types, name)
			line = types[strings.Index(types, "interface "+name+" {"):]
		} else {
			m.fields = all(`[{;] (\w+)\??:`, line)
			for _, shape := range all(`& (\w+)\)`, line) {
				m.fields = append(m.fields, fields(types, shape)...)
			}
		}
		m.name = all(`type: "([\w-]+)"`, line)[0]
		m.fields = slices.DeleteFunc(m.fields, func(f string) bool { return f == "type" })
		list = append(list, m)
	}
	return list
}

// fields are those of an interface in protocol.d.ts.
func fields(types, name string) []string {
	_, body, _ := strings.Cut(types, "interface "+name+" {")
	body, _, _ = strings.Cut(body, "\n}")
	return all(`(?m)^  (\w+)\??:`, body)
}

func TestTheManualHasEverySettingAndItsDefault(t *testing.T) {
	// One item of every list, with no more than it needs, has the defaults of the others.
	const least = `
sfu: {api_keys: [{id: a, key: "0123456789abcdef-a"}]}
keys:
  - {id: s, role: sfu, secret: "0123456789abcdef-s"}
  - {id: b, role: bridge, secret: "0123456789abcdef-b"}
trunks: [{id: t, host: sip.example.net}]
extensions: [{number: "610", password: "12345678"}]
numbers: [{number: "+4930123400", room: r}]
fraud: {rates: [{prefix: "+49"}]}
`
	c, err := config.Parse("least.yaml", []byte(least), func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	known := settings("", reflect.ValueOf(*c))
	documented := entries(t, "docs/settings.html", "")
	same(t, "settings", slices.Collect(maps.Keys(documented)), slices.Collect(maps.Keys(known)))
	shown := regexp.MustCompile(`<span class="default">default <code>(.*?)</code></span>`)
	for key, e := range documented {
		if e.name != key {
			t.Errorf("the place of %s is called %s", e.name, key)
		}
		m := shown.FindStringSubmatch(e.term)
		switch {
		case m != nil:
			if got, want := html.UnescapeString(m[1]), known[key]; !equal(got, want) {
				t.Errorf("%s: the manual says its default is %s, it is %s", key, got, want)
			}
		case !strings.Contains(key, "[]"):
			t.Errorf("%s: the manual does not say its default", key)
		}
	}
}

// settings lists all keys with their values as the file would have them.
func settings(at string, v reflect.Value) map[string]string {
	all := make(map[string]string)
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name == "-" {
			continue
		}
		key := strings.TrimPrefix(at+"."+name, ".")
		switch f := v.Field(i); {
		case f.Kind() == reflect.Struct:
			maps.Copy(all, settings(key, f))
		case f.Kind() == reflect.Slice && f.Type().Elem().Kind() == reflect.Struct:
			item := reflect.New(f.Type().Elem()).Elem()
			if f.Len() > 0 {
				item = f.Index(0)
			}
			maps.Copy(all, settings(key+"[]", item))
		default:
			all[key] = written(f)
		}
	}
	return all
}

// written is a value as the file has it.
func written(f reflect.Value) string {
	switch v := f.Interface().(type) {
	case string:
		if v == "" || v == "+" {
			return strconv.Quote(v)
		}
		return v
	case time.Duration:
		return v.String()
	case interface{ MarshalYAML() (any, error) }:
		out, err := v.MarshalYAML()
		if err != nil {
			return err.Error()
		}
		return written(reflect.ValueOf(out))
	case []string:
		var list []string
		for i := range v {
			list = append(list, written(f.Index(i)))
		}
		return "[" + strings.Join(list, ", ") + "]"
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return "a value of the kind " + f.Kind().String()
}

// equal compares two values of the file; 60s is 1m0s.
func equal(a, b string) bool {
	if x, err := time.ParseDuration(a); err == nil {
		y, err := time.ParseDuration(b)
		return err == nil && x == y
	}
	return a == b
}
