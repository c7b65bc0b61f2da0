package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

const module = "dialroom"

// rule says what one package may import beside the standard library. It holds
// for the package, its tests and its subfolders, which may import each other.
type rule struct {
	pkg    string
	house  []string // packages of this module; a trailing /... takes what is below too
	others []string // modules of others by prefix; "*" is any
	tests  []string // more modules, for tests only
}

// importRules is the table of the architecture. A package that is not in it is
// an error, so that its place is thought about.
func importRules() []rule {
	return []rule{
		// The processes: main builds the parts.
		{"sfu", []string{"sfu/...", "shared/...", "static"}, []string{"*"}, nil},
		{"bridge", []string{"bridge/...", "shared/..."}, []string{"*"}, nil},

		{"sfu/web", []string{"sfu/signal", "sfu/dial", "sfu/room", "sfu/ledger", "sfu/links", "sfu/fraud", "shared/wire", "shared/sign", "shared/number", "static"}, []string{"*"}, nil},
		{"sfu/signal", []string{"sfu/room", "sfu/peer", "sfu/dial", "shared/wire"}, []string{"github.com/coder/websocket"}, nil},
		{"sfu/room", []string{"shared/wire"}, nil, nil},
		{"sfu/peer", []string{"sfu/room", "shared/udp"}, []string{"github.com/pion/", "golang.org/x/"}, nil},
		{"sfu/phone", []string{"sfu/room", "sfu/mix", "shared/udp", "shared/wire"}, []string{"github.com/pion/rtp"}, nil},
		{"sfu/mix", nil, []string{"github.com/pion/opus"}, nil},
		{"sfu/fraud", []string{"shared/number"}, nil, []string{"github.com/nyaruka/phonenumbers"}},
		{"sfu/ledger", nil, []string{"modernc.org/sqlite"}, nil},
		{"sfu/links", nil, nil, nil},
		{"sfu/dial", []string{"sfu/fraud", "sfu/ledger", "sfu/links", "sfu/room", "sfu/phone", "shared/wire", "shared/sign", "shared/number"}, nil, nil},

		{"bridge/control", []string{"bridge/call", "bridge/trunk", "shared/wire", "shared/sign"}, []string{"github.com/cloudwego/hertz"}, nil},
		{"bridge/call", []string{"bridge/leg", "bridge/trunk", "shared/wire", "shared/number", "shared/udp"}, []string{"github.com/emiago/sipgo", "github.com/icholy/digest", "golang.org/x/net"}, nil},
		{"bridge/reception", []string{"bridge/call", "bridge/registrar", "bridge/trunk", "shared/wire", "shared/sign"}, []string{"github.com/emiago/sipgo"}, []string{"github.com/icholy/digest"}},
		{"bridge/registrar", []string{"shared/number"}, []string{"github.com/emiago/sipgo", "github.com/icholy/digest"}, nil},
		{"bridge/trunk", []string{"shared/wire"}, nil, nil},
		{"bridge/leg", []string{"shared/udp", "shared/wire"}, []string{"github.com/pion/"}, nil},

		// What both processes use.
		{"shared/wire", nil, nil, nil},
		{"shared/sign", nil, nil, []string{"github.com/yaronf/httpsign"}},
		{"shared/number", nil, []string{"github.com/nyaruka/phonenumbers"}, nil},
		{"shared/config", []string{"shared/number"}, []string{"go.yaml.in/yaml/v3"}, nil},
		{"shared/tidy", nil, nil, nil},
		{"shared/udp", nil, []string{"golang.org/x/sys"}, nil},
		{"static", []string{"shared/config", "shared/number", "shared/wire"}, nil, nil}, // its tests hold the manual against them

		// The demo carrier knows neither process: it is the world outside.
		{"scripts/carrier", []string{"sfu/mix/g722"}, []string{"*"}, nil}, // a codec is a standard
		{"scripts/check", []string{"shared/config"}, nil, nil},
		{"scripts", []string{"scripts/...", "shared/..."}, []string{"*"}, nil},
	}
}

// forTests are modules that the tests of every package may import.
func forTests() []string { return []string{"go.uber.org/goleak"} }

// topLevel is everything that may stand at the top of the tree.
func topLevel() []string {
	return []string{"sfu", "bridge", "shared", "static", "scripts", "go.mod", "go.sum", "Taskfile.yml", "README.md",
		"LICENSE", ".gitignore", ".ci"}
}

// floors are the oldest versions without a known hole.
func floors() map[string]string {
	return map[string]string{
		"github.com/pion/stun/v3": "v3.1.5",
		"github.com/emiago/sipgo": "v1.4.3",
	}
}

