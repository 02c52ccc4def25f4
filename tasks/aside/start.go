package aside

import (
	"context"
	_ "embed" // start.sh
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

//go:embed start.sh
var startScript string

// filesTimeout bounds writing its files, plugins among them, and the start of the unit.
const filesTimeout = 10 * time.Minute

// Spec is a Grafana on the side.
type Spec struct {
	Place
	Version grafana.Version
	// Release is the folder below releases/ and Binary what runs in it, below bin/.
	Release, Binary string
	// Port of loopback that its grafana.ini names.
	Port int
	// Memory is its limit in bytes, Life how long it may run at most.
	Memory int64
	Life   time.Duration
	// Addresses it may speak to, besides loopback.
	Addresses []string
	// Files writes its files as a tar: etc/, plugins/, manifest.json. Owned are those that
	// the service user must own.
	Files func(io.Writer) error
	Owned []string
}

// Start puts the files in place and starts it. It says nothing of how the start goes on.
func Start(ctx context.Context, h fleet.Host, s Spec) error {
	r, w := io.Pipe()
	guard.Go(func() { _ = w.CloseWithError(guard.Do(func() error { return s.Files(w) })) })
	defer func() { _ = r.Close() }()
	args := []string{
		s.Root, s.Unit(), s.User, s.Group, s.Release, s.Binary, strconv.FormatInt(s.Memory, 10), strconv.Itoa(int(s.Life.Seconds())),
		strings.Join(s.Addresses, " "),
	}
	_, err := h.Run(ctx, remote.Command{
		Step: "start a Grafana on the side", Script: startScript, Args: append(args, s.Owned...), Become: true, Stdin: r, Timeout: filesTimeout, LowPriority: true,
	})
	return err
}
