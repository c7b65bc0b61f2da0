package baseline

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	ServeIfChild()
	goleak.VerifyTestMain(m)
}

func TestTheRelayCarriesCallsAndItsCPUTimeIsSeen(t *testing.T) {
	r, err := Measure(context.Background(), Options{Calls: 3, Duration: 500 * time.Millisecond, Warmup: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	// 3 calls, 2 directions, 25 packets each; a packet may be under way at either end.
	if r.Sent < 100 || r.Received < 100 {
		t.Errorf("%v", r)
	}
	if r.CPU <= 0 || r.PerCallSecond <= 0 || r.Delay <= 0 {
		t.Errorf("%+v", r)
	}
}

func TestNoCallsAreAnError(t *testing.T) {
	if _, err := Measure(context.Background(), Options{Duration: time.Second}); err == nil {
		t.Error("measured nothing")
	}
}

func TestCPUTimeGrowsWithWork(t *testing.T) {
	before, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); time.Since(begin) < 20*time.Millisecond; {
	}
	after, err := CPU(os.Getpid())
	if err != nil || after-before < 5*time.Millisecond {
		t.Errorf("%v, %v", after-before, err)
	}
}
