package alerting

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

// Config is the Alertmanager configuration in Grafana's JSON.
type Config struct {
	Alertmanager struct {
		Route     Route      `json:"route"`
		Receivers []Receiver `json:"receivers"`
	} `json:"alertmanager_config"`
}

// Route is a notification policy.
type Route struct {
	Receiver       string      `json:"receiver,omitempty"`
	GroupBy        []string    `json:"group_by,omitempty"`
	ObjectMatchers [][3]string `json:"object_matchers,omitempty"`
	Continue       bool        `json:"continue,omitempty"`
	Routes         []Route     `json:"routes,omitempty"`
	GroupWait      string      `json:"group_wait,omitempty"`
	GroupInterval  string      `json:"group_interval,omitempty"`
	RepeatInterval string      `json:"repeat_interval,omitempty"`
	Provenance     string      `json:"provenance,omitempty"`
}

// Receiver is the contact points of one name.
type Receiver struct {
	Name          string         `json:"name"`
	ContactPoints []ContactPoint `json:"grafana_managed_receiver_configs"`
}

// ContactPoint is one way to notify.
type ContactPoint struct {
	UID                   string          `json:"uid"`
	Name                  string          `json:"name"`
	Type                  string          `json:"type"`
	Settings              json.RawMessage `json:"settings"`
	DisableResolveMessage bool            `json:"disableResolveMessage"`
	Provenance            string          `json:"provenance,omitempty"`
}

// DefaultConfig is what an organisation starts with.
func DefaultConfig() Config {
	var c Config
	c.Alertmanager.Route = Route{Receiver: "grafana-default-email", GroupBy: []string{"grafana_folder", "alertname"}}
	c.Alertmanager.Receivers = []Receiver{{Name: "grafana-default-email", ContactPoints: []ContactPoint{
		{Name: "email receiver", Type: "email", Settings: json.RawMessage(`{"addresses":"<example@email.com>"}`)},
	}}}
	return c
}

// LoadConfig reads the configuration, or the default one.
func LoadConfig(ctx context.Context, st *store.Store) (Config, error) {
	text, err := st.AlertConfig(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return DefaultConfig(), nil
	}
	if err != nil {
		return Config{}, err
	}
	var c Config
	return c, json.Unmarshal([]byte(text), &c)
}

// Guard refuses a configuration that changes what is provisioned, and keeps who
// provisioned it: that is not for the writer to say.
func (c *Config) Guard(now Config) error {
	route, has := c.Alertmanager.Route, now.Alertmanager.Route
	route.Provenance = has.Provenance
	if has.Provenance != "" && !reflect.DeepEqual(route, has) {
		return errors.New("policies were provisioned and cannot be changed through the UI")
	}
	c.Alertmanager.Route = route
	points := map[string]ContactPoint{}
	for _, r := range c.Alertmanager.Receivers {
		for i := range r.ContactPoints {
			cp := &r.ContactPoints[i]
			if cp.UID == "" {
				cp.UID = store.NewUID()
			}
			cp.Provenance = ""
			points[cp.UID] = *cp
		}
	}
	for _, r := range now.Alertmanager.Receivers {
		for _, cp := range r.ContactPoints {
			if _, kept := points[cp.UID]; cp.Provenance != "" && !kept {
				return fmt.Errorf("cannot delete provisioned contact point '%s'", cp.Name)
			}
		}
	}
	for _, r := range c.Alertmanager.Receivers {
		for i := range r.ContactPoints {
			if old := now.find(r.ContactPoints[i].UID); old != nil {
				r.ContactPoints[i].Provenance = old.Provenance
			}
		}
	}
	return nil
}

