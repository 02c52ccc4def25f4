package tasks

import (
	"context"
	"fmt"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// lostLock is what a node says that finds another one at the migration lock
// (10.3.1: pkg/services/sqlstore/migrator/dialect.go).
const lostLock = "failed to obtain lock"

// failedStartScript finds why a start failed that systemd has repeated since: $2 is what
// to look for in the journal of the service, and in its log file $3 where there is one.
const failedStartScript = `
{ journalctl -u "$1.service" -n 1000 --no-pager -o cat; [ -z "$3" ] || tail -n 1000 "$3"; } 2>/dev/null | grep -cF -e "$2" || :
`

// healed notes that a host's start failed, and that systemd started it again: the host
// is well, but was away for longer, and whoever looks at the result shall know.
func (t turn) healed(ctx context.Context, s sighting) {
	if t.resumed || s.Restarts == 0 {
		return
	}
	times := "once"
	if s.Restarts > 1 {
		times = fmt.Sprintf("%d times", s.Restarts)
	}
	detail := "its start failed " + times + ", and systemd started it again"
	if t.lostLock(ctx) {
		detail += ": another node held the migration lock (" + lostLock + ")"
	}
	t.note(t.host.Name, detail)
	t.say(event.Warning, t.host.Name, detail)
}

func (t turn) lostLock(ctx context.Context) bool {
	file := logFile(t.host.Host, t.cluster.Paths)
	res, err := t.host.Run(ctx, remote.Command{
		Step: "look for why a start failed", Script: failedStartScript, Args: []string{t.cluster.Paths.Service, lostLock, file},
		Become: true, Timeout: readTimeout,
	})
	found := strings.TrimSpace(string(res.Stdout))
	return err == nil && found != "" && found != "0"
}

// note keeps what the result shall say of a host besides how its turn ended.
func (r *rollout) note(host, detail string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.notes == nil {
		r.notes = map[string]string{}
	}
	r.notes[host] = also(r.notes[host], detail)
}
