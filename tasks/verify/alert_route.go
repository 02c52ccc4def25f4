package verify

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// routing is a way to give Grafana the test's contact point and the route to it,
// and to take both out again.
type routing interface {
	// read looks at what is there; a *skip when it could not be given back.
	read(ctx context.Context) error
	// install makes contact point and route, both named name.
	install(ctx context.Context, name, url string) error
	// restore removes them and proves that the rest is as it was.
	restore(ctx context.Context) error
	// wait is how long it may take until all nodes work with it; 0 when each of
	// them was told.
	wait() time.Duration
	// explain says which way it was.
	explain() string
}

// fromFiles is why policies that are provisioned from files are left alone.
const fromFiles = "the notification policies are provisioned from files; the API cannot give them back to the files afterwards"

// wholeConfig posts the whole Alertmanager configuration to every node, which
// takes it at once. Grafana 8 to 12.0 have that call
// (github.com/grafana/grafana/pull/103819 removed it).
type wholeConfig struct {
	p        *proof
	original amConfig
}

func (w *wholeConfig) read(ctx context.Context) (err error) {
	if w.original, err = readConfig(ctx, w.p.nodes[0]); err != nil {
		return err
	}
	if err := w.original.withoutOurs(); err != nil {
		return err
	}
	if w.original.provenance() == "file" {
		return &skip{fromFiles}
	}
	return nil
}

func (w *wholeConfig) install(ctx context.Context, name, url string) error {
	test, err := w.original.clone()
	if err != nil {
		return err
	}
	if err := test.withTest(name, url, w.p.nonce); err != nil {
		return err
	}
	return w.p.install(ctx, test)
}

func (w *wholeConfig) restore(ctx context.Context) error { return w.p.restore(ctx, w.original) }

func (w *wholeConfig) wait() time.Duration { return 0 }

func (w *wholeConfig) explain() string { return "told to each node" }

const pointsPath = "/api/v1/provisioning/contact-points"

// forPeople keeps what the provisioning API makes editable in Grafana's pages.
func forPeople(r *http.Request) { r.Header.Set("X-Disable-Provenance", "true") }

// provisioned makes contact point and route with the provisioning API. It writes
// to the database alone: every node learns of it with its next poll.
type provisioned struct {
	p      *proof
	route  map[string]any
	points []any
	// theirs keeps the policies managed by whom they are.
	theirs []func(*http.Request)
}

func (w *provisioned) read(ctx context.Context) error {
	first := w.p.nodes[0]
	if err := first.call(ctx, http.MethodGet, policyPath, nil, &w.route); err != nil {
		return err
	}
	if len(w.route) == 0 {
		return fmt.Errorf("%s: the notification policies are empty", first.name())
	}
	stripRoute(w.route)
	switch w.route["provenance"] {
	case "file":
		return &skip{fromFiles}
	case nil, "":
		w.theirs = append(w.theirs[:0], forPeople)
	}
	points, err := w.contactPoints(ctx)
	w.points, _ = split(points)
	return err
}

func (w *provisioned) contactPoints(ctx context.Context) (points []any, err error) {
	return points, w.p.nodes[0].call(ctx, http.MethodGet, pointsPath, nil, &points)
}

// split parts contact points into those of others and our own.
func split(points []any) (others, own []any) {
	for _, pt := range points {
		if isOurs(pt, "name") {
			own = append(own, pt)
		} else {
			others = append(others, pt)
		}
	}
	return others, own
}

func (w *provisioned) install(ctx context.Context, name, url string) error {
	// First without what a killed run left, or what the other way may have left.
	if err := w.clear(ctx, w.route); err != nil {
		return err
	}
	first := w.p.nodes[0]
	point := integration(name, url)
	point["uid"] = name
	if err := first.call(ctx, http.MethodPost, pointsPath, point, nil, forPeople); err != nil {
		return err
	}
	test, err := amConfig(w.route).clone()
	if err != nil {
		return err
	}
	addRoute(test, name, w.p.nonce)
	return first.call(ctx, http.MethodPut, policyPath, test, nil, w.theirs...)
}

