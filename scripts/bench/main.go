// Command bench measures what a bare relay of RTP-sized packets costs on this
// machine: the yardstick for the CPU that sfu and bridge use per call.
//
//	go run ./scripts/bench -calls 50 -seconds 10
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"dialroom/scripts/bench/baseline"
)

func main() {
	baseline.ServeIfChild()
	calls := flag.Int("calls", 50, "calls at the same time")
	seconds := flag.Int("seconds", 10, "how long to measure")
	asJSON := flag.Bool("json", false, "print one JSON object")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	r, err := baseline.Measure(ctx, baseline.Options{Calls: *calls, Duration: time.Duration(*seconds) * time.Second})
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
	if *asJSON {
		_ = json.NewEncoder(os.Stdout).Encode(r)
		return
	}
	fmt.Println(r)
}
