package tasks

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// logging is a host whose journal is a text.
type logging struct {
	fleet.Conn
	journal string
	asked   int
}

func (l *logging) Run(_ context.Context, c remote.Command) (remote.Result, error) {
	l.asked++
	wanted := regexp.MustCompile(c.Args[1])
	for line := range strings.Lines(l.journal) {
		if wanted.MatchString(line) {
			return remote.Result{Stdout: []byte(line)}, nil
		}
	}
	return remote.Result{}, nil
}

// Both kinds of alerting hold notifications back until they have settled, and say so
// in words that differ by a letter. These lines are of Grafana 10.3.1.
func TestATurnWaitsUntilAlertingHasSettled(t *testing.T) {
	const component = "logger=ngalert.multiorg.alertmanager component=clustering "
	for name, tt := range map[string]struct {
		ha, journal, want string
		hosts             []string
	}{
		"gossip": {
			ha:      "gossip",
			journal: component + `level=info msg="gossip not settled" polls=0 before=0 now=3 elapsed=2.000100305s` + "\n" + component + `level=info msg="gossip settled; proceeding" elapsed=10.003044196s`,
			want:    "settled",
		},
		"redis": {
			ha:      "redis",
			journal: component + `level=info msg="Waiting for gossip to settle..." interval=2s` + "\n" + component + `level=info msg="Gossip settled; proceeding" elapsed=8.010429369s`,
			want:    "settled",
		},
		"redis that changes": {
			ha:      "redis",
			journal: component + `level=info msg="Gossip not settled" polls=3 before=2 now=3 elapsed=8.0s` + "\n" + component + `level=info msg="Gossip not settled but continuing anyway" polls=14 elapsed=30.0s`,
			want:    "continuing anyway",
		},
		"not clustered": {ha: "none"},
		"one host":      {ha: "gossip", hosts: []string{"h1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCluster(tt.hosts...)
			c.Alerting = inventory.Alerting{HA: tt.ha}
			conn, saw := &logging{journal: tt.journal}, ""
			r := &rollout{cluster: c, sink: event.Sink(func(e event.Event) {
				if e.Kind == event.StepDone {
					saw = e.Message
				}
			})}
			if err := r.settled(t.Context(), fleet.Host{Host: c.Hosts[0], Conn: conn}); err != nil {
				t.Fatal(err)
			}
			waits := tt.want != ""
			if waits != (conn.asked == 1) || !strings.Contains(saw, tt.want) {
				t.Errorf("asked the journal %d times, saw %q, want %q", conn.asked, saw, tt.want)
			}
			if text := settleText(c); waits == strings.HasPrefix(text, "none") {
				t.Errorf("the plan says: %s", text)
			}
		})
	}
}
