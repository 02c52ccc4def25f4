package tasks

import (
	"context"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// Options are what a run is told besides the inventory.
type Options struct {
	// Command is the command line, for the lock, the journal and the plan: "apply".
	Command string
	// Limit selects the hosts that may change; nil: all.
	Limit []*inventory.Host
	// SkipChecks names preflight checks not to run; "all" skips every one.
	SkipChecks []string
	// Confirm is asked before the first write; nil: no question.
	Confirm func(ctx context.Context, p *Plan) (bool, error)
	// Pause is asked after a canary or PauseAfter hosts; nil: go on. No ends the run
	// with a [PausedError].
	Pause func(ctx context.Context, message string) (bool, error)
	// LockWait is how long to wait for somebody else's lock.
	LockWait time.Duration
	// Saved is a saved plan; anything else than what it says is refused.
	Saved *Plan
	// AllowDowngrade lets a version go down.
	AllowDowngrade bool
	// AllowKnownBad goes on with a version that is known to fail on this database.
	AllowKnownBad bool
	// Allow are the changes that reach beyond a restart and are meant.
	Allow map[reach.Kind]bool
	// SkipHooks runs none of the inventory's hooks.
	SkipHooks bool
	// NoBackup leaves the dump before a version change out.
	NoBackup bool
	Sink     event.Sink
	// Dialer opens the connections; nil: one with OpenSSH's defaults.
	Dialer *remote.Dialer
	// Connect replaces the dialer in tests.
	Connect func(ctx context.Context, h *inventory.Host) (fleet.Conn, error)
	// ToolVersion is ghadeploy's own, for the journal.
	ToolVersion string
	// Interrupt, when closed, asks the run to end after the turn at hand.
	Interrupt <-chan struct{}
}

// Result is what a run did.
type Result struct {
	Run      string                 `json:"run"` // id, as in history
	Plan     *Plan                  `json:"plan"`
	Changed  bool                   `json:"changed"`
	Hosts    map[string]HostOutcome `json:"hosts"`
	Seconds  float64                `json:"seconds"`
	Warnings []string               `json:"warnings,omitempty"`
}

// HostOutcome says in which state a run left a host.
type HostOutcome struct {
	Outcome string `json:"outcome"` // "unchanged", "done", "rolled back", "failed", "stopped", "interrupted", "not reached"
	Runs    string `json:"runs"`    // "Grafana 10.3.1, generation 3f2a91c0b7d2"
	Detail  string `json:"detail,omitempty"`
}
