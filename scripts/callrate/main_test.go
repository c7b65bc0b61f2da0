package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestColumnOfTheStatistics(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stats.csv")
	if err := os.WriteFile(path, []byte("StartTime;SuccessfulCall(P);SuccessfulCall(C);\n1;2;3;\n1;4;7;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := column(path, "SuccessfulCall(C)"); err != nil || n != 7 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := column(path, "FailedCall(C)"); err == nil {
		t.Error("a column that is not there has a value")
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	s, err := measure(os.Getpid())
	if err != nil || s.rss < 1<<20 || s.peak < s.rss {
		t.Errorf("%+v, %v", s, err)
	}
	if n, err := kilobytes("Name:\tx\nVmRSS:\t    2048 kB\n", "VmRSS"); err != nil || n != 2<<20 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := kilobytes("Name:\tx\n", "VmRSS"); err == nil {
		t.Error("a line that is not there has a value")
	}
}

func TestWhatIsInUseIsReadFromTheLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	text := "bridge | level=INFO msg=\"memory given back\" in_use=7 held=9\nsfu    | level=INFO msg=\"memory given back\" in_use=1 held=2\n" +
		"bridge | level=INFO msg=\"memory given back\" in_use=5 held=6\nbridge | level=INFO msg=x in_use=4\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{"bridge": 5, "sfu": 1, "proxy": 0} {
		if n, err := inUse(process{name: name, log: path}); err != nil || n != want {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}
