package baseline

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time that all threads of a process have used so
// far, user and system together, to the nanosecond.
func CPU(pid int) (time.Duration, error) {
	// clock_getcpuclockid(3): the clock of a process is ^pid, shifted, and the
	// kind of clock, 2 being the scheduler's own account.
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &ts); err != nil {
		return 0, fmt.Errorf("CPU time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}
