package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder fills a Config from YAML nodes and remembers the line of every key,
// so that the checks that follow can point at it.
type decoder struct {
	places
	getenv func(string) string
	errs   []*Error
	unread int // of errs, those about values that could not be read
}

// fail notes an error about key, at the line where the key, or the nearest
// key around it, stands. About a value that could not be read nothing more is
// said: what the checks see in its place nobody wrote.
func (d *decoder) fail(key, format string, args ...any) {
	for _, e := range d.errs[:d.unread] {
		if rest, ok := strings.CutPrefix(key, e.Key); ok && e.Key != "" && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return
		}
	}
	d.failAt(d.line(key), key, format, args...)
}

func (d *decoder) failAt(line int, key, format string, args ...any) {
	d.errs = append(d.errs, &Error{File: d.file, Line: line, Key: key, Want: fmt.Sprintf(format, args...)})
}

// has reports whether the file itself sets key.
func (d *decoder) has(key string) bool {
	_, ok := d.lines[key]
	return ok
}

// yamlLine finds the line in the parser's messages, "yaml: line 3: did not find …".
var yamlLine = regexp.MustCompile(`line (\d+): (.*)`)

// document decodes the whole file and reports whether it could be read as
// YAML at all.
func (d *decoder) document(src []byte, cfg *Config) bool {
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return true // an empty file: all defaults
	}
	if err == nil {
		var more yaml.Node
		if again := dec.Decode(&more); again == nil {
			d.failAt(more.Line, "", "expected one YAML document, got a second one")
		} else if !errors.Is(again, io.EOF) {
			err = again
		}
	}
	if err != nil {
		line, text := 1, strings.TrimPrefix(err.Error(), "yaml: ")
		if m := yamlLine.FindStringSubmatch(text); m != nil {
			line, _ = strconv.Atoi(m[1])
			text = m[2]
		}
		d.failAt(max(line, 1), "", "expected YAML: %s", text)
		return false
	}
	if len(doc.Content) == 1 {
		d.value(doc.Content[0], reflect.ValueOf(cfg).Elem(), "")
	}
	return true
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	capType      = reflect.TypeFor[Cap]()
	amountType   = reflect.TypeFor[Amount]()
)

// value decodes one node into v, which holds the default.
func (d *decoder) value(n *yaml.Node, v reflect.Value, key string) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		// Expanding aliases is how a small file becomes an endless one.
		d.failAt(n.Line, key, "expected the value itself, got a YAML anchor or alias")
	case v.Type() == durationType:
		d.duration(n, v, key)
	case v.Type() == capType || v.Type() == amountType:
		d.limit(n, v, key)
	case v.Kind() == reflect.Struct:
		d.mapping(n, v, key)
	case v.Kind() == reflect.Slice:
		d.sequence(n, v, key)
	default:
		d.scalar(n, v, key)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, key string) {
	if isNull(n) {
		return // "sfu:" with everything below it commented out
	}
	if n.Kind != yaml.MappingNode {
		d.failAt(n.Line, key, "expected keys and values (%s), got %s", names(v.Type()), kind(n))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		path := k.Value
		if key != "" {
			path = key + "." + k.Value
		}
		field, ok := fieldOf(v, k.Value)
		switch {
		case k.Kind != yaml.ScalarNode || !ok:
			d.failAt(k.Line, path, "unknown key, expected one of %s", names(v.Type()))
		case d.has(path):
			d.failAt(k.Line, path, "expected the key once, it stands in line %d too", d.lines[path])
		default:
			d.lines[path] = k.Line
			d.value(val, field, path)
		}
	}
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, key string) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.failAt(n.Line, key, "expected a list, got %s", kind(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		path := fmt.Sprintf("%s[%d]", key, i)
		d.lines[path] = item.Line
		if t, ok := list.Index(i).Addr().Interface().(*Trunk); ok {
			*t = defaultTrunk()
		}
		d.value(item, list.Index(i), path)
	}
	v.Set(list)
}

func (d *decoder) duration(n *yaml.Node, v reflect.Value, key string) {
	text, _, ok := d.text(n, key, "a duration such as 15s, 2m or 1h30m")
	if !ok {
		return
	}
	t, err := time.ParseDuration(text)
	if err != nil {
		d.failAt(n.Line, key, "expected a duration such as 15s, 2m or 1h30m, got %q", text)
		return
	}
	v.SetInt(int64(t))
}

