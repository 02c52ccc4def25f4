package tasks

import (
	"context"
	"net/http"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
	"github.com/ghadeploy/ghadeploy/tasks/notify"
)

// tell says to whom the inventory names under notify that a run begins; the function it
// returns says how it ended. Nothing that goes wrong here is more than a warning.
func (r *Runner) tell(ctx context.Context, hosts []fleet.Host, plan *Plan, res *Result) func(error) {
	if len(r.c.Notify) == 0 {
		return func(error) {}
	}
	hide := mask.For(r.c).Line
	by := lock.NewHolder(r.o.Command, r.id)
	m := notify.Message{
		Cluster: r.c.Name, Run: r.id, Command: r.o.Command, User: by.User, From: by.From,
		Version: versionTold(plan, r.c.Grafana.Version), Start: time.Now().UTC(),
	}
	for _, hp := range plan.Hosts {
		m.Hosts = append(m.Hosts, notify.Host{Host: hp.Host})
	}
	t := &notify.Teller{Receivers: r.c.Notify, Admin: r.c.Grafana.Admin, Warn: func(text string) {
		r.o.Sink.Emit(event.Event{Kind: event.Warning, Run: r.id, Message: text})
	}}
	for _, h := range hosts {
		t.Nodes = append(t.Nodes,
			notify.Node{Host: h.Name, Base: desired.Listens(h.Host).LocalURL() + notify.SubPath(r.c, h.Host), Client: &http.Client{
				Transport: listener.Transport(r.c.Paths.Service, h), Timeout: readTimeout, CheckRedirect: sameNode}})
	}
	t.Begin(ctx, m)
	return func(err error) {
		m.Event, m.End = notify.Success, time.Now().UTC()
		if err != nil {
			m.Event, m.Error = notify.Failure, hide(err.Error())
		}
		m.Seconds = m.End.Sub(m.Start).Seconds()
		told := m.Hosts
		m.Hosts = nil // the message of the beginning may still be on its way
		for _, h := range told {
			o := res.Hosts[h.Host]
			m.Hosts = append(m.Hosts, notify.Host{Host: h.Host, Outcome: o.Outcome, Runs: o.Runs, Detail: hide(o.Detail)})
		}
		t.End(ctx, m)
	}
}

// versionTold is the version that a plan brings to the first host that changes.
func versionTold(plan *Plan, otherwise string) string {
	for _, hp := range plan.Hosts {
		if hp.Restart && hp.To.Version != "" {
			return hp.To.Version
		}
	}
	return otherwise
}

// Metrics are what Prometheus is told of a run that ended with res and err. A host that
// is in no known state is left out, and all of them are when the run did not get as far
// as looking at them.
func Metrics(cluster, command string, start, end time.Time, res *Result, err error) notify.Metrics {
	m := notify.Metrics{Cluster: cluster, Command: command, End: end, Duration: end.Sub(start), Success: err == nil}
	if res == nil || res.Plan == nil {
		return m
	}
	for _, hp := range res.Plan.Hosts {
		for _, d := range []Deployed{hp.From, hp.To} {
			if d.Generation != "" && res.Hosts[hp.Host].Runs == d.String() {
				m.Hosts = append(m.Hosts, notify.Running{Host: hp.Host, Version: d.Version, Generation: d.Generation})
				break
			}
		}
	}
	return m
}
