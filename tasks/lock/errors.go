package lock

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// ErrTaken means that somebody ended the process that held the lock for this run.
var ErrTaken = errors.New("the lock was taken away from this run")

// HeldError is a lock that somebody else holds. Exit code 6.
type HeldError struct {
	Host   string
	Holder Holder
	Frozen bool // a manual freeze, which waiting does not end
}

// Error names the holder.
func (e *HeldError) Error() string {
	if e.Frozen {
		return fmt.Sprintf("%s: frozen by %s since %s: %s; next: ghadeploy unlock INVENTORY", e.Host, e.Holder.Who(),
			e.Holder.Since.Format(time.RFC3339), e.Holder.Message)
	}
	return fmt.Sprintf("%s: locked by %s since %s (%s); next: wait, or add --lock-wait 10m", e.Host, e.Holder.Who(),
		e.Holder.Since.Format(time.RFC3339), e.Holder.Command)
}

// refused turns what lock.sh said instead of "locked" into an error.
func refused(host, word string, runErr error) error {
	kind, rest, _ := strings.Cut(word, " ")
	if kind != "held" && kind != "frozen" {
		if runErr == nil {
			runErr = fmt.Errorf("unexpected answer %q", word)
		}
		return &fleet.HostError{Host: host, Step: "take the lock", Cause: runErr}
	}
	return &HeldError{Host: host, Holder: parseHolder(rest), Frozen: kind == "frozen"}
}
