package tasks

import (
	"slices"

	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

// estimate is how long the plan will take, in seconds: the sum of its steps, each as long
// as it took in earlier runs on this cluster, or else in the lab.
func (r *Runner) estimate(p *Plan) float64 {
	entries, err := journal.ReadLocal(r.c.Name)
	if err != nil {
		entries = nil
	}
	return estimateOf(p, learn(labFigures(), entries))
}

// figures are how long single steps take, in seconds.
type figures struct {
	overhead   float64 // read twice, lock, check
	perMB      float64 // upload and unpack 1 MB of a release, on all hosts at once
	generation float64 // write one
	dump       float64
	stop       float64 // a host that stays stopped for now
	drain      float64
	restart    float64 // stop, flip, start of a host that runs
	start      float64 // of a host that does not run, the balancer's second look included
	startNew   float64 // the same on another version, whose first start does more
	migrate    float64 // what a start takes longer that migrates
	live       float64 // until a host that was started counts as a node of Live
	members    float64
	settle     float64 // gossip, from a host's gates on where none of them waited
	undrain    float64
}

// labFigures were measured on three hosts of the lab with real 10.3.1 and 11.6.2, PostgreSQL,
// HAProxy and Redis.
func labFigures() figures {
	return figures{overhead: 1.5, perMB: 0.13, generation: 0.3, dump: 1, stop: 1, drain: 0.1, restart: 1.6, start: 2.4, startNew: 8,
		migrate: 2,
		live:    0.1, members: 0.1, settle: 8.5, undrain: 0.1}
}

// estimateOf adds up what a plan will do.
func estimateOf(p *Plan, f figures) float64 {
	if p.Empty() {
		return 0
	}
	total := f.overhead + f.staging(p)
	for _, a := range p.Before {
		if a.Kind == ActionBackup {
			total += f.dump
		}
	}
	if p.Policy.Kind == PolicyOneFirst && len(p.Policy.Batches) > 1 {
		total += f.stop
	}
	for i, b := range p.Policy.Batches {
		total += f.batch(p, i, b)
	}
	return total + f.last(p) + p.Policy.Bake.Seconds()
}

// staging is of the slowest host, since all are staged at once.
func (f figures) staging(p *Plan) float64 {
	slowest := 0.0
	for _, h := range p.Hosts {
		own := 0.0
		for _, a := range h.Actions {
			switch a.Kind {
			case ActionRelease:
				own += f.perMB * float64(a.Bytes) / 1e6
			case ActionGeneration:
				own += f.generation
			}
		}
		slowest = max(slowest, own)
	}
	return slowest
}

// batch is of the turns that are taken at the same time; starts come one after another.
func (f figures) batch(p *Plan, i int, hosts []string) float64 {
	kind := p.Policy.Kind
	first, last := i == 0, i == len(p.Policy.Batches)-1
	cold := kind == PolicyFirst || kind == PolicyOneFirst && !first
	took := f.members + f.undrain
	if cold && kind == PolicyOneFirst {
		took += f.startNew * float64(len(hosts))
	} else if cold {
		took += f.start * float64(len(hosts))
	} else {
		took += f.drain + f.restart + f.restart/2*float64(len(hosts)-1)
	}
	if first && p.Policy.Migrates {
		took += f.migrate
	}
	// The first host of an upgrade with all others stopped is the only node there is.
	waits := slices.Contains(p.Policy.Gates, gateLive) && (kind != PolicyOneFirst || !first)
	if waits {
		took += f.live
	}
	if last {
		return took
	}
	return took + f.settles(p, waits)
}

// settles is the wait between two batches.
func (f figures) settles(p *Plan, waitedForLive bool) float64 {
	switch {
	case p.Policy.Kind == PolicyFirst, p.Policy.Kind == PolicyHandover, p.Policy.Settle == "":
		return 0
	case waitedForLive: // gossip settles meanwhile; where only the metric tells of Live, wholly
		return max(f.settle-f.live, 0.1)
	}
	return f.settle
}

// last is the wait for the whole cluster, where the turns have left that to it.
func (f figures) last(p *Plan) float64 {
	if slices.Contains(p.Policy.Final, gateLive) && !slices.Contains(p.Policy.Gates, gateLive) {
		return max(f.live-f.start, 0)
	}
	return 0
}
