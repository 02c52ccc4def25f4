package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ours begins the name of everything that verify makes in Grafana.
const ours = "ghadeploy-verify-"

const (
	configPath = "/api/alertmanager/grafana/config/api/v1/alerts"
	policyPath = "/api/v1/provisioning/policies"
)

// amConfig is an Alertmanager configuration as the API gives and takes it:
// secrets are not in it, only the names of those that are set, which the API
// keeps.
type amConfig map[string]any

// clone copies by way of JSON; numbers keep their digits.
func (c amConfig) clone() (amConfig, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var copied amConfig
	return copied, d.Decode(&copied)
}

// inner is the alertmanager_config, and its route.
func (c amConfig) inner() (config, route map[string]any, err error) {
	config, ok := c["alertmanager_config"].(map[string]any)
	if !ok {
		return nil, nil, fmt.Errorf("the Alertmanager's configuration has no alertmanager_config")
	}
	route, ok = config["route"].(map[string]any)
	if !ok {
		return nil, nil, fmt.Errorf("the Alertmanager's configuration has no route")
	}
	return config, route, nil
}

// provenance is who manages the policies: "" (people), "api" or "file".
func (c amConfig) provenance() string {
	_, route, err := c.inner()
	if err != nil {
		return ""
	}
	s, _ := route["provenance"].(string)
	return s
}

// withoutOurs removes what a killed run left behind.
func (c amConfig) withoutOurs() error {
	config, route, err := c.inner()
	if err != nil {
		return err
	}
	stripRoute(route)
	receivers, _ := config["receivers"].([]any)
	kept := []any{}
	for _, r := range receivers {
		if !isOurs(r, "name") {
			kept = append(kept, r)
		}
	}
	config["receivers"] = kept
	return nil
}

// isOurs is whether an object's name, under key, is one that verify gave.
func isOurs(item any, key string) bool {
	m, _ := item.(map[string]any)
	name, _ := m[key].(string)
	return strings.HasPrefix(name, ours)
}

// stripRoute takes our routes out of the root route.
func stripRoute(route map[string]any) {
	routes, ok := route["routes"].([]any)
	if !ok {
		return
	}
	kept := []any{}
	for _, r := range routes {
		if !isOurs(r, "receiver") {
			kept = append(kept, r)
		}
	}
	if route["routes"] = kept; len(kept) == 0 {
		delete(route, "routes")
	}
}

// addRoute puts a route for the alert of this run before all others.
func addRoute(route map[string]any, name, label string) {
	routes, _ := route["routes"].([]any)
	route["routes"] = append([]any{map[string]any{
		"receiver": name, "object_matchers": []any{[]any{alertLabel, "=", label}},
		"group_by": []any{"alertname"}, "group_wait": groupWait.String(),
		"group_interval": groupInterval.String(), "repeat_interval": "4h",
	}}, routes...)
}

// integration is the webhook that the test's alert goes to.
func integration(name, url string) map[string]any {
	return map[string]any{
		"name": name, "type": "webhook", "disableResolveMessage": true,
		"settings": map[string]any{"url": url, "httpMethod": "POST"},
	}
}

// The timings of the test's route. group_interval is longer than the test:
// shorter than nodes x ha_peer_timeout, a quiet cluster notifies twice.
const (
	groupWait     = time.Second
	groupInterval = 10 * time.Minute
)

// withTest adds a contact point and, before all others, a route to it for the
// alert of this run.
func (c amConfig) withTest(name, url, label string) error {
	config, route, err := c.inner()
	if err != nil {
		return err
	}
	receivers, _ := config["receivers"].([]any)
	point := integration(name, url)
	point["secureSettings"] = map[string]any{}
	config["receivers"] = append(receivers, map[string]any{"name": name, "grafana_managed_receiver_configs": []any{point}})
	addRoute(route, name, label)
	return nil
}

func readConfig(ctx context.Context, n *node) (amConfig, error) {
	var raw json.RawMessage
	if err := n.call(ctx, http.MethodGet, configPath, nil, &raw); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var c amConfig
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("%s: read the Alertmanager's configuration: %w", n.name(), err)
	}
	return c, nil
}