// clear puts a route that has nothing of ours, and then removes our contact
// points: one that is used cannot be removed. Nothing is written when there is
// nothing of ours.
func (w *provisioned) clear(ctx context.Context, route map[string]any) error {
	first := w.p.nodes[0]
	var now map[string]any
	if err := first.call(ctx, http.MethodGet, policyPath, nil, &now); err != nil {
		return err
	}
	if !samePolicies(now, route) {
		if err := first.call(ctx, http.MethodPut, policyPath, route, nil, w.theirs...); err != nil {
			return err
		}
	}
	points, err := w.contactPoints(ctx)
	if err != nil {
		return err
	}
	_, own := split(points)
	for _, pt := range own {
		uid, _ := pt.(map[string]any)["uid"].(string)
		if err := first.call(ctx, http.MethodDelete, pointsPath+"/"+uid, nil, nil, forPeople); err != nil {
			return err
		}
	}
	return nil
}

func (w *provisioned) restore(ctx context.Context) error {
	if err := w.clear(ctx, w.route); err != nil {
		return err
	}
	again := provisioned{p: w.p}
	var now map[string]any
	if err := w.p.nodes[0].call(ctx, http.MethodGet, policyPath, nil, &now); err != nil {
		return err
	}
	points, err := again.contactPoints(ctx)
	if err != nil {
		return err
	}
	if !samePolicies(w.route, now) {
		return fmt.Errorf("the notification policies are not what they were")
	}
	if name := differentPoint(w.points, points); name != "" {
		return fmt.Errorf("the contact points are not what they were: see %s", name)
	}
	return nil
}

// pollInterval is how often a node looks for another configuration:
// unified_alerting.alertmanager_config_poll_interval, and what is written where it is not set.
func (n *node) pollInterval() time.Duration {
	if v, ok := n.host.Config.Get("unified_alerting", "alertmanager_config_poll_interval"); ok {
		if d, err := time.ParseDuration(v.Reveal()); err == nil && d > 0 {
			return d
		}
	}
	return grafana.ConfigPoll(n.version)
}

func (w *provisioned) wait() time.Duration {
	longest := time.Duration(0)
	for _, n := range w.p.nodes {
		longest = max(longest, n.pollInterval())
	}
	return longest
}

func (w *provisioned) explain() string {
	return fmt.Sprintf("by the provisioning API, because this Grafana takes no whole configuration: nodes look for changes every %s, and drop the test's route as late after it", w.wait())
}

// running waits until the Alertmanager of every node works with the contact
// point. Before that, the alert would go to somebody's real contact point. wait
// is how long a node may need by itself from told on; 0 when it was told.
func (p *proof) running(ctx context.Context, receiver string, wait time.Duration, told time.Time) error {
	return p.together(func(n *node) error {
		unknown := false
		err := until(ctx, wait+90*time.Second, time.Second, func(ctx context.Context) error {
			has, err := n.hasReceiver(ctx, receiver)
			if unknown = refused(err); unknown || has {
				return nil
			}
			if err != nil {
				return err
			}
			p.progress("alert", "waiting for %s to take the test's contact point (it looks for it every %s)", n.name(), n.pollInterval())
			return fmt.Errorf("%s does not know the contact point %s", n.name(), receiver)
		})
		if err != nil {
			return err
		}
		// Some releases (before 9.4) cannot be asked. A node that was told knows; one
		// that was not has looked when its interval is over.
		if rest := wait + alertMargin - time.Since(told); unknown && wait > 0 && rest > 0 {
			p.progress("alert", "%s cannot be asked for its contact points; waiting %.0fs until it has looked for them", n.name(), rest.Seconds())
			return fleet.Pause(ctx, rest)
		}
		return nil
	})
}

// hasReceiver asks the node's Alertmanager whether it works with a contact point.
func (n *node) hasReceiver(ctx context.Context, name string) (bool, error) {
	var receivers []struct{ Name string }
	err := n.call(ctx, http.MethodGet, "/api/alertmanager/grafana/config/api/v1/receivers", nil, &receivers)
	return err == nil && slices.ContainsFunc(receivers, func(r struct{ Name string }) bool { return r.Name == name }), err
}
