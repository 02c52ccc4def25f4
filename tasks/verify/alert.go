package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// alertMargin is added to the time by which the last node would have notified.
const alertMargin = 5 * time.Second

// cleanUpLimit bounds the removal of what the alert test made.
const cleanUpLimit = 2 * time.Minute

// alertTest is the temporary alert of one run.
type alertTest struct {
	p    *proof
	name string // of folder, group, rule and contact point

	// told is when Grafana had been given contact point and route; err is why not.
	told time.Time
	err  error

	hooks *webhooks
	// way is how the contact point and the route are made and removed; nil until
	// something of it may be in Grafana.
	way routing
	// What else has to be undone.
	folder, rule bool
	silence      string
	silencedOn   *node
	fired        time.Time
}

// alertBegins gives Grafana the test's contact point and route before the proofs that
// need neither: where nodes find them by looking at the database now and then, they do
// so while those run. What goes wrong is told in the alert's turn.
func (p *proof) alertBegins(ctx context.Context) {
	if !p.in.Options.WithAlerts || p.noUnifiedAlerting() != nil {
		return
	}
	p.test = &alertTest{p: p, name: ours + strings.ToLower(p.nonce), told: time.Now()}
	p.test.err = guard.Do(func() error { return p.test.install(ctx) })
}

// alertEnds removes what is left of the test when a run is broken off before its turn.
func (p *proof) alertEnds(ctx context.Context) {
	t := p.test
	if t == nil || t.hooks == nil {
		return
	}
	p.test = nil
	p.step(ctx,
		Step{Name: "alert-cleanup", Explanation: "rule, folder, contact point, route and silence are removed, the policies as they were"},
		func(ctx context.Context) (string, error) { return "", t.cleanUp(ctx) })
}

// alert proves that one alert, evaluated by every node, notifies once.
func (p *proof) alert(ctx context.Context) {
	if !p.in.Options.WithAlerts {
		return
	}
	s := Step{Name: "alert", Explanation: "an alert that every node evaluates notifies exactly once"}
	if why := p.noUnifiedAlerting(); why != nil {
		p.record(s, "", why)
		return
	}
	if p.test == nil {
		p.alertBegins(ctx)
	}
	defer p.alertEnds(ctx)
	t := p.test
	ready := p.step(ctx, Step{Name: "alert-setup", Explanation: "every node has the test's contact point and route"}, t.ready)
	if !ready {
		return
	}
	if p.step(ctx, s, t.notifyOnce) {
		p.step(ctx, Step{Name: "silence-holds", From: p.nodes[0].name(), To: "others",
			Explanation: "the firing alert is silenced on every node by a silence made on one"}, t.silenceHolds)
	}
}

// install gives Grafana the contact point and the route, in the first way that it takes.
func (t *alertTest) install(ctx context.Context) (err error) {
	ways := []routing{&wholeConfig{p: t.p}, &provisioned{p: t.p}}
	for i, way := range ways {
		if err = t.use(ctx, way); !refused(err) || i == len(ways)-1 {
			break
		}
		t.way = nil
		t.p.progress("alert", "%s; taking another way", err)
	}
	t.told = time.Now()
	return err
}

