package journal

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Run is one run as the journals of the hosts tell it.
type Run struct {
	ID            string            `json:"run"`
	Cluster       string            `json:"cluster"`
	Command       string            `json:"command"`
	User          string            `json:"user"`
	From          string            `json:"from"`
	Start         time.Time         `json:"start"`
	End           time.Time         `json:"end,omitzero"`
	Outcome       string            `json:"outcome"` // "done", "failed", "interrupted", "paused", or "unfinished"
	Hosts         map[string]string `json:"hosts,omitempty"`
	PlanHash      string            `json:"plan_hash,omitempty"`
	InventoryHash string            `json:"inventory_hash,omitempty"`
	Entries       []Entry           `json:"entries,omitempty"`
}

// Runs gathers the entries of each run of a cluster, newest run first. The same entry
// from several hosts counts once; entries is put in order of time.
func Runs(cluster string, entries []Entry) []Run {
	runs := map[string]*Run{}
	seen := map[string]bool{}
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	for _, e := range entries {
		if e.Cluster != "" && e.Cluster != cluster {
			continue
		}
		key, _ := json.Marshal(e)
		if seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		run := runs[e.Run]
		if run == nil {
			run = &Run{ID: e.Run, Cluster: cluster, Start: e.Time, Outcome: "unfinished", Hosts: map[string]string{}}
			runs[e.Run] = run
		}
		run.take(e)
	}
	out := make([]Run, 0, len(runs))
	for _, run := range runs {
		out = append(out, *run)
	}
	slices.SortFunc(out, func(a, b Run) int { return strings.Compare(b.ID, a.ID) })
	return out
}

func (r *Run) take(e Entry) {
	r.Entries = append(r.Entries, e)
	if e.Step != "run" {
		return
	}
	if e.Result == "started" {
		r.Start, r.User, r.From, r.Command = e.Time, e.Data["user"], e.Data["from"], e.Data["command"]
		r.PlanHash, r.InventoryHash = e.Data["plan_hash"], e.Data["inventory_hash"]
		return
	}
	r.End, r.Outcome = e.Time, e.Result
	for h, o := range e.Data {
		r.Hosts[h] = o
	}
}
