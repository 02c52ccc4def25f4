package tasks

import (
	"context"
	_ "embed" // turn.sh
	"errors"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

//go:embed turn.sh
var turnScript string

// verb is what a turn does to the service.
type verb string

const (
	verbFlip    verb = "flip"
	verbRestart verb = "restart"
	verbStop    verb = "stop"
	verbStart   verb = "start"
)

// turnLauncher runs turn.sh ($0) in a transient unit, from a file, since systemd
// would expand ${...} in an argument. What the turn has to say goes through a
// file too: a pipe would break with the connection. systemd before 236 cannot
// wait for a unit and collect it; there the turn gets a session of its own.
const turnLauncher = `
d=/run/ghadeploy-turn
umask 077
printf '%s' "$0" >"$d.sh.new" && mv -f "$d.sh.new" "$d.sh" && : >"$d.err" || exit 1
if [ "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')" -ge 236 ]; then
	systemd-run --quiet --collect --wait --unit=ghadeploy-turn --description="ghadeploy: $1 $3" \
		/bin/sh "$d.sh" "$@" 2>>"$d.err"
else
	setsid -w /bin/sh "$d.sh" "$@" </dev/null >/dev/null 2>&1
fi
rc=$?
[ $rc = 0 ] || cat "$d.err" >&2
exit $rc
`

// turnUnit is the transient unit that a turn runs in.
const turnUnit = "ghadeploy-turn.service"

// errTurnBusy: an earlier run's turn, or one that was sent before the link broke, goes on.
var errTurnBusy = errors.New("a turn that was begun before still goes on")

// runTurn sends a host its turn as one command and waits for its end. The turn
// ends by itself when we or the link do not live to see it. The error is errTurnBusy
// while another turn goes on there.
func runTurn(ctx context.Context, h fleet.Host, v verb, p inventory.Paths, generation string, timeout time.Duration) error {
	_, err := h.Run(ctx, remote.Command{
		Step:   string(v),
		Args:   []string{"sh", "-c", turnLauncher, turnScript, string(v), p.Root, p.Service, generation},
		Become: true, Timeout: timeout,
	})
	if turnUnderWay(err) {
		return errTurnBusy
	}
	return err
}

// turnUnderWay tells whether systemd refused a turn because the unit of another one is
// there: "Unit ghadeploy-turn.service already exists." up to 251, and from 252 on "was
// already loaded or has a fragment file." (systemd: src/core/dbus-manager.c,
// transient_unit_from_message).
func turnUnderWay(err error) bool {
	exit, ok := errors.AsType[*remote.ExitError](err)
	return ok && strings.Contains(exit.Stderr, turnUnit) &&
		(strings.Contains(exit.Stderr, "already exists") || strings.Contains(exit.Stderr, "already loaded or has a fragment file"))
}