// ready waits until every node works with the contact point and the route.
func (t *alertTest) ready(ctx context.Context) (string, error) {
	p := t.p
	if _, skipped := errors.AsType[*skip](t.err); t.err != nil && !skipped {
		return "", &failure{"the test's contact point was not taken: " + t.err.Error(), p.command("logs", "")}
	}
	if t.err != nil {
		return "", t.err
	}
	if err := p.running(ctx, t.name, t.way.wait(), t.told); err != nil {
		return "", &failure{err.Error() + ": it does not follow the database's alerting configuration", p.command("logs", "")}
	}
	if err := t.removeOldFolders(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s on every host, %s (%.0f s after it was given)", t.hooks.url, t.way.explain(), time.Since(t.told).Seconds()), nil
}

// use gives Grafana the test's contact point and route in one of the ways.
func (t *alertTest) use(ctx context.Context, way routing) error {
	if err := way.read(ctx); err != nil {
		return err
	}
	if t.hooks == nil {
		var err error
		if t.hooks, err = t.p.listenAll(ctx); err != nil {
			return &skip{"no webhook can be received: " + err.Error()}
		}
	}
	t.way = way
	return way.install(ctx, t.name, t.hooks.url)
}

// removeOldFolders removes what a killed run left, rules included.
func (t *alertTest) removeOldFolders(ctx context.Context) error {
	var folders []struct{ UID string }
	n := t.p.nodes[0]
	if err := n.call(ctx, http.MethodGet, "/api/folders?limit=100000", nil, &folders); err != nil {
		return err
	}
	for _, f := range folders {
		if strings.HasPrefix(f.UID, ours) && f.UID != t.name {
			if err := n.call(ctx, http.MethodDelete, "/api/folders/"+f.UID+"?forceDeleteRules=true", nil, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// notifyOnce fires the alert and counts until the last node's turn is over.
func (t *alertTest) notifyOnce(ctx context.Context) (string, error) {
	p := t.p
	first := p.nodes[0]
	t.folder = true
	// Named like its uid: the ruler's path takes the one or the other by version.
	if err := first.call(ctx, http.MethodPost, "/api/folders", map[string]string{"uid": t.name, "title": t.name}, nil); err != nil {
		return "", err
	}
	t.rule = true
	if err := t.makeRule(ctx, 10*time.Second); err != nil {
		// unified_alerting.min_interval may ask for more.
		if err2 := t.makeRule(ctx, time.Minute); err2 != nil {
			return "", errors.Join(err, err2)
		}
	}
	p.progress("alert", "the rule is made; waiting for every node to evaluate it (nodes look for rules every 10 s)")
	t.fired = time.Now()
	if err := t.onEveryNode(ctx); err != nil {
		return "", err
	}
	peerTimeout := grafana.PeerTimeout(p.in.Cluster.Alerting.PeerTimeout)
	window := time.Duration(len(p.nodes)-1)*peerTimeout + groupWait + alertMargin
	p.progress("alert", "it fires on all %d nodes; by %s from now the last of them would have notified (position x %s)", len(p.nodes), window,
		peerTimeout)
	if fleet.Pause(ctx, window) != nil {
		return "", ctx.Err()
	}
	return t.judge(t.hooks.firing(), window)
}

func (t *alertTest) judge(came []notification, window time.Duration) (string, error) {
	who := senders(came, t.fired)
	switch len(came) {
	case 1:
		return fmt.Sprintf("%s, none of the others within %s", who, window), nil
	case 0:
		return "", &failure{fmt.Sprintf("nobody notified within %s", window), t.p.command("logs", "--grep 'ngalert.notifier'")}
	}
	return "", &failure{fmt.Sprintf("%d notifications for one alert: %s; their alerting does not know of each other", len(came), who),
		"see step members; " + t.p.command("check", "")}
}

// amAlert is an alert as an Alertmanager has it.
type amAlert struct {
	Status struct {
		State      string   `json:"state"`
		SilencedBy []string `json:"silencedBy"`
	} `json:"status"`
}

// alerts are the firing alerts of this run on one node.
func (t *alertTest) alerts(ctx context.Context, n *node) ([]amAlert, error) {
	var all []amAlert
	filter := url.QueryEscape(fmt.Sprintf("%s=%q", alertLabel, t.p.nonce))
	return all, n.call(ctx, http.MethodGet, "/api/alertmanager/grafana/api/v2/alerts?filter="+filter, nil, &all)
}

// onEveryNode waits until every node has evaluated the rule.
func (t *alertTest) onEveryNode(ctx context.Context) error {
	return t.p.together(func(n *node) error {
		return until(ctx, 90*time.Second, 500*time.Millisecond, func(ctx context.Context) error {
			alerts, err := t.alerts(ctx, n)
			if err == nil && len(alerts) == 0 {
				err = &failure{n.name() + " does not evaluate the rule",
					"check unified_alerting.execute_alerts; " + t.p.command("logs", "--limit "+n.name())}
			}
			return err
		})
	})
}

// silenceHolds silences the firing alert on the first node and looks on all.
func (t *alertTest) silenceHolds(ctx context.Context) (string, error) {
	if err := t.makeSilence(ctx); err != nil {
		return "", err
	}
	return "", t.p.together(func(n *node) error {
		return until(ctx, silenceLimit, 200*time.Millisecond, func(ctx context.Context) error {
			alerts, err := t.alerts(ctx, n)
			if err != nil {
				return err
			}
			if len(alerts) == 0 || !slices.Contains(alerts[0].Status.SilencedBy, t.silence) {
				return &failure{fmt.Sprintf("the alert is not silenced on %s", n.name()), t.p.command("check", "")}
			}
			return nil
		})
	})
}

func (t *alertTest) makeSilence(ctx context.Context) (err error) {
	t.silencedOn = t.p.nodes[0]
	t.silence, err = t.p.silence(ctx, t.silencedOn, t.p.nonce)
	return err
}

// cleanUp removes everything, in an order in which the alert reaches nobody
// else: silenced, the rule gone, the alert gone, and only then the route.
func (t *alertTest) cleanUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpLimit)
	defer cancel()
	var errs []error
	keep := func(err error) {
		if err != nil && status(err) != http.StatusNotFound {
			errs = append(errs, err)
		}
	}
	first := t.p.nodes[0]
	if t.rule {
		if t.silence == "" {
			keep(t.makeSilence(ctx))
		}
		keep(t.deleteRule(ctx))
		keep(t.gone(ctx))
	}
	if t.folder {
		keep(first.call(ctx, http.MethodDelete, "/api/folders/"+t.name+"?forceDeleteRules=true", nil, nil))
	}
	if t.way != nil {
		// Here 404 is no sign that it is gone already.
		if err := t.way.restore(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	if t.silence != "" {
		keep(t.p.unsilence(ctx, t.silencedOn, t.silence))
	}
	t.hooks.close()
	if len(errs) > 0 {
		return &failure{errors.Join(errs...).Error(), fmt.Sprintf("remove by hand what is named %s (folder, contact point, notification policy); the next verify with alerts removes it too", t.name)}
	}
	return nil
}

// gone waits until no node has the alert firing any more.
func (t *alertTest) gone(ctx context.Context) error {
	t.p.progress("alert-cleanup", "the rule is removed; waiting for every node to forget the alert")
	return t.p.together(func(n *node) error {
		return until(ctx, 45*time.Second, 500*time.Millisecond, func(ctx context.Context) error {
			alerts, err := t.alerts(ctx, n)
			if err == nil && len(alerts) > 0 {
				err = fmt.Errorf("%s still has the alert, silenced for 10 minutes", n.name())
			}
			return err
		})
	})
}
