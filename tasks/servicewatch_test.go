package tasks

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// restarted is a host whose service systemd has restarted often.
type restarted struct{ fleet.Conn }

func (restarted) Run(context.Context, remote.Command) (remote.Result, error) {
	return remote.Result{Stdout: []byte("ActiveState=active\nSubState=running\nMainPID=4846\nNRestarts=7\nResult=success\nBoot=b\n")}, nil
}

func (restarted) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, remote.ErrForwardingRefused
}

// What a host went through between an earlier run's start and this one is not held
// against it: its database may have been away. After a start of this run it is.
func TestRestartsOfBeforeAreNotHeldAgainstAHost(t *testing.T) {
	c := testCluster()
	for _, resumed := range []bool{true, false} {
		w := &serviceWatch{r: &rollout{cluster: c}, host: fleet.Host{Host: c.Hosts[0], Conn: restarted{}}, first: &sighting{}, resumed: resumed}
		open, saw, err := w.look(t.Context())
		var g *GateError
		if open != resumed || errors.As(err, &g) == resumed {
			t.Errorf("resumed %v: open %v, %v; saw %s", resumed, open, err, saw)
		}
	}
}
