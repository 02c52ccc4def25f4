package labtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// folder is the lab of this test process. Where GHADEPLOY_LAB names one folder, all
// processes share that lab and lock its hosts; where it names several, separated as in
// PATH, a process takes one that is free and keeps it to its end.
var folder = sync.OnceValues(func() (string, error) {
	dir, lock, err := choose(filepath.SplitList(os.Getenv(Env)))
	kept = append(kept, lock) // who is collected is closed, and frees its lock
	return dir, err
})

// kept has the lock of the lab that this process has taken; the kernel frees it when it ends.
var kept []*os.File

// poolPoll is how often a process that waits for a lab looks for a free one.
const poolPoll = 200 * time.Millisecond

// choose takes a lab of the pool, which is free again when the file is closed; who waits
// longest gets the next one. Where there are no two labs, there is nothing to lock.
func choose(pool []string) (string, *os.File, error) {
	if len(pool) < 2 {
		return strings.Join(pool, ""), nil, nil
	}
	line, err := lockFile(filepath.Join(pool[0], "test-line.lock"), syscall.LOCK_EX)
	if err != nil {
		return "", nil, fmt.Errorf("wait in line for a lab: %w", err)
	}
	defer line.Close()
	for {
		for _, dir := range pool {
			f, err := lockFile(filepath.Join(dir, "test-lab.lock"), syscall.LOCK_EX|syscall.LOCK_NB)
			if err == nil {
				return dir, f, nil
			}
			if err != syscall.EWOULDBLOCK {
				return "", nil, fmt.Errorf("take the lab in %s: %w", dir, err)
			}
		}
		time.Sleep(poolPoll) // another process tells nobody when it ends
	}
}

func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