// ChangesPoints is whether a contact point of now is another one in c; receivers that
// are new or gone change none.
func (c Config) ChangesPoints(now Config) bool {
	for _, was := range now.Alertmanager.Receivers {
		i := slices.IndexFunc(c.Alertmanager.Receivers, func(r Receiver) bool { return r.Name == was.Name })
		if i < 0 {
			continue
		}
		is := c.Alertmanager.Receivers[i].ContactPoints
		if len(is) != len(was.ContactPoints) {
			return true
		}
		for _, cp := range was.ContactPoints {
			if !slices.ContainsFunc(is, func(p ContactPoint) bool {
				return p.UID == cp.UID && p.Name == cp.Name && p.Type == cp.Type && p.DisableResolveMessage == cp.DisableResolveMessage && bytes.Equal(compact(p.Settings), compact(cp.Settings))
			}) {
				return true
			}
		}
	}
	return false
}

// compact is JSON without what has no meaning in it.
func compact(raw json.RawMessage) []byte {
	var v any
	_ = json.Unmarshal(raw, &v)
	b, _ := json.Marshal(v)
	return b
}

func (c Config) find(uid string) *ContactPoint {
	for _, r := range c.Alertmanager.Receivers {
		for i := range r.ContactPoints {
			if r.ContactPoints[i].UID == uid {
				return &r.ContactPoints[i]
			}
		}
	}
	return nil
}

// Uses is whether a policy below r, or r itself, goes to the receiver.
func (r Route) Uses(receiver string) bool {
	return r.Receiver == receiver || slices.ContainsFunc(r.Routes, func(c Route) bool { return c.Uses(receiver) })
}

// SaveConfig checks and writes the configuration. The nodes, this one too, see
// it with their next poll.
func SaveConfig(ctx context.Context, st *store.Store, c Config) error {
	if _, err := c.route(); err != nil {
		return err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return st.SaveAlertConfig(ctx, string(b))
}

func (c Config) route() (*config.Route, error) {
	if c.Alertmanager.Route.Receiver == "" {
		return nil, errors.New("invalid object specification: root route must specify a default receiver")
	}
	return c.convert(c.Alertmanager.Route)
}

func (c Config) convert(r Route) (*config.Route, error) {
	out := &config.Route{Receiver: r.Receiver, Continue: r.Continue}
	known := func(rc Receiver) bool { return rc.Name == r.Receiver }
	if r.Receiver != "" && !slices.ContainsFunc(c.Alertmanager.Receivers, known) {
		return nil, fmt.Errorf("invalid object specification: receiver '%s' does not exist", r.Receiver)
	}
	for _, l := range r.GroupBy {
		if l == "..." {
			out.GroupByAll = true
			continue
		}
		out.GroupBy = append(out.GroupBy, model.LabelName(l))
	}
	for _, m := range r.ObjectMatchers {
		t, ok := map[string]labels.MatchType{"=": labels.MatchEqual, "!=": labels.MatchNotEqual, "=~": labels.MatchRegexp, "!~": labels.MatchNotRegexp}[m[1]]
		if !ok {
			return nil, fmt.Errorf("invalid object specification: unsupported match type %q in matcher", m[1])
		}
		matcher, err := labels.NewMatcher(t, m[0], m[2])
		if err != nil {
			return nil, err
		}
		out.Matchers = append(out.Matchers, matcher)
	}
	for _, d := range []struct {
		text string
		to   **model.Duration
	}{{r.GroupWait, &out.GroupWait}, {r.GroupInterval, &out.GroupInterval}, {r.RepeatInterval, &out.RepeatInterval}} {
		if d.text == "" {
			continue
		}
		parsed, err := model.ParseDuration(d.text)
		if err != nil {
			return nil, fmt.Errorf("invalid object specification: %w", err)
		}
		*d.to = &parsed
	}
	if out.GroupInterval != nil && time.Duration(*out.GroupInterval) == 0 {
		return nil, errors.New("invalid object specification: group_interval cannot be zero")
	}
	for _, child := range r.Routes {
		converted, err := c.convert(child)
		if err != nil {
			return nil, err
		}
		out.Routes = append(out.Routes, converted)
	}
	return out, nil
}
