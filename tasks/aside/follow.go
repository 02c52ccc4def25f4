package aside

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
)

const (
	// followEvery is how often its log and health are read.
	followEvery = 400 * time.Millisecond
	// mostAtOnce bounds what is read of the log in one look, in bytes.
	mostAtOnce = 256 << 10
	// patience is how long the host may be unreachable meanwhile.
	patience = 30 * time.Second
)

// followScript tells the unit's state and what is new in the log, and says that
// somebody follows. $1 folder  $2 unit  $3 bytes read so far  $4 most bytes
const followScript = `
: >"$1/lease"
systemctl show -p ActiveState "$2"
tail -c "+$(($3 + 1))" "$1/log" | head -c "$4"
`

// ErrLate is a Grafana on the side that was not healthy in time.
var ErrLate = errors.New("it was not healthy in time")

// EndedError is one that ended before it was healthy.
type EndedError struct{ Last string }

// Error has its last words.
func (e *EndedError) Error() string {
	if e.Last == "" {
		return "it ended before it was healthy"
	}
	return "it ended before it was healthy: " + e.Last
}

// Follow reads the log of a Grafana on the side until it answers as healthy with its
// version (nil), has ended (*[EndedError]) or ctx has (its error; [ErrLate] where
// that was the deadline). tell is called with the log whenever there is more of it.
func Follow(ctx context.Context, h fleet.Host, s Spec, tell func(*Log)) (*Log, error) {
	f := follower{Spec: s, host: h, log: &Log{}, client: &http.Client{Transport: listener.Unchecked(h), Timeout: 5 * time.Second}}
	var since time.Time // the host is away
	for {
		running, more, err := f.look(ctx)
		switch {
		case ctx.Err() != nil:
			return f.log, late(ctx)
		case err != nil && since.IsZero():
			since = time.Now()
		case err != nil && time.Since(since) > patience:
			return f.log, err
		case err == nil:
			since = time.Time{}
		}
		if more {
			tell(f.log)
		}
		if err == nil && !running && !more {
			return f.log, &EndedError{Last: f.log.End}
		}
		if running && f.healthy(ctx) {
			_, _, err := f.look(ctx) // what it said last before it was
			return f.log, err
		}
		if err := fleet.Pause(ctx, followEvery); err != nil {
			return f.log, late(ctx)
		}
	}
}

func late(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ErrLate
	}
	return ctx.Err()
}

type follower struct {
	Spec
	host   fleet.Host
	log    *Log
	client *http.Client
	read   int64
}

// look reads what is new in the log.
func (f *follower) look(ctx context.Context) (running, more bool, err error) {
	res, err := f.host.Run(ctx, remote.Command{
		Step: "follow the Grafana on the side", Script: followScript, Become: true,
		Args: []string{f.Folder(), f.Unit(), strconv.FormatInt(f.read, 10), strconv.Itoa(mostAtOnce)},
	})
	if err != nil {
		return false, false, err
	}
	state, text, ok := strings.Cut(string(res.Stdout), "\n")
	if !ok {
		return false, false, fmt.Errorf("%s: follow the Grafana on the side: no answer", f.host.Name)
	}
	f.read += int64(len(text))
	_, _ = f.log.Write([]byte(text))
	state = strings.TrimPrefix(strings.TrimSpace(state), "ActiveState=")
	return state == "active" || state == "activating", text != "", nil
}

// healthy asks it. Who else may answer at the port tells no more than that it is not ours.
func (f *follower) healthy(ctx context.Context) bool {
	health, err := grafana.GetHealth(ctx, f.client, fmt.Sprintf("http://127.0.0.1:%d", f.Port))
	return err == nil && health.OK() && (health.Version.IsZero() || health.Version.SameRelease(f.Version))
}
