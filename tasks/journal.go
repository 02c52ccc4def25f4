package tasks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// runJournal is the record of a run: on every host through its lock, and on the
// operator's machine.
type runJournal struct {
	run, cluster string
	lock         *lock.Lock
	local        *journal.File
	first        journal.Entry
	hide         func(string) string
}

func (r *Runner) newJournal(held *lock.Lock) *runJournal {
	j := &runJournal{run: r.id, cluster: r.c.Name, lock: held, local: journal.Append(r.c.Name), hide: mask.For(r.c).Line}
	h := lock.NewHolder(r.o.Command, r.id)
	j.first = journal.Entry{Run: r.id, Cluster: r.c.Name, Step: "run", Result: "started", Data: map[string]string{
		"user": h.User, "from": h.From, "command": r.o.Command, "inventory": r.c.File, "inventory_hash": fileHash(r.c.Files()...),
		"ghadeploy": r.o.ToolVersion,
	}}
	sink := r.o.Sink
	r.o.Sink = event.Tee(sink, j.event)
	return j
}

// fileHash identifies the inventory as it was, with the files that it extends; empty when
// one cannot be read.
func fileHash(paths ...string) string {
	var all []byte
	for i, path := range paths {
		b, err := localfile.Read(context.Background(), path, inventory.MaxSize)
		if err != nil {
			return ""
		}
		if i > 0 {
			all = append(all, 0) // no text has it
		}
		all = append(all, b...)
	}
	sum := sha256.Sum256(all)
	return hex.EncodeToString(sum[:])[:16]
}

// begin writes the first line of a run.
func (j *runJournal) begin(p *Plan) {
	e := j.first
	e.Time = time.Now().UTC()
	e.Data["plan_hash"] = p.Hash
	j.local.Write(e)
	j.lock.Journal("", e)
}

// end writes the last line of a run and closes the local file.
func (j *runJournal) end(res *Result, err error) {
	e := journal.Entry{Time: time.Now().UTC(), Run: j.run, Cluster: j.cluster, Step: "run", Result: "done", Data: map[string]string{}}
	if err != nil {
		e.Result, e.Message = "failed", j.hide(err.Error())
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
	j.local.Write(e)
	j.lock.Journal("", e)
	j.local.Close()
}

// event writes what an event says to the local journal; the hosts get their own
// lines from the steps themselves.
func (j *runJournal) event(e event.Event) {
	if entry, ok := journal.FromEvent(j.run, j.cluster, e); ok {
		j.local.Write(entry)
	}
}
