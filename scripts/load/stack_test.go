package main

import (
	"context"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dialroom/scripts/bench/baseline"
	"dialroom/scripts/demo/stack"
)

func TestMain(m *testing.M) {
	baseline.ServeIfChild()
	goleak.VerifyTestMain(m, goleak.Cleanup(os.Exit))
}

func TestScenariosAreMeasuredOnTheRealProcesses(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dir := t.TempDir()
	bin, err := stack.Build(ctx, dir, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]shape{
		"relay": {Rooms: 2, Browsers: 1, Phones: 1, Opus: true, Rate: 20, Length: 2 * time.Second},
		"mix":   {Rooms: 1, Browsers: 2, Phones: 2, Opus: true, Rate: 20, Length: 3 * time.Second},
		"join":  {Rooms: 3, Browsers: 2, Rate: 20, Length: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := measureScenario(ctx, bin, dir, s)
			if err != nil {
				t.Fatal(err)
			}
			if r.SFU <= 0 || r.SFUMemory <= 0 || r.JoinCPU <= 0 || r.Joins.Count != s.browsers() {
				t.Errorf("%+v", r)
			}
			if s.calls() == 0 {
				return
			}
			if r.Bridge <= 0 || r.Clicks.Count != s.calls() || r.ToPhone.Count == 0 || r.ToBrowser.Count == 0 {
				t.Errorf("%+v", r)
			}
			if r.ToPhone.Median <= 0 || r.ToBrowser.Median <= 0 || r.ToBrowser.Median > time.Second {
				t.Errorf("delays are %+v and %+v", r.ToPhone, r.ToBrowser)
			}
		})
	}
}
