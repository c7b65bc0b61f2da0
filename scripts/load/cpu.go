package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"dialroom/scripts/bench/baseline"
)

// usage is what a process has used so far.
type usage struct {
	cpu time.Duration
	rss int64 // bytes of memory that is really there
}

// measure reads the usage of a process.
func measure(pid int) (usage, error) {
	cpu, err := baseline.CPU(pid)
	if err != nil {
		return usage{}, err
	}
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return usage{}, err
	}
	pages, err := residentPages(string(statm))
	return usage{cpu: cpu, rss: pages * int64(os.Getpagesize())}, err
}

// residentPages is the second number of /proc/PID/statm (proc_pid_statm(5)).
func residentPages(statm string) (int64, error) {
	f := strings.Fields(statm)
	if len(f) < 2 {
		return 0, fmt.Errorf("statm is %q", statm)
	}
	return strconv.ParseInt(f[1], 10, 64)
}
