package tasks

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// HostLock is who holds a host.
type HostLock struct {
	Host   string  `json:"host"`
	Held   *Holder `json:"held,omitempty"`
	Frozen *Holder `json:"frozen,omitempty"`
}

// freezeScript writes who froze the host, from stdin, unless a run holds it.
const freezeScript = `
umask 077; mkdir -p "$1" && exec 9>>"$1/lock" || exit 1
flock -n 9 || { printf 'held '; cat "$1/holder.json" 2>/dev/null || echo '{}'; exit 0; }
[ ! -r "$1/freeze.json" ] || { printf 'frozen '; cat "$1/freeze.json"; exit 0; }
cat >"$1/freeze.new" && mv -f "$1/freeze.new" "$1/freeze.json" && echo locked
`

// Lock freezes all hosts by hand, until Unlock: every run that would change one is
// refused with the message. It outlives this process.
func (r *Runner) Lock(ctx context.Context, message string) error {
	h := newHolder("lock", r.id)
	h.Message = strings.Join(strings.Fields(message), " ")
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = each(ctx, r, func(ctx context.Context, host fleet.Host) (struct{}, error) {
		res, err := host.Run(ctx, remote.Command{
			Step: "freeze", Script: freezeScript, Args: []string{r.c.Paths.State}, Become: true, Stdin: strings.NewReader(string(b) + "\n"),
		})
		if word := strings.TrimSpace(string(res.Stdout)); err == nil && word != "locked" {
			err = refused(host.Name, word, nil)
		}
		return struct{}{}, err
	})
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

// Unlock ends a freeze. With force it also breaks the lock of a run: that run loses
// its journal and its protection, so it is for when its operator is known to be gone.
func (r *Runner) Unlock(ctx context.Context, force bool) error {
	mode := "freeze"
	if force {
		mode = "force"
	}
	_, err := each(ctx, r, func(ctx context.Context, h fleet.Host) (struct{}, error) {
		_, err := h.Run(ctx, remote.Command{Step: "unlock", Script: unlockScript, Args: []string{r.c.Paths.State, mode}, Become: true})
		return struct{}{}, err
	})
	return err
}

// holdersScript says whether the lock is held, and by whom; it takes it for no
// longer than it needs to see that.
const holdersScript = `
[ -d "$1" ] || exit 0
if [ -e "$1/lock" ] && ! flock -n "$1/lock" true; then printf 'held '; cat "$1/holder.json" 2>/dev/null || echo '{}'; fi
[ ! -r "$1/freeze.json" ] || { printf 'frozen '; cat "$1/freeze.json"; }
`

func readHolders(ctx context.Context, h fleet.Host, state string) (HostLock, error) {
	l := HostLock{Host: h.Name}
	res, err := h.Run(ctx, remote.Command{Step: "read the lock", Script: holdersScript, Args: []string{state}, Become: true})
	if err != nil {
		return l, err
	}
	for line := range strings.Lines(string(res.Stdout)) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var who Holder
		if json.Unmarshal([]byte(rest), &who) != nil || who.User == "" {
			who.User, who.From = "somebody", "unknown"
		}
		if kind == "held" {
			l.Held = &who
		} else {
			l.Frozen = &who
		}
	}
	return l, nil
}