// limit reads a Cap or an Amount.
func (d *decoder) limit(n *yaml.Node, v reflect.Value, key string) {
	want := "a whole number from 1 up, or off for no cap"
	if v.Type() == amountType {
		want = "an amount above 0, or off for no cap"
	}
	text, tag, ok := d.text(n, key, want)
	if !ok {
		return
	}
	if text == off {
		v.SetZero()
		return
	}
	if v.Type() == amountType {
		if amount, ok := amount(text, tag); ok && amount > 0 {
			v.SetFloat(amount)
			return
		}
	} else if i, err := strconv.Atoi(text); err == nil && i > 0 && (tag == "!!int" || tag == fromEnv) {
		v.SetInt(int64(i))
		return
	}
	d.failAt(n.Line, key, "expected %s, got %q", want, text)
}

// amount reads money: a number of ordinary size, written in decimals.
func amount(text, tag string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil && (tag == "!!int" || tag == "!!float" || tag == fromEnv) && f >= 0 && f < 1e9
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, key string) {
	want := map[reflect.Kind]string{reflect.String: "text", reflect.Bool: "true or false", reflect.Int: "a whole number", reflect.Float64: "an amount"}[v.Kind()]
	text, tag, ok := d.text(n, key, want)
	if !ok {
		return
	}
	shown := strconv.Quote(text)
	if isSecret(key) {
		shown = "something else"
	}
	switch v.Kind() {
	case reflect.String:
		// An unquoted +4930123456 is a number to YAML, and 0123 another one.
		if tag != "!!str" && tag != fromEnv {
			d.failAt(n.Line, key, "expected text, got %s: put it in quotes", kind(n))
			return
		}
		v.SetString(text)
	case reflect.Bool:
		if (tag != "!!bool" && tag != fromEnv) || (text != "true" && text != "false") {
			d.failAt(n.Line, key, "expected true or false, got %s", shown)
			return
		}
		v.SetBool(text == "true")
	case reflect.Int:
		i, err := strconv.Atoi(text)
		if (tag != "!!int" && tag != fromEnv) || err != nil {
			d.failAt(n.Line, key, "expected a whole number, got %s", shown)
			return
		}
		v.SetInt(int64(i))
	case reflect.Float64:
		f, ok := amount(text, tag)
		if !ok {
			d.failAt(n.Line, key, "expected an amount such as 0.02, got %s", shown)
			return
		}
		v.SetFloat(f)
	}
}

// fromEnv stands for the tag of a value that holds something from the
// environment, which has no types: it fits whatever its text fits.
const fromEnv = "environment"

// text returns a scalar's text with its ${NAME}s replaced, and its type.
func (d *decoder) text(n *yaml.Node, key, want string) (text, tag string, ok bool) {
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.failAt(n.Line, key, "expected %s, got %s", want, kind(n))
		return "", "", false
	}
	text, ok = d.expand(n, key)
	tag = n.ShortTag()
	if text != n.Value {
		tag = fromEnv
	}
	return text, tag, ok
}

// variable is a reference to the environment; a "${" that is none is an error.
var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{`)

// expand replaces the references to the environment in one scalar. What they
// bring in is plain text: it is not read as YAML and not expanded again.
func (d *decoder) expand(n *yaml.Node, key string) (string, bool) {
	ok := true
	text := variable.ReplaceAllStringFunc(n.Value, func(ref string) string {
		if ref == "${" {
			d.failAt(n.Line, key, "expected ${NAME} with a name of letters, digits and _")
			ok = false
			return ""
		}
		name := ref[2 : len(ref)-1]
		val := d.getenv(name)
		if val == "" {
			d.failAt(n.Line, key, "expected the environment variable %s to be set", name)
			ok = false
		}
		return val
	})
	return text, ok
}

// fieldOf finds the field of a settings struct by its YAML name.
func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag == name && tag != "-" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// names lists the keys of a settings struct.
func names(t reflect.Type) string {
	var list []string
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("yaml"); tag != "-" {
			list = append(list, tag)
		}
	}
	return strings.Join(list, ", ")
}

// isSecret reports whether values of the key must not be repeated in errors.
func isSecret(key string) bool {
	last := key[strings.LastIndexByte(key, '.')+1:]
	return last == "secret" || last == "password" || last == "pin" || last == "key" && strings.HasPrefix(key, "sfu.api_keys")
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// kind says in plain words what a node is.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	switch n.ShortTag() {
	case "!!str":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	}
	return "a value with the tag " + n.Tag
}
