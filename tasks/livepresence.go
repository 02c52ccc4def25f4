package tasks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/redisconn"
)

// presence is what Redis says of the nodes of Live. A node is there milliseconds after its
// start, and gone as soon as its connection is; the metric that counts nodes is refreshed
// every 10 s. The zero value is ready to use.
type presence struct {
	mu sync.Mutex
	// via is the host through which Redis was asked first. It is asked through that one
	// only: two hosts that reach two servers under one name must not be taken together.
	via fleet.Host
	// channels is what the names of the nodes' channels begin with.
	channels string
	// before are the nodes that were there before this run started any; nil: not asked yet.
	before map[string]bool
	// silent is why Redis does not tell; from then on it is not asked any more.
	silent error
	// started are the hosts that this run has started since: each has a new node id.
	started map[string]bool
	// starting are those that are being started right now: theirs may be there already.
	starting map[string]bool
}

// noteBefore remembers, once in a run and before it starts a host, which nodes are there.
// version is what the hosts shall run.
func (r *rollout) noteBefore(ctx context.Context, via fleet.Host, version string) {
	cfg := r.cluster.Live.Redis
	v, err := grafana.ParseVersion(version)
	if cfg.Address == "" || err != nil {
		return
	}
	p := &r.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.before != nil || p.silent != nil {
		return
	}
	p.via, p.channels = via, grafana.LiveNodeChannels(v, cfg.Prefix)
	ids, err := redisconn.LiveNodes(ctx, via, cfg, p.channels)
	if err != nil {
		p.silent = err
		return
	}
	p.before = map[string]bool{}
	for _, id := range ids {
		p.before[id] = true
	}
}

// begin notes that a host is about to be started.
func (p *presence) begin(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.started == nil {
		p.started, p.starting = map[string]bool{}, map[string]bool{}
	}
	delete(p.started, host)
	p.starting[host] = true
}

// end notes that the start is over. started: it came about in this run, and what the host
// had before it has left Redis.
func (p *presence) end(host string, started bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.starting, host)
	if started && p.started != nil {
		p.started[host] = true
	}
}

// doubt takes back what is known of a host that was stopped, lost or booted anew: a
// connection that no packet ended stands in Redis for minutes, and looks like a node.
func (p *presence) doubt(host string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.started, host)
}

// liveLook is what Redis says at one moment of hosts that should be there.
type liveLook struct {
	silent   error           // why it says nothing
	present  int             // nodes that are there
	fresh    int             // of them, those that were not there before this run started any
	want     int             // hosts that run
	started  map[string]bool // of them, those that this run has started
	starting int             // others that this run starts right now, or has started a moment ago
}

// lookAtPresence asks Redis for the nodes of some running hosts.
func (r *rollout) lookAtPresence(ctx context.Context, running []fleet.Host) liveLook {
	p := &r.presence
	p.mu.Lock()
	defer p.mu.Unlock()
	l := liveLook{want: len(running), started: map[string]bool{}, silent: p.silent}
	if p.before == nil && p.silent == nil {
		l.silent = errNotAsked
	}
	if l.silent != nil {
		return l
	}
	ids, err := redisconn.LiveNodes(ctx, p.via, r.cluster.Live.Redis, p.channels)
	if err != nil {
		l.silent = err
		if ctx.Err() == nil {
			p.silent = err
		}
		return l
	}
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	l.present = len(seen)
	maps.DeleteFunc(seen, func(id string, _ bool) bool { return p.before[id] })
	l.fresh = len(seen)
	for _, h := range running {
		l.started[h.Name] = p.started[h.Name]
	}
	maps.DeleteFunc(l.started, func(_ string, started bool) bool { return !started })
	l.starting = len(p.starting) + len(p.started) - len(l.started)
	return l
}

var errNotAsked = errors.New("no look at Redis was taken before these hosts started")

// liveVerdict is what a look at Redis proves.
type liveVerdict int

const (
	livePresent liveVerdict = iota // what this run has started is there, and nobody is missing
	liveMissing                    // somebody is not there
	liveUnknown                    // nothing: the metric tells
)

// verdict: as many nodes as hosts are there, and of those that this run started a node
// each that was not there before. A version whose nodes have no channels that we know
// shows none at all. A node more than started may be of a host that starts right now,
// and then nobody knows whose the others are.
func (l liveLook) verdict() liveVerdict {
	switch {
	case l.silent != nil || l.present == 0:
		return liveUnknown
	case l.present < l.want || l.fresh < len(l.started):
		return liveMissing
	case l.fresh < len(l.started)+l.starting:
		return liveUnknown
	}
	return livePresent
}

func (l liveLook) String() string {
	if l.silent != nil {
		return l.silent.Error()
	}
	return fmt.Sprintf("Redis has %d nodes, %d of %d new ones", l.present, l.fresh, len(l.started)+l.starting)
}

// others are the running hosts that this run has not started: of them Redis cannot tell
// whether one of the nodes is theirs.
func (l liveLook) others(running []fleet.Host) []fleet.Host {
	return slices.DeleteFunc(slices.Clone(running), func(h fleet.Host) bool { return l.started[h.Name] })
}

// says is what the look has to tell, if anything.
func (l liveLook) says() []string {
	if l.silent == nil && l.want == 0 {
		return nil
	}
	return []string{l.String()}
}
