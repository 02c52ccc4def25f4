package tasks

import (
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// ActionKind names what an action does.
type ActionKind string

// The kinds of actions, in the order in which a host sees them.
const (
	ActionCreateDatabase ActionKind = "create-database" // role and database, with admin credentials
	ActionBackup         ActionKind = "backup"          // dump of the database before a version change
	ActionPrepare        ActionKind = "prepare"         // user, group, folders
	ActionRelease        ActionKind = "release"         // upload and unpack a release
	ActionGeneration     ActionKind = "generation"      // write a generation beside the current one
	ActionLink           ActionKind = "link"            // /etc/grafana
	ActionEnable         ActionKind = "enable"          // the unit, for the next boot
	ActionTurn           ActionKind = "turn"            // drain, stop, flip, start, gates, undrain
	ActionStop           ActionKind = "stop"            // drain and stop, and stay stopped
	ActionBalancer       ActionKind = "balancer"        // write the backend of a managed load balancer
	ActionUndrain        ActionKind = "undrain"         // a healthy host that a broken run left drained
	ActionPrune          ActionKind = "prune"           // old generations and releases
	ActionRemove         ActionKind = "remove"          // everything of ours on a host
)

// Action is one thing that a run does on one host. What it says here is what
// executing it does: the executors in stage.go and turn.go read nothing else.
type Action struct {
	Kind ActionKind `json:"kind"`
	Host string     `json:"host"`
	// Summary is one line: "unpack release 10.3.1 (66 MB)".
	Summary string `json:"summary"`
	// Reason says why it is needed: "not on the host", "grafana.ini changed".
	Reason string `json:"reason"`
	// Disrupts: Grafana on this host stops for it.
	Disrupts bool `json:"disrupts"`
	// Bytes to upload, where there is an upload.
	Bytes int64 `json:"bytes,omitempty"`
	// Diffs of the files that change, secrets masked by fingerprints.
	Diffs []FileDiff `json:"diffs,omitempty"`
	// Steps of a turn, in their order; carrying it out is a loop over them.
	Steps []Step `json:"steps,omitempty"`
	// Paths are what prune and remove delete.
	Paths []string `json:"paths,omitempty"`
}

// FileDiff is how one file changes.
type FileDiff struct {
	Path    string `json:"path"`              // relative to the generation: "etc/grafana.ini"
	Change  string `json:"change"`            // "add", "change" or "delete"
	Unified string `json:"unified,omitempty"` // empty for binary files and secrets
	Note    string `json:"note,omitempty"`    // "secret changed: 1f2e3d -> 9a8b7c", "binary, 2.1 MB"
}

// Deployed is what a host runs, or shall run.
type Deployed struct {
	Version    string `json:"version,omitempty"`
	Release    string `json:"release,omitempty"`    // name of the folder under releases/
	Generation string `json:"generation,omitempty"` // id
}

// String is the version and the generation, for people.
func (d Deployed) String() string {
	if d.Version == "" {
		return "nothing"
	}
	return "Grafana " + d.Version + ", generation " + d.Generation
}

// HostPlan is what happens on one host.
type HostPlan struct {
	Host string   `json:"host"`
	From Deployed `json:"from"` // what runs now; zero on a bare host
	To   Deployed `json:"to"`
	// Actions in order; empty when the host is as it should be.
	Actions []Action `json:"actions"`
	// Restart tells whether Grafana on this host is started anew, and Reasons why.
	Restart bool     `json:"restart"`
	Reasons []string `json:"reasons,omitempty"`
	// Skipped: not selected by --limit. Stale then tells that it would change.
	Skipped bool `json:"skipped,omitempty"`
	Stale   bool `json:"stale,omitempty"`
}

// turnReason is why the host takes a turn: of its last action, bar the deletions that
// follow when all turns are over.
func (h *HostPlan) turnReason() string {
	for _, a := range slices.Backward(h.Actions) {
		if a.Kind != ActionPrune {
			return a.Reason
		}
	}
	return ""
}

// PolicyKind says how hosts go through a change.
type PolicyKind string

// The policies.
const (
	PolicyNone     PolicyKind = "none"      // nothing is restarted
	PolicyFirst    PolicyKind = "first"     // empty database: one host alone, then the others one by one
	PolicyRolling  PolicyKind = "rolling"   // batch by batch, the others keep serving
	PolicyOneFirst PolicyKind = "one-first" // all but one stopped while the first migrates: an outage
	PolicyHandover PolicyKind = "handover"  // the first is upgraded while the others serve, and takes over from them
)

// Policy is how the disruptive part of a plan is carried out.
type Policy struct {
	Kind   PolicyKind `json:"kind"`
	Reason string     `json:"reason"`
	// Batches of host names in the order of their turns; what is in one batch
	// goes at the same time.
	Batches        [][]string `json:"batches"`
	MaxUnavailable int        `json:"max_unavailable"`
	// TakesOver are, in a handover, the hosts that serve from the last batch on: the
	// first one, or those that an earlier run took to the new version already.
	TakesOver []string `json:"takes_over,omitempty"`
	// Outage is what users notice, where two versions must not serve side by side.
	Outage string `json:"outage,omitempty"`
	// Migrates: the first host of the first batch runs database migrations and goes alone.
	Migrates bool `json:"migrates"`
	// Canary: the first batch is watched before the next begins.
	Canary     bool          `json:"canary,omitempty"`
	Bake       time.Duration `json:"bake_ns,omitempty"`
	PauseAfter int           `json:"pause_after,omitempty"`
	// Gates that end every turn, by name, in order.
	Gates []string `json:"gates"`
	// Final are the gates of the whole cluster that end the run.
	Final     []string `json:"final_gates,omitempty"`
	Settle    string   `json:"settle"`
	OnFailure string   `json:"on_failure"`
	// Apart are gates for which old and new nodes are two clusters while this rolls,
	// since what they meet by changes: each is counted among its own.
	Apart []string `json:"apart,omitempty"`
	// Backup is taken before the first turn.
	Backup bool `json:"backup,omitempty"`
}

// Plan is what a run will do. Its JSON is published by `ghadeploy plan -o json`.
type Plan struct {
	Schema  int    `json:"schema"` // version of this format; 1
	Cluster string `json:"cluster"`
	Command string `json:"command"` // "apply", "upgrade", ...
	// Hash identifies the plan: equal hosts and an equal inventory give an equal hash.
	Hash  string     `json:"hash"`
	Hosts []HostPlan `json:"hosts"` // in inventory order
	// Before are actions of the whole cluster that come before any turn.
	Before []Action `json:"before,omitempty"`
	Policy Policy   `json:"policy"`
	// Reach are the changes whose effect goes beyond a restart of the hosts.
	Reach    []reach.Change `json:"reach,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
	// Rehearsed is what the last rehearsal of this very upgrade found; nil: none is known.
	Rehearsed *LastRehearsal `json:"last_rehearsal,omitempty"`
	// Estimate is the expected duration in seconds, from the journal; 0: unknown.
	Estimate float64 `json:"estimate_seconds,omitempty"`
	// arguments are those of the command that made it, for the command that goes on.
	arguments string
}

// Empty tells whether there is nothing to do.
func (p *Plan) Empty() bool {
	if len(p.Before) > 0 {
		return false
	}
	for _, h := range p.Hosts {
		if len(h.Actions) > 0 {
			return false
		}
	}
	return true
}

// Version is what the hosts shall run; empty when no host is to run anything.
func (p *Plan) Version() string {
	for _, h := range p.Hosts {
		if h.To.Version != "" {
			return h.To.Version
		}
	}
	return ""
}

// Host finds a host's part of the plan; nil when there is none.
func (p *Plan) Host(name string) *HostPlan {
	for i := range p.Hosts {
		if p.Hosts[i].Host == name {
			return &p.Hosts[i]
		}
	}
	return nil
}
