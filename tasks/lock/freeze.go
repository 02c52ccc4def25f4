package lock

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// freezeScript writes who froze the host, from stdin, unless a run holds it.
const freezeScript = `
umask 077; mkdir -p "$1" && exec 9>>"$1/lock" || exit 1
flock -n 9 || { printf 'held '; cat "$1/holder.json" 2>/dev/null || echo '{}'; exit 0; }
[ ! -r "$1/freeze.json" ] || { printf 'frozen '; cat "$1/freeze.json"; exit 0; }
cat >"$1/freeze.new" && mv -f "$1/freeze.new" "$1/freeze.json" && echo locked
`

// Freeze freezes a host in whose state folder nobody holds the lock, until [Unlock]:
// every run that would change it is refused with by's message. It outlives this
// process. A held or frozen host is a *[HeldError].
func Freeze(ctx context.Context, host fleet.Host, state string, by Holder) error {
	by.Message = strings.Join(strings.Fields(by.Message), " ")
	b, err := json.Marshal(by)
	if err != nil {
		return err
	}
	res, err := host.Run(ctx, remote.Command{
		Step: "freeze", Script: freezeScript, Args: []string{state}, Become: true, Stdin: strings.NewReader(string(b) + "\n"),
	})
	if word := strings.TrimSpace(string(res.Stdout)); err == nil && word != "locked" {
		err = refused(host.Name, word, nil)
	}
	return err
}

// unlockScript takes a freeze away; with force also a run's lock, by ending the
// process that holds it.
const unlockScript = `
rm -f "$1/freeze.json"
[ "$2" = force ] || exit 0
exec 9>>"$1/lock"
if ! flock -n 9; then
	for p in /proc/[0-9]*; do
		for fd in "$p"/fd/*; do
			[ "$(readlink "$fd")" = "$1/lock" ] && [ "${p#/proc/}" != $$ ] && kill -9 "${p#/proc/}" && break
		done
	done 2>/dev/null
fi
rm -f "$1/holder.json" "$1/lease"
exit 0
`

// Unlock ends the freeze of a host. With force it also breaks the lock of a run: that
// run loses its journal and its protection.
func Unlock(ctx context.Context, host fleet.Host, state string, force bool) error {
	mode := "freeze"
	if force {
		mode = "force"
	}
	_, err := host.Run(ctx, remote.Command{Step: "unlock", Script: unlockScript, Args: []string{state, mode}, Become: true})
	return err
}
