package tasks

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

func itoa(n int) string { return strconv.Itoa(n) }

func sortLines(l []LogLine) {
	slices.SortStableFunc(l, func(a, b LogLine) int { return a.Time.Compare(b.Time) })
}

// maxJournal is how much of a host's journal is read, from its end.
const maxJournal = 4 << 20

// History gives the runs of the cluster, newest first: from the hosts' journals, or
// from the operator's own when local. Runs that another cluster's inventory made on
// the same hosts are left out.
func (r *Runner) History(ctx context.Context, local bool) ([]RunRecord, error) {
	if local {
		path, err := localJournal(r.c.Name)
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil, nil
		}
		return r.records(readJournal(b)), err
	}
	all, err := each(ctx, r, func(ctx context.Context, h fleet.Host) ([]JournalEntry, error) {
		res, err := h.Run(ctx, remote.Command{
			Step: "read the journal", Script: `[ ! -r "$1" ] || tail -c "$2" "$1"`, Args: []string{r.c.Paths.State + "/journal.jsonl", itoa(maxJournal)}, Become: true,
		})
		entries := readJournal(res.Stdout)
		for i := range entries {
			if entries[i].Host == "" && entries[i].Step != "run" {
				entries[i].Host = h.Name
			}
		}
		return entries, err
	})
	return r.records(slices.Concat(all...)), err
}

// readJournal reads lines; one that a crash cut short is left out.
func readJournal(b []byte) (out []JournalEntry) {
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(make([]byte, 64<<10), maxJournal)
	for s.Scan() {
		var e JournalEntry
		if json.Unmarshal(s.Bytes(), &e) == nil && e.Run != "" {
			out = append(out, e)
		}
	}
	return out
}

// records gathers the lines of each run; the same line from several hosts counts once.
func (r *Runner) records(entries []JournalEntry) []RunRecord {
	runs := map[string]*RunRecord{}
	seen := map[string]bool{}
	slices.SortStableFunc(entries, func(a, b JournalEntry) int { return a.Time.Compare(b.Time) })
	for _, e := range entries {
		if e.Cluster != "" && e.Cluster != r.c.Name {
			continue
		}
		key, _ := json.Marshal(e)
		if seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		rec := runs[e.Run]
		if rec == nil {
			rec = &RunRecord{Run: e.Run, Cluster: r.c.Name, Start: e.Time, Outcome: "unfinished", Hosts: map[string]string{}}
			runs[e.Run] = rec
		}
		rec.take(e)
	}
	out := make([]RunRecord, 0, len(runs))
	for _, rec := range runs {
		out = append(out, *rec)
	}
	slices.SortFunc(out, func(a, b RunRecord) int { return strings.Compare(b.Run, a.Run) })
	return out
}

func (rec *RunRecord) take(e JournalEntry) {
	rec.Entries = append(rec.Entries, e)
	if e.Step != "run" {
		return
	}
	if e.Result == "started" {
		rec.Start, rec.User, rec.From, rec.Command = e.Time, e.Data["user"], e.Data["from"], e.Data["command"]
		rec.PlanHash, rec.InventoryHash = e.Data["plan_hash"], e.Data["inventory_hash"]
		return
	}
	rec.End, rec.Outcome = e.Time, e.Result
	for h, o := range e.Data {
		rec.Hosts[h] = o
	}
}

// Releases lists the generations on the selected hosts, newest first.
func (r *Runner) Releases(ctx context.Context) ([]HostReleases, error) {
	return each(ctx, r, func(ctx context.Context, h fleet.Host) (HostReleases, error) {
		f, err := Observe(ctx, h, h.Name, r.c.Paths)
		if err != nil {
			return HostReleases{}, err
		}
		times, err := generationTimes(ctx, h, r.c.Paths.Root)
		if err != nil {
			return HostReleases{}, err
		}
		return HostReleases{Host: h.Name, Generations: generationsOf(f, times)}, nil
	})
}

func generationsOf(f *Facts, times map[string]time.Time) []GenerationInfo {
	previous := previousGood(f)
	out := []GenerationInfo{}
	for id, rel := range f.Generations {
		out = append(out, GenerationInfo{
			ID: id, Release: rel, Version: versionOf(rel), Created: times[id].UTC(),
			Current: id == f.Current, Running: id == f.Service.Generation, Previous: id == previous,
		})
	}
	slices.SortFunc(out, func(a, b GenerationInfo) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// previousGood is what a rollback goes to: the last generation whose gates passed
// besides the one that is current, if it is still there.
func previousGood(f *Facts) string {
	for _, id := range slices.Backward(f.Good) {
		if _, there := f.Generations[id]; there && id != f.Current {
			return id
		}
	}
	return ""
}

func generationTimes(ctx context.Context, h fleet.Host, root string) (map[string]time.Time, error) {
	res, err := h.Run(ctx, remote.Command{
		Step: "list generations", Script: `cd "$1/generations" 2>/dev/null && stat -c '%n %Y' */manifest.json 2>/dev/null; true`, Args: []string{root}, Become: true,
	})
	out := map[string]time.Time{}
	for line := range strings.Lines(string(res.Stdout)) {
		name, at, _ := strings.Cut(strings.TrimSpace(line), " ")
		if n, err := strconv.ParseInt(at, 10, 64); err == nil {
			out[strings.TrimSuffix(name, "/manifest.json")] = time.Unix(n, 0)
		}
	}
	return out, err
}
