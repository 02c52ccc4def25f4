package tasks

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// A host that refuses to stop goes on serving: it is put back, it counts among those that
// must be healthy, and what was stopped beside it is started again.
func TestAHostThatCannotBeStoppedServesOn(t *testing.T) {
	refuses := &remote.ExitError{Host: "h2", Step: "stop", Status: 1, Stderr: "Job for grafana-server.service canceled."}
	for _, tt := range []struct {
		name string
		stop func(r *rollout, t *testing.T) error
	}{
		{"all but one stopped", func(r *rollout, t *testing.T) error {
			r.plan.Policy = Policy{Kind: PolicyOneFirst, Batches: [][]string{{"h1"}, {"h2", "h3"}}, Migrates: true}
			return r.roll(t.Context())
		}},
		{"a dump that is put back, or hosts that are removed", func(r *rollout, t *testing.T) error {
			return r.bringBack(t.Context(), r.stopAll(t.Context(), []fleet.Host{r.hosts["h2"], r.hosts["h3"]}))
		}},
		{"ghadeploy stop", func(r *rollout, t *testing.T) error { return r.stopHost(t.Context(), r.hosts["h2"], "") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := startNodes(t, "old", "old", "old")
			c.all["h2"].refuses = map[verb]error{verbStop: refuses}
			err := tt.stop(r, t)
			if err == nil || !strings.Contains(err.Error(), "canceled") || !strings.Contains(err.Error(), "back in the load balancer") {
				t.Errorf("the error does not say what happened and how the host is left: %v", err)
			}
			for name, n := range c.all {
				if !n.running || !c.in[name] || n.version != "10.3.1" {
					t.Errorf("%s: running %v, in the balancer %v, %s", name, n.running, c.in[name], n.version)
				}
			}
			if !r.anyUp([]string{"h2"}) || !r.deployed["h2"] {
				t.Error("h2 is forgotten: it does not count among those that must be healthy")
			}
		})
	}
}

// The words of systemd up to 251, and from 252 on.
func TestATurnThatStillGoesOnIsRecognised(t *testing.T) {
	for words, want := range map[string]bool{
		"Failed to start transient service unit: Unit ghadeploy-turn.service already exists.":                            true,
		"Failed to start transient service unit: Unit ghadeploy-turn.service was already loaded or has a fragment file.": true,
		"Failed to start transient service unit: Connection timed out":                                                   false,
		"mv: cannot overwrite '/opt/grafana/current.new': it already exists":                                             false,
		"Failed to start transient service unit: Unit somebody-elses.service was already loaded or has a fragment file.": false,
	} {
		if got := turnUnderWay(&remote.ExitError{Host: "h1", Step: "flip", Status: 1, Stderr: words}); got != want {
			t.Errorf("%q: %v", words, got)
		}
	}
	if turnUnderWay(nil) || turnUnderWay(errors.New("already exists")) {
		t.Error("what is no answer of the host is none of systemd")
	}
}

// A command that was broken off is told by its own name, with what is left of it.
func TestEveryCommandIsResumedByItsOwnName(t *testing.T) {
	turn := func(host string, kind ActionKind) HostPlan {
		return HostPlan{Host: host, To: Deployed{Version: "11.6.2"}, Actions: []Action{{Kind: kind}}}
	}
	p := func(command string, kind ActionKind) *Plan {
		return &Plan{Command: command, Hosts: []HostPlan{turn("h1", kind), turn("h2", kind)}, Policy: Policy{Batches: [][]string{{"h2"}, {"h1"}}}}
	}
	done := []string{"h2"}
	for _, tt := range []struct{ got, want string }{
		{resumeCommand(p("apply", ActionTurn), nil), "ghadeploy apply INVENTORY"},
		{resumeCommand(p("upgrade --to 11.6.2", ActionTurn), nil), "ghadeploy upgrade INVENTORY --to 11.6.2"},
		{resumeCommand(p("restart", ActionTurn), func(h string) bool { return slices.Contains(done, h) }), "ghadeploy restart INVENTORY --limit h1"},
		{resumeCommand(p("stop", ActionStop), func(h string) bool { return slices.Contains(done, h) }), "ghadeploy stop INVENTORY --limit h1"},
		{resumeCommand(p("remove", ActionRemove), nil), "ghadeploy remove INVENTORY --limit h1,h2"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}
