package tasks

import (
	"context"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
)

// locksMigrations tells whether nodes of a version take the migration lock at start.
func locksMigrations(version string) bool {
	v, err := grafana.ParseVersion(version)
	return err == nil && grafana.MigrationLock(v) != grafana.NoLock
}

// startHold is the longest that one host's start keeps those of others waiting: well over
// what a start takes that has nothing to migrate.
const startHold = 15 * time.Second

// starts lets hosts start one after another. Every start takes the migration lock for a
// moment, also when nothing is left to migrate. Who finds it taken does not wait: on
// PostgreSQL never (pg_try_advisory_lock), on MySQL for locking_attempt_timeout_sec,
// which is 0. It exits with "failed to obtain lock", and systemd starts it again (10.3.1
// and 12.4.0: pkg/services/sqlstore/migrator). READY=1 comes when that is over. The zero
// value is ready to use.
type starts struct {
	mu   sync.Mutex
	busy chan struct{} // closed when the start at hand is over; nil: none is
}

// next waits for its turn and gives the function that ends it. told is called once if
// there is something to wait for.
func (s *starts) next(ctx context.Context, told func()) (over func(), err error) {
	for {
		s.mu.Lock()
		busy := s.busy
		if busy == nil {
			mine := make(chan struct{})
			s.busy = mine
			s.mu.Unlock()
			return s.free(mine), nil
		}
		s.mu.Unlock()
		if told != nil {
			told()
			told = nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// free gives the function that lets the next one start, once, and does so by itself
// when this start takes too long.
func (s *starts) free(mine chan struct{}) func() {
	var once sync.Once
	release := func() {
		once.Do(func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.busy = nil
			close(mine)
		})
	}
	late := time.AfterFunc(startHold, release)
	return func() {
		late.Stop()
		release()
	}
}