// install gives every node a configuration. Nodes poll the database for it
// every alertmanager_config_poll_interval (60 s); one that is posted the same
// configuration takes it at once.
func (p *proof) install(ctx context.Context, c amConfig) error {
	first := p.nodes[0]
	if c.provenance() != "" {
		// Routes that the provisioning API manages are changed there only.
		if err := p.installRoutes(ctx, c); err != nil {
			return err
		}
	}
	if err := postConfig(ctx, first, c); err != nil {
		return err
	}
	// As it was stored: with the identifiers that the first node gave.
	stored, err := readConfig(ctx, first)
	if err != nil {
		return err
	}
	for _, n := range p.nodes[1:] {
		if err := postConfig(ctx, n, stored); err != nil {
			return err
		}
	}
	return nil
}

// installRoutes puts the routes by the provisioning API. It wants the contact
// points to be there before, and gone after: so they are posted without the
// change of routes first.
func (p *proof) installRoutes(ctx context.Context, c amConfig) error {
	first := p.nodes[0]
	now, err := readConfig(ctx, first)
	if err != nil {
		return err
	}
	config, route, err := c.inner()
	if err != nil {
		return err
	}
	nowConfig, _, err := now.inner()
	if err != nil {
		return err
	}
	if want, has := config["receivers"].([]any), nowConfig["receivers"].([]any); len(want) > len(has) {
		nowConfig["receivers"] = want
		if err := postConfig(ctx, first, now); err != nil {
			return err
		}
	}
	return first.call(ctx, http.MethodPut, policyPath, route, nil)
}

// postConfig posts, and waits for an Alertmanager that is still starting. A
// Grafana that has no such call will not get it by waiting.
func postConfig(ctx context.Context, n *node, c amConfig) error {
	var no error
	err := until(ctx, settleLimit, time.Second, func(ctx context.Context) error {
		err := n.call(ctx, http.MethodPost, configPath, c, nil)
		if refused(err) {
			no = err
			return nil
		}
		return err
	})
	return errors.Join(no, err)
}

// restore takes what is ours out of the configuration as it is now, on every node, and
// compares the rest with the original. To post the original itself would change a contact
// point that had no uid before, and Grafana 11.6 refuses that; only what differs then asks
// for it.
func (p *proof) restore(ctx context.Context, original amConfig) error {
	now, err := readConfig(ctx, p.nodes[0])
	if err != nil {
		return err
	}
	if err := now.withoutOurs(); err != nil {
		return err
	}
	if err := p.install(ctx, now); err != nil {
		return err
	}
	same, err := p.isNow(ctx, original)
	if err != nil || same {
		return err
	}
	if err := p.install(ctx, original); err != nil {
		return fmt.Errorf("the notification policies and contact points are not what they were, and cannot be put back: %w", err)
	}
	if same, err = p.isNow(ctx, original); err != nil || same {
		return err
	}
	return fmt.Errorf("the notification policies and contact points are not what they were")
}

// isNow tells whether the first node has a configuration that means the same.
func (p *proof) isNow(ctx context.Context, c amConfig) (bool, error) {
	now, err := readConfig(ctx, p.nodes[0])
	if err != nil {
		return false, err
	}
	if now, err = now.clone(); err != nil {
		return false, err
	}
	want, err := c.clone()
	if err != nil {
		return false, err
	}
	return sameConfig(want, now), nil
}

// sameConfig compares what two configurations mean. Contact points that never had
// a uid (those that Grafana comes with) get one whenever somebody saves; that is
// no difference.
func sameConfig(want, now amConfig) bool {
	byName(want)
	byName(now)
	a, b := integrations(want), integrations(now)
	for i := range min(len(a), len(b)) {
		if a[i]["uid"] == "" || a[i]["uid"] == nil {
			delete(a[i], "uid")
			delete(b[i], "uid")
		}
	}
	return text(plain(map[string]any(want))) == text(plain(map[string]any(now)))
}

// byName sorts the contact points, whose order has no meaning.
func byName(c amConfig) {
	config, _, err := c.inner()
	if err != nil {
		return
	}
	receivers, _ := config["receivers"].([]any)
	slices.SortStableFunc(receivers, func(a, b any) int { return strings.Compare(called(a), called(b)) })
}

// integrations are the parts of all contact points, in order.
func integrations(c amConfig) []map[string]any {
	var all []map[string]any
	config, _, err := c.inner()
	if err != nil {
		return nil
	}
	receivers, _ := config["receivers"].([]any)
	for _, r := range receivers {
		receiver, _ := r.(map[string]any)
		parts, _ := receiver["grafana_managed_receiver_configs"].([]any)
		for _, part := range parts {
			if m, ok := part.(map[string]any); ok {
				all = append(all, m)
			}
		}
	}
	return all
}
