package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// journal is the record of a run: on every host through its lock, and on the
// operator's machine. Each line is written and synced as it happens, so that a
// run that is killed is readable up to its last step.
type journal struct {
	run, cluster string
	lock         *Lock
	mu           sync.Mutex
	local        *os.File // nil when it cannot be written
	first        JournalEntry
}

// localJournal is where the operator's machine keeps the journal of a cluster.
func localJournal(cluster string) (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "ghadeploy", cluster, "journal.jsonl"), nil
}

func (r *Runner) newJournal(lock *Lock) *journal {
	j := &journal{run: r.id, cluster: r.c.Name, lock: lock}
	if path, err := localJournal(r.c.Name); err == nil && os.MkdirAll(filepath.Dir(path), 0o700) == nil {
		// A journal that cannot be written here is on the hosts all the same.
		j.local, _ = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	}
	h := newHolder(r.o.Command, r.id)
	j.first = JournalEntry{Run: r.id, Cluster: r.c.Name, Step: "run", Result: "started", Data: map[string]string{
		"user": h.User, "from": h.From, "command": r.o.Command, "inventory": r.c.File, "inventory_hash": fileHash(r.c.File), "ghadeploy": r.o.ToolVersion,
	}}
	sink := r.o.Sink
	r.o.Sink = event.Tee(sink, j.event)
	return j
}

// fileHash identifies the inventory as it was; empty when it cannot be read.
func fileHash(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])[:16]
}

// begin writes the first line of a run.
func (j *journal) begin(p *Plan) {
	e := j.first
	e.Time = time.Now().UTC()
	e.Data["plan_hash"] = p.Hash
	j.write(e)
	j.lock.Journal("", e)
}

// end writes the last line of a run and closes the local file.
func (j *journal) end(res *Result, err error) {
	e := JournalEntry{Time: time.Now().UTC(), Run: j.run, Cluster: j.cluster, Step: "run", Result: "done", Data: map[string]string{}}
	if err != nil {
		e.Result, e.Message = "failed", err.Error()
		if errors.Is(err, context.Canceled) || errors.Is(err, errInterrupted) {
			e.Result = "interrupted"
		}
		if _, ok := errors.AsType[*PausedError](err); ok {
			e.Result = "paused"
		}
	}
	for h, o := range res.Hosts {
		e.Data[h] = o.Outcome
	}
	j.write(e)
	j.lock.Journal("", e)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.local != nil {
		_ = j.local.Close()
		j.local = nil
	}
}

// event writes what an event says to the local journal; the hosts get their own
// lines from the steps themselves.
func (j *journal) event(e event.Event) {
	results := map[event.Kind]string{
		event.StepDone: "done", event.StepFailed: "failed", event.TurnStarted: "started", event.TurnDone: "done", event.TurnFailed: "failed",
	}
	result, ok := results[e.Kind]
	if !ok {
		return
	}
	step := e.Step
	if step == "" {
		step = "turn"
	}
	msg := e.Message
	if e.Error != "" {
		msg = e.Error
	}
	j.write(JournalEntry{Time: e.Time.UTC(), Run: j.run, Cluster: j.cluster, Host: e.Host, Step: step, Result: result, Message: msg, Seconds: e.Seconds})
}

func (j *journal) write(e JournalEntry) {
	line, err := json.Marshal(e)
	if err != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.local == nil {
		return
	}
	if _, err := j.local.Write(append(line, '\n')); err == nil {
		_ = j.local.Sync()
	}
}

// lockAll takes the lock of every host of the cluster: a rollout looks at all of
// them, whichever --limit lets change.
func (r *Runner) lockAll(ctx context.Context, hosts []fleet.Host) (*Lock, error) {
	return acquire(ctx, hosts, r.c.Paths.State, newHolder(r.o.Command, r.id), r.o.LockWait, func(err error) {
		r.o.Sink.Emit(event.Event{Kind: event.Info, Run: r.id, Message: "wait for the lock: " + err.Error()})
	})
}
