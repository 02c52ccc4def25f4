package tasks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// absentInput is a cluster of three on one version, of which h2 cannot be reached.
func absentInput(t *testing.T, from, to string) planInput {
	t.Helper()
	c := testCluster()
	c.Grafana.Version = to
	in := planInput{cluster: c, command: "apply", selected: map[string]bool{"h1": true, "h3": true}, desired: desiredOf(t, c, to),
		facts: map[string]*Facts{}, old: map[string]map[string][]byte{}, here: true, absent: map[string]error{"h2": errors.New("no route to host")}}
	was := desiredOf(t, c, from)
	for i, h := range c.Hosts {
		in.facts[h.Name] = converged(was[h.Name], time.Duration(100+i))
	}
	in.facts["h2"] = &Facts{}
	delete(in.desired, "h2")
	return in
}

// A dead host that --limit leaves out keeps nobody from their turns, and the plan says what
// is to be done about it.
func TestAPlanGoesOnWithoutADeadHostThatLimitLeavesOut(t *testing.T) {
	p, err := makePlan(absentInput(t, "10.3.0", "10.3.1"))
	if err != nil {
		t.Fatal(err)
	}
	h2 := p.Host("h2")
	if h2 == nil || !h2.Skipped || len(h2.Actions) > 0 || h2.Stale {
		t.Errorf("h2: %+v", h2)
	}
	if n := len(p.Policy.Batches); n != 2 {
		t.Errorf("batches %v", p.Policy.Batches)
	}
	if said := strings.Join(p.Warnings, "\n"); !strings.Contains(said, "h2 cannot be reached") || !strings.Contains(said, "ghadeploy remove INVENTORY h2") {
		t.Errorf("warnings %q", p.Warnings)
	}
	if v := p.Version(); v != "10.3.1" {
		t.Errorf("version %q", v)
	}
	// Where two versions must not serve side by side, nobody knows what h2 would come back with.
	if _, err := makePlan(absentInput(t, "9.5.0", "10.3.1")); err == nil || !strings.Contains(err.Error(), "ghadeploy remove INVENTORY h2") {
		t.Errorf("a new major version with a dead host: %v", err)
	}
}

// idleHost is one where no turn of an earlier run goes on.
type idleHost struct{ *slowHost }

func (idleHost) Run(context.Context, remote.Command) (remote.Result, error) {
	return remote.Result{Stdout: []byte(strings.Replace(answer, "ActiveState=activating", "ActiveState=inactive", 1))}, nil
}

// Who does not leave the dead host out is told the ways out, and who does goes on.
func TestADeadHostEndsARunOnlyWhereItIsNotLeftOut(t *testing.T) {
	c := testCluster("h1", "h2", "h3")
	for name, tt := range map[string]struct {
		limit []*inventory.Host
		goes  bool
	}{
		"all hosts":      {nil, false},
		"the dead one":   {c.Hosts[1:2], false},
		"without it":     {[]*inventory.Host{c.Hosts[0], c.Hosts[2]}, true},
		"one other":      {c.Hosts[2:], true},
		"it and another": {c.Hosts[:2], false},
	} {
		r := New(c, Options{Limit: tt.limit, Connect: func(_ context.Context, h *inventory.Host) (fleet.Conn, error) {
			if h.Name == "h2" {
				return nil, &remote.UnreachableError{Host: "h2", Cause: errors.New("no route to host"), Hint: "is it up?"}
			}
			return idleHost{&slowHost{done: make(chan struct{})}}, nil
		}})
		here, absent, err := r.observePresent(t.Context(), r.leftOut())
		_ = r.Close()
		if tt.goes != (err == nil) || tt.goes && (len(here) != 2 || absent["h2"] == nil) {
			t.Errorf("%s: %d hosts, absent %v: %v", name, len(here), absent, err)
		}
		u, _ := errors.AsType[*remote.UnreachableError](err)
		if !tt.goes && (u == nil || !strings.Contains(u.Hint, "--limit '!h2'") || !strings.Contains(u.Hint, "ghadeploy remove INVENTORY h2") || !strings.Contains(u.Hint, "is it up?")) {
			t.Errorf("%s: no way out: %v", name, err)
		}
	}
}
