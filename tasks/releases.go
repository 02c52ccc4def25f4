package tasks

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// GenerationInfo is one generation on a host.
type GenerationInfo struct {
	ID       string    `json:"id"`
	Version  string    `json:"version"`
	Release  string    `json:"release"`
	Created  time.Time `json:"created"`
	Current  bool      `json:"current"`
	Previous bool      `json:"previous"` // what a rollback goes to
	Running  bool      `json:"running"`
	// NeedsDump: migrations ran since, so that a rollback there puts a dump back too.
	NeedsDump bool `json:"needs_dump,omitempty"`
}

// HostReleases are the generations of one host, newest first.
type HostReleases struct {
	Host        string           `json:"host"`
	Generations []GenerationInfo `json:"generations"`
}

// Releases lists the generations on the selected hosts, newest first.
func (r *Runner) Releases(ctx context.Context) ([]HostReleases, error) {
	var mu sync.Mutex
	var seenHosts []seen
	out, err := each(ctx, r, func(ctx context.Context, h fleet.Host) (HostReleases, error) {
		f, err := Observe(ctx, h, h.Name, r.c.Paths)
		if err != nil {
			return HostReleases{}, err
		}
		times, err := generationTimes(ctx, h, r.c.Paths.Root)
		if err != nil {
			return HostReleases{}, err
		}
		mu.Lock()
		defer mu.Unlock()
		seenHosts = append(seenHosts, seen{h, f})
		return HostReleases{Host: h.Name, Generations: generationsOf(f, times)}, nil
	})
	if r.o.Command == "releases" { // a shell that completes a word does not wait for a database
		r.notOffered(ctx, &picture{hosts: seenHosts}, out)
	}
	return out, err
}

// notOffered marks the generations that a rollback to would be refused.
func (r *Runner) notOffered(ctx context.Context, p *picture, out []HostReleases) {
	targets := map[string]string{}
	for _, h := range p.hosts {
		if id := previousGood(h.facts); id != "" {
			targets[h.Name] = id
		}
	}
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	err := r.migratedSince(ctx, p, targets)
	if _, refused := errors.AsType[*RefusedError](err); !refused {
		return // a database that does not answer is told by the rollback
	}
	for i := range out {
		for n := range out[i].Generations {
			g := &out[i].Generations[n]
			if g.Previous {
				g.Previous, g.NeedsDump = false, true
			}
		}
	}
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
		Step: "list generations", Script: `cd "$1/generations" 2>/dev/null && stat -c '%n %Y' */manifest.json 2>/dev/null; true`,
		Args: []string{root}, Become: true,
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
