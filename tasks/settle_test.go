package tasks

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// logging is a host whose journal is a text.
type logging struct {
	fleet.Conn
	journal string
	asked   int
	from    string
}

func (l *logging) Run(_ context.Context, c remote.Command) (remote.Result, error) {
	l.asked++
	l.from = c.Args[3]
	wanted := regexp.MustCompile(c.Args[1])
	for line := range strings.Lines(l.journal) {
		if wanted.MatchString(line) {
			return remote.Result{Stdout: []byte(line)}, nil
		}
	}
	return remote.Result{}, nil
}

func logConfig(key, value string) inventory.Config {
	return inventory.Config{{Name: "log", Keys: []inventory.Key{{Name: key, Value: inventory.PlainValue(value)}}}}
}

// In a log file that earlier processes wrote to, only what the running one says counts.
func TestSettlingIsReadFromALogFile(t *testing.T) {
	dir := t.TempDir()
	process := exec.CommandContext(t.Context(), "sleep", "60")
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = process.Process.Kill(); _ = process.Wait() }()
	bin := filepath.Join(dir, "systemctl")
	if err := os.WriteFile(bin, []byte(fmt.Sprintf("#!/bin/sh\necho MainPID=%d\n", process.Process.Pid)), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	file := filepath.Join(dir, "grafana.log")
	const start, settled = `logger=settings level=info msg="Starting Grafana" version=10.3.1` + "\n", `level=info msg="gossip settled; proceeding" elapsed=`
	if err := os.WriteFile(file, []byte(start+settled+"1s\n"+start), 0o600); err != nil {
		t.Fatal(err)
	}
	c := testCluster("h1", "h2")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	c.Paths.Logs, c.Paths.User, c.Hosts[0].Config = dir, me.Username, logConfig("mode", "file")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	said := make(chan string, 1)
	go func() {
		line, err := waitForLog(ctx, fleet.Host{Host: c.Hosts[0], Conn: &fleettest.Local{}}, c.Paths, settledLog, settleMax)
		said <- fmt.Sprint(line, err)
	}()
	select {
	case line := <-said:
		t.Fatalf("an earlier process's line was taken: %s", line)
	case <-time.After(500 * time.Millisecond): // long enough for it to be read
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(settled + "2s\n"); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if line := <-said; !strings.Contains(line, "elapsed=2s") {
		t.Errorf("saw %q", line)
	}
}

// Both kinds of alerting hold notifications back until they have settled, and say so
// in words that differ by a letter. These lines are of Grafana 10.3.1.
func TestATurnWaitsUntilAlertingHasSettled(t *testing.T) {
	const component = "logger=ngalert.multiorg.alertmanager component=clustering "
	for name, tt := range map[string]struct {
		ha, journal, want string
		hosts             []string
		config            inventory.Config
		from              string // where the lines are looked for
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
		"log in a file": {ha: "gossip", config: logConfig("mode", "file"), from: "/var/log/grafana/grafana.log",
			journal: component + `level=info msg="gossip settled; proceeding" elapsed=10.003044196s`, want: "settled"},
		"log that hides it": {ha: "gossip", config: logConfig("level", "error"), from: "-", want: "log level there is error"},
		"not clustered":     {ha: "none"},
		"one host":          {ha: "gossip", hosts: []string{"h1"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCluster(tt.hosts...)
			c.Alerting = inventory.Alerting{HA: tt.ha}
			c.Paths.Logs, c.Hosts[0].Config = "/var/log/grafana", tt.config
			conn, saw := &logging{journal: tt.journal}, ""
			r := &rollout{cluster: c, sink: event.Sink(func(e event.Event) {
				if e.Kind == event.StepDone {
					saw = e.Message
				}
			})}
			if err := r.settled(t.Context(), fleet.Host{Host: c.Hosts[0], Conn: conn}); err != nil {
				t.Fatal(err)
			}
			if conn.from != tt.from {
				t.Errorf("looked for it in %q, want %q", conn.from, tt.from)
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
