package journal

import (
	"cmp"
	"encoding/json"
	"maps"
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
	// Doubts are the hosts whose journals tell another beginning or end of the run than
	// most: they were away when it was written, or lie.
	Doubts []string `json:"doubts,omitempty"`
}

// Runs gathers the entries of each run of a cluster, newest run first. The same entry
// from several hosts counts once, and what most hosts tell of a run's beginning and end
// is taken for it; entries is put in order of time.
func Runs(cluster string, entries []Entry) []Run {
	runs := map[string]*telling{}
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	for _, e := range entries {
		if e.Cluster != "" && e.Cluster != cluster {
			continue
		}
		run := runs[e.Run]
		if run == nil {
			run = &telling{told: map[string][]string{}}
			runs[e.Run] = run
		}
		run.hear(e)
	}
	out := make([]Run, 0, len(runs))
	for id, run := range runs {
		out = append(out,
			run.result(Run{ID: id, Cluster: cluster, Start: run.entries[0].Time, Outcome: "unfinished", Hosts: map[string]string{}}))
	}
	slices.SortFunc(out, func(a, b Run) int { return strings.Compare(b.ID, a.ID) })
	return out
}

// telling is one run as several journals tell it.
type telling struct {
	entries []Entry
	keys    []string            // of the entries
	told    map[string][]string // by key, who tells it
}

func (t *telling) hear(e Entry) {
	source := e.Source
	if e.Step == "run" {
		e.Source = "" // the run's own line, of whichever host
	}
	raw, _ := json.Marshal(e)
	key := string(raw)
	if t.told[key] == nil {
		t.entries, t.keys = append(t.entries, e), append(t.keys, key)
	}
	if !slices.Contains(t.told[key], source) {
		t.told[key] = append(t.told[key], source)
	}
}

func (t *telling) result(r Run) Run {
	begin, end := t.believed(true), t.believed(false)
	doubts := map[string]bool{}
	for i, e := range t.entries {
		if e.Step == "run" && i != begin && i != end {
			for _, source := range t.told[t.keys[i]] {
				doubts[source] = true
			}
			continue
		}
		r.take(e)
	}
	for _, source := range slices.Sorted(maps.Keys(doubts)) {
		r.Doubts = append(r.Doubts, cmp.Or(source, "this machine"))
	}
	return r
}

// believed is the index of the beginning or end of the run that most journals tell, the
// earliest among equals; -1 without one.
func (t *telling) believed(begin bool) int {
	best := -1
	for i, e := range t.entries {
		if e.Step != "run" || (e.Result == "started") != begin {
			continue
		}
		if best < 0 || len(t.told[t.keys[i]]) > len(t.told[t.keys[best]]) {
			best = i
		}
	}
	return best
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
