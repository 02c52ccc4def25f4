package tasks

import (
	"context"
	_ "embed" // observe.sh
	"fmt"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

var (
	//go:embed unitfolders.sh
	unitFoldersScript string
	//go:embed observe.sh
	observeItself string
)

var observeScript = unitFoldersScript + observeItself

const (
	// observeTimeout is long for a script of some milliseconds, since a host that
	// is short of memory is just the one that must be understood, and short for one
	// that means to hold us.
	observeTimeout = 10 * time.Second
	// observeOutput and mostFacts bound what a host tells; a generation with thousands
	// of provisioned dashboards has as many facts.
	observeOutput = 4 << 20
	mostFacts     = 20_000
)

// Observe reads one host in one round trip and changes nothing there.
func Observe(ctx context.Context, c fleet.Conn, host string, p inventory.Paths) (*Facts, error) {
	res, err := c.Run(ctx, remote.Command{
		Step:   "observe",
		Script: observeScript,
		Args:   []string{p.Root, p.Etc, p.State, p.Service, p.User, p.Data, p.Logs, p.Group},
		Become: true, Timeout: observeTimeout, Output: observeOutput,
	})
	if err != nil {
		return nil, err
	}
	f, err := parseFacts(string(res.Stdout), p.Root)
	if err != nil {
		return nil, &fleet.HostError{Host: host, Step: "observe", Cause: fmt.Errorf("%w: %s", err, res.Stderr),
			Next: "ssh to the host and look at its shell"}
	}
	if err := knownLayout(host, f.Layout); err != nil {
		return nil, err
	}
	return f, nil
}
