package tasks

import (
	"net"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// meeting are the settings by which nodes find each other, by the gate that counts
// them. Nodes that differ in one of them are two clusters.
var meeting = map[string][]string{
	gateMembers: {
		"unified_alerting.ha_redis_address", "unified_alerting.ha_redis_prefix", "unified_alerting.ha_label",
		"unified_alerting.ha_listen_address", "unified_alerting.ha_peers",
	},
	gateLive: {"live.ha_engine", "live.ha_engine_address", "live.ha_prefix"},
}

// apartBy lists the gates for which a node with one grafana.ini does not see a node
// with the other: a new Redis, a new gossip port, Live switched on, or a version that
// is the first to know a prefix. A rollout then counts old and new nodes apart.
func apartBy(old, now []byte) (gates []string) {
	a, b := meetingPoints(old), meetingPoints(now)
	for _, gate := range []string{gateMembers, gateLive} {
		if slices.ContainsFunc(meeting[gate], func(key string) bool { return a[key] != b[key] }) {
			gates = append(gates, gate)
		}
	}
	return gates
}

// meetingPoints reads what matters from a grafana.ini of ours: of the gossip address
// the port, since the rest is the node's own, and of the peers whether there are any,
// since a cluster that grows stays one.
func meetingPoints(ini []byte) map[string]string {
	out := map[string]string{}
	section := ""
	for line := range strings.Lines(string(ini)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		key, value := section+"."+strings.TrimSpace(name), strings.TrimSpace(value)
		switch key {
		case "unified_alerting.ha_listen_address":
			if _, port, err := net.SplitHostPort(strings.Trim(value, "`\"")); err == nil {
				value = port
			}
		case "unified_alerting.ha_peers":
			value = "some"
		}
		out[key] = value
	}
	return out
}

// setApart notes in the policy for which gates old and new do not see each other.
func (p *Plan) setApart(in planInput) {
	for _, hp := range p.Hosts {
		if in.desired[hp.Host] == nil {
			continue // it is absent
		}
		old := in.old[hp.Host][desired.INIFile]
		if f := in.desired[hp.Host].Generation.File(desired.INIFile); hp.Restart && len(old) > 0 && f != nil {
			for _, gate := range apartBy(old, f.Shown) {
				if !slices.Contains(p.Policy.Apart, gate) {
					p.Policy.Apart = append(p.Policy.Apart, gate)
				}
			}
		}
	}
}

// cohort are the running hosts that a host should see as far as a gate counts: all
// of them, or, where old and new are apart, those that are as far as it is. Host ""
// stands for those that are as they shall be.
func (r *rollout) cohort(gate, host string) []fleet.Host {
	running := r.running()
	if !slices.Contains(r.plan.Policy.Apart, gate) {
		return running
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	joined := host == "" || r.joined(host)
	return slices.DeleteFunc(running, func(h fleet.Host) bool { return r.joined(h.Name) != joined })
}

// joined tells whether a host runs what the plan wants; the caller holds mu.
func (r *rollout) joined(host string) bool {
	if to, ok := r.flipped[host]; ok {
		return to
	}
	hp := r.plan.Host(host)
	return hp == nil || !hp.Restart && !hp.Stale
}

func (r *rollout) setFlipped(host string, to bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flipped == nil {
		r.flipped = map[string]bool{}
	}
	r.flipped[host] = to
}
