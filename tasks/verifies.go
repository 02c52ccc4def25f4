package tasks

import (
	"context"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

// Verify proves from outside that the cluster is highly available. With chaos it stops
// hosts, with alerts it changes the notification policies, and removes what a killed
// run left of that: so then it takes the lock, and no other run is disturbed.
func (r *Runner) Verify(ctx context.Context, o verify.Options) (*verify.Report, error) {
	hosts, hostErr := r.connectAll(ctx)
	if hostErr != nil && !unreachable(hostErr) {
		return nil, hostErr
	}
	b, err := r.openBalancer(ctx)
	if err != nil && b == nil {
		return nil, err
	}
	in := verify.Input{Cluster: r.c, Balancer: b, Options: o, Sink: r.o.Sink}
	for _, h := range hosts {
		if h.Conn != nil {
			in.Hosts = append(in.Hosts, h)
		}
	}
	if o.Chaos || o.WithAlerts {
		held, err := r.lockAll(ctx, in.Hosts)
		if err != nil {
			return nil, err
		}
		defer held.Release()
	}
	if o.Chaos {
		command := func(v verb) func(context.Context, *inventory.Host) error {
			return func(ctx context.Context, h *inventory.Host) error {
				c, err := r.connect(ctx, h)
				if err != nil {
					return err
				}
				return runTurn(ctx, fleet.Host{Host: h, Conn: c.Conn}, v, r.c.Paths, "", finishTimeout)
			}
		}
		in.Stop, in.Start = command(verbStop), command(verbStart)
	}
	report, err := verify.Run(ctx, in)
	return &report, fleet.Join(hostErr, err)
}
