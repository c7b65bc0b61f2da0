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
