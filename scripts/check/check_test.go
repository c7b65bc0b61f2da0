package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestImportRules(t *testing.T) {
	for _, c := range []struct {
		name string
		pkg  goPackage
		want string // "" is in order
	}{
		{"the sfu never imports the bridge", goPackage{ImportPath: "dialroom/sfu", Imports: []string{"dialroom/bridge/call"}}, "dialroom/sfu imports dialroom/bridge/call"},
		{"nor does the bridge the sfu", goPackage{ImportPath: "dialroom/bridge/call", Imports: []string{"dialroom/sfu/room"}}, "dialroom/bridge/call imports dialroom/sfu/room"},
		{"not even in a test", goPackage{ImportPath: "dialroom/sfu/web", TestImports: []string{"dialroom/bridge/leg"}}, "dialroom/sfu/web imports dialroom/bridge/leg in its tests"},
		{"main builds the parts", goPackage{ImportPath: "dialroom/sfu", Imports: []string{"dialroom/sfu/web", "dialroom/shared/config", "dialroom/static"}}, ""},
		{"what is shared knows neither", goPackage{ImportPath: "dialroom/shared/wire", Imports: []string{"dialroom/sfu/room"}}, "dialroom/shared/wire imports dialroom/sfu/room"},
		{"a room has no Pion", goPackage{ImportPath: "dialroom/sfu/room", Imports: []string{"github.com/pion/rtp"}}, "dialroom/sfu/room imports github.com/pion/rtp"},
		{"a room has the standard library", goPackage{ImportPath: "dialroom/sfu/room", Imports: []string{"net/netip", "crypto/rand", "dialroom/shared/wire"}}, ""},
		{"the guard knows numbers only", goPackage{ImportPath: "dialroom/sfu/fraud", Imports: []string{"dialroom/shared/number", "dialroom/sfu/ledger"}}, "dialroom/sfu/fraud imports dialroom/sfu/ledger"},
		{"a folder below a package is part of it", goPackage{ImportPath: "dialroom/sfu/mix/g711", Imports: []string{"dialroom/sfu/mix", "dialroom/sfu/room"}}, "dialroom/sfu/mix/g711 imports dialroom/sfu/room"},
		{"leaks are looked for everywhere", goPackage{ImportPath: "dialroom/sfu/room", XTestImports: []string{"go.uber.org/goleak"}}, ""},
		{"but in tests only", goPackage{ImportPath: "dialroom/sfu/room", Imports: []string{"go.uber.org/goleak"}}, "dialroom/sfu/room imports go.uber.org/goleak"},
		{"the carrier is the world outside", goPackage{ImportPath: "dialroom/scripts/carrier/ua", Imports: []string{"dialroom/bridge/leg"}}, "dialroom/scripts/carrier/ua imports dialroom/bridge/leg"},
		{"a new package needs a place in the table", goPackage{ImportPath: "dialroom/sfu/misc"}, "dialroom/sfu/misc: not in the table of scripts/check/rules.go"},
		{"a new top-level folder too", goPackage{ImportPath: "dialroom/internal"}, "dialroom/internal: not in the table of scripts/check/rules.go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(importErrors([]goPackage{c.pkg}, importRules()), "; "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestASharedPackageIsUsedByBoth(t *testing.T) {
	packages := []goPackage{
		{ImportPath: "dialroom/shared/wire"},
		{ImportPath: "dialroom/shared/odd"},
		{ImportPath: "dialroom/sfu/web", Imports: []string{"dialroom/shared/wire", "dialroom/shared/odd"}},
		{ImportPath: "dialroom/bridge", Imports: []string{"dialroom/shared/wire"}, TestImports: []string{"dialroom/shared/odd"}},
	}
	want := []string{"dialroom/shared/odd is shared, but bridge does not use it"}
	if got := lonely(packages); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestOnlyTheAgreedStandsAtTheTop(t *testing.T) {
	got := strangers([]string{"go.mod", "sfu/main.go", ".ci/run", "docs/a.md", "docs/b.md", "Makefile"})
	if len(got) != 2 || !strings.HasPrefix(got[0], "docs:") || !strings.HasPrefix(got[1], "Makefile:") {
		t.Errorf("got %q", got)
	}
}

func TestDependenciesHaveAFloor(t *testing.T) {
	for version, old := range map[string]bool{"v3.1.4": true, "v3.1.5": false, "v3.1.10": false, "v3.2.0": false, "v2.9.9": true, "v3.1.5-rc.1": false, "": true} {
		got := tooOld("example.org/other v0.0.1\ngithub.com/pion/stun/v3 "+version+"\n", floors())
		if (len(got) == 1) != old {
			t.Errorf("%q: got %q", version, got)
		}
	}
}

const testRun = `{"Action":"start","Package":"dialroom/a"}
{"Action":"run","Package":"dialroom/a","Test":"TestGood"}
{"Action":"output","Package":"dialroom/a","Test":"TestGood","Output":"=== RUN   TestGood\n"}
{"Action":"output","Package":"dialroom/a","Test":"TestGood","Output":"chatter of a good test\n"}
{"Action":"pass","Package":"dialroom/a","Test":"TestGood","Elapsed":0.1}
{"Action":"run","Package":"dialroom/a","Test":"TestBad"}
{"Action":"output","Package":"dialroom/a","Test":"TestBad","Output":"    a_test.go:7: got 1, want 2\n"}
{"Action":"fail","Package":"dialroom/a","Test":"TestBad","Elapsed":0.1}
{"Action":"output","Package":"dialroom/a","Test":"TestLater","Output":"    a_test.go:9: no browser here\n"}
{"Action":"skip","Package":"dialroom/a","Test":"TestLater","Elapsed":0}
{"Action":"output","Package":"dialroom/a","Output":"FAIL\n"}
{"Action":"fail","Package":"dialroom/a","Elapsed":0.3}
{"ImportPath":"dialroom/b [dialroom/b.test]","Action":"build-output","Output":"b.go:3:1: undefined: x\n"}
{"ImportPath":"dialroom/b [dialroom/b.test]","Action":"build-fail"}
{"Action":"fail","Package":"dialroom/b","Elapsed":0,"FailedBuild":"dialroom/b [dialroom/b.test]"}
{"Action":"output","Package":"dialroom/c","Output":"goleak: found a goroutine\n"}
{"Action":"fail","Package":"dialroom/c","Elapsed":1}
{"Action":"output","Package":"dialroom/d","Output":"?   \tdialroom/d\t[no test files]\n"}
{"Action":"skip","Package":"dialroom/d","Elapsed":0}
`

func TestTestsAreCountedAndFailuresShown(t *testing.T) {
	var out bytes.Buffer
	n := newCounter(&out)
	if err := n.read(strings.NewReader(testRun + "go: a line of its own\n")); err != nil {
		t.Fatal(err)
	}
	// Package b did not build and package c leaked: a failure each.
	if n.passed != 1 || n.failed != 3 || n.skipped != 1 {
		t.Errorf("%d passed, %d failed, %d skipped", n.passed, n.failed, n.skipped)
	}
	for _, want := range []string{"FAIL: dialroom/a TestBad", "got 1, want 2", "SKIP: dialroom/a TestLater", "no browser here",
		"undefined: x", "found a goroutine", "go: a line of its own"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown in\n%s", want, &out)
		}
	}
	for _, not := range []string{"chatter", "=== RUN"} {
		if strings.Contains(out.String(), not) {
			t.Errorf("%q is shown in\n%s", not, &out)
		}
	}
}

func TestTheLastLineCounts(t *testing.T) {
	var out bytes.Buffer
	c := &check{out: &out, passed: 3, skipped: 1}
	if err := c.run([]string{"format"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "3 passed, ") || !strings.HasSuffix(last, " skipped") {
		t.Errorf("last line %q", last)
	}
	if err := c.run([]string{"no such step"}); err == nil {
		t.Error("an unknown step is no error")
	}
}

func TestThePagesTestsAreCounted(t *testing.T) {
	n := countTAP("TAP version 13\n# Subtest: an escaped plus is a plus\nok 1 - an escaped plus\n    # pass 99\n1..2\n# tests 2\n# pass 1\n# fail 1\n# skipped 0\n# duration_ms 12.5\n")
	if n["tests"] != 2 || n["pass"] != 1 || n["fail"] != 1 || n["skipped"] != 0 {
		t.Errorf("got %v", n)
	}
}
