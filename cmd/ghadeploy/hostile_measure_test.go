package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// residentOf watches how much of a process's memory is resident at the most, in bytes,
// until the returned function asks for it, which is after its end. The process's own
// rusage does not tell: it begins with what its parent has (setmax_mm_hiwater_rss in fs/exec.c).
func residentOf(pid int) func() int64 {
	most := make(chan int64)
	file := fmt.Sprintf("/proc/%d/status", pid)
	go func() {
		var high int64
		for tick := time.NewTicker(10 * time.Millisecond); ; {
			select {
			case most <- high:
				tick.Stop()
				return
			case <-tick.C:
				text, _ := os.ReadFile(file)
				if _, rest, ok := bytes.Cut(text, []byte("VmHWM:")); ok {
					var kb int64
					if _, err := fmt.Sscan(string(rest[:min(len(rest), 30)]), &kb); err == nil {
						high = max(high, kb<<10)
					}
				}
			}
		}
	}()
	return func() int64 { return <-most }
}

// calmClock runs as fast as this machine lets a thread run that has something to do: on a
// machine without other work it is the time of day, and where others take three quarters
// of it, a fourth of that. Bars of time hold by it whatever else the machine does.
type calmClock struct {
	end  chan struct{}
	took chan time.Duration
}

func startCalmClock() *calmClock {
	c := &calmClock{make(chan struct{}), make(chan time.Duration)}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var sum time.Duration
		for {
			wall, cpu := time.Now(), threadTime()
			for threadTime()-cpu < 2*time.Millisecond {
				continue
			}
			given := float64(threadTime()-cpu) / float64(max(time.Since(wall), time.Nanosecond))
			select {
			case <-c.end:
				sum += time.Duration(float64(time.Since(wall)) * min(given, 1))
				c.took <- sum
				return
			case <-time.After(30 * time.Millisecond):
			}
			sum += time.Duration(float64(time.Since(wall)) * min(given, 1))
		}
	}()
	return c
}

func (c *calmClock) stop() time.Duration {
	close(c.end)
	return <-c.took
}

func threadTime() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t)
	return time.Duration(t.Nano())
}

func TestTheCalmClockGoesNoFasterThanTheTimeOfDay(t *testing.T) {
	start := time.Now()
	c := startCalmClock()
	time.Sleep(200 * time.Millisecond)
	if took := c.stop(); took <= 0 || took > time.Since(start) {
		t.Errorf("%s of %s", took, time.Since(start))
	}
}
