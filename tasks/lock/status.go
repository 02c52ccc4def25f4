package lock

import (
	"context"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Status is who holds a host, and who froze it; nil: nobody.
type Status struct {
	Host   string  `json:"host"`
	Held   *Holder `json:"held,omitempty"`
	Frozen *Holder `json:"frozen,omitempty"`
}

// holdersScript says whether the lock is held, and by whom; it takes it for no
// longer than it needs to see that.
const holdersScript = `
[ -d "$1" ] || exit 0
if [ -e "$1/lock" ] && ! flock -n "$1/lock" true; then printf 'held '; cat "$1/holder.json" 2>/dev/null || echo '{}'; fi
[ ! -r "$1/freeze.json" ] || { printf 'frozen '; cat "$1/freeze.json"; }
`

// Read tells who holds the lock in a host's state folder.
func Read(ctx context.Context, host fleet.Host, state string) (Status, error) {
	s := Status{Host: host.Name}
	res, err := host.Run(ctx, remote.Command{Step: "read the lock", Script: holdersScript, Args: []string{state}, Become: true})
	if err != nil {
		return s, err
	}
	for line := range strings.Lines(string(res.Stdout)) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		who := parseHolder(rest)
		if kind == "held" {
			s.Held = &who
		} else {
			s.Frozen = &who
		}
	}
	return s, nil
}