// rules checks what may stand where, who may import whom, and how old a dependency may be.
func (c *check) rules() error {
	var broken []string

	files, err := output("git", "ls-files")
	if err != nil {
		return err
	}
	broken = append(broken, strangers(strings.Split(strings.TrimSpace(files), "\n"))...)

	listing, err := output("go", "list", "-json=ImportPath,Standard,Imports,TestImports,XTestImports", "./...")
	if err != nil {
		return err
	}
	packages, err := parsePackages(strings.NewReader(listing))
	if err != nil {
		return err
	}
	broken = append(broken, importErrors(packages, importRules())...)
	broken = append(broken, lonely(packages)...)

	modules, err := output("go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "all")
	if err != nil {
		return err
	}
	broken = append(broken, tooOld(modules, floors())...)

	if len(broken) > 0 {
		return errors.New("the rules of the architecture are broken:\n    " + strings.Join(broken, "\n    "))
	}
	return nil
}

// strangers names what stands at the top level and is not in the list.
func strangers(files []string) []string {
	var broken []string
	for _, f := range files {
		top, _, _ := strings.Cut(f, "/")
		text := top + ": not one of the things that stand at the top level"
		if !slices.Contains(topLevel(), top) && !slices.Contains(broken, text) {
			broken = append(broken, text)
		}
	}
	return broken
}

// goPackage is what go list -json says about one package.
type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func (p goPackage) short() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func parsePackages(r io.Reader) ([]goPackage, error) {
	var list []goPackage
	dec := json.NewDecoder(r)
	for {
		var p goPackage
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		list = append(list, p)
	}
}

// importErrors names every import that the rules do not allow.
func importErrors(packages []goPackage, rules []rule) []string {
	var broken []string
	for _, p := range packages {
		r, ok := ruleFor(p.short(), rules)
		if !ok {
			broken = append(broken, p.ImportPath+": not in the table of scripts/check/rules.go")
			continue
		}
		for _, imp := range p.Imports {
			if !r.allows(imp, r.others) {
				broken = append(broken, fmt.Sprintf("%s imports %s", p.ImportPath, imp))
			}
		}
		others := slices.Concat(r.others, r.tests, forTests())
		for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
			if !r.allows(imp, others) {
				broken = append(broken, fmt.Sprintf("%s imports %s in its tests", p.ImportPath, imp))
			}
		}
	}
	return broken
}

// ruleFor finds the rule of the package itself or of the nearest folder above
// it. The rules of the processes are for package main alone.
func ruleFor(pkg string, rules []rule) (rule, bool) {
	for path := pkg; path != ""; path = parent(path) {
		for _, r := range rules {
			if r.pkg == path && (path == pkg || path != "sfu" && path != "bridge") {
				return r, true
			}
		}
	}
	return rule{}, false
}

func parent(path string) string {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)]
}

func (r rule) allows(imp string, others []string) bool {
	if imp != module && !strings.HasPrefix(imp, module+"/") {
		first, _, _ := strings.Cut(imp, "/")
		standard := !strings.Contains(first, ".")
		return standard || slices.ContainsFunc(others, func(prefix string) bool {
			return prefix == "*" || strings.HasPrefix(imp, prefix)
		})
	}
	short := strings.TrimPrefix(imp, module+"/")
	if within(short, r.pkg) {
		return true
	}
	return slices.ContainsFunc(r.house, func(h string) bool {
		if folder, ok := strings.CutSuffix(h, "/..."); ok {
			return within(short, folder)
		}
		return within(short, h)
	})
}

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// lonely names the packages in shared that only one process uses, or none.
func lonely(packages []goPackage) []string {
	var broken []string
	for _, p := range packages {
		if !strings.HasPrefix(p.short(), "shared/") {
			continue
		}
		for _, process := range []string{"sfu", "bridge"} {
			used := slices.ContainsFunc(packages, func(q goPackage) bool {
				return within(q.short(), process) && slices.Contains(q.Imports, p.ImportPath)
			})
			if !used {
				broken = append(broken, fmt.Sprintf("%s is shared, but %s does not use it", p.ImportPath, process))
			}
		}
	}
	return broken
}

// tooOld names the modules below their floor; modules are lines "path version".
func tooOld(modules string, floors map[string]string) []string {
	var broken []string
	for line := range strings.Lines(modules) {
		path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		if floor, ok := floors[path]; ok && older(version, floor) {
			broken = append(broken, fmt.Sprintf("%s %s has known holes: at least %s", path, version, floor))
		}
	}
	return broken
}

// older compares versions such as v1.2.3; what is behind a - or + does not count.
func older(version, floor string) bool {
	v, f := versionNumbers(version), versionNumbers(floor)
	return slices.Compare(v[:], f[:]) < 0
}

func versionNumbers(v string) (out [3]int) {
	v, _, _ = strings.Cut(strings.TrimPrefix(v, "v"), "-")
	v, _, _ = strings.Cut(v, "+")
	for i, part := range strings.SplitN(v, ".", 3) {
		out[i], _ = strconv.Atoi(part) // what is no number is as old as can be
	}
	return out
}
