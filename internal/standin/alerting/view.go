package alerting

import (
	"time"

	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/types"
)

// Alert is an alert as the Alertmanager API shows it.
type Alert struct {
	Labels       any       `json:"labels"`
	Annotations  any       `json:"annotations"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt"`
	UpdatedAt    time.Time `json:"updatedAt"`
	GeneratorURL string    `json:"generatorURL"`
	Fingerprint  string    `json:"fingerprint"`
	Status       struct {
		State       string   `json:"state"`
		SilencedBy  []string `json:"silencedBy"`
		InhibitedBy []string `json:"inhibitedBy"`
	} `json:"status"`
}

// Alerts lists what this node's Alertmanager has that is not resolved and that
// all filters (name="value") match.
func (s *Service) Alerts(filters []string) ([]Alert, error) {
	var matchers labels.Matchers
	for _, f := range filters {
		m, err := labels.ParseMatcher(f)
		if err != nil {
			return nil, err
		}
		matchers = append(matchers, m)
	}
	silencer := silence.NewSilencer(s.silences, s.marker, s.log)
	out := []Alert{}
	it := s.alerts.GetPending()
	defer it.Close()
	for a := range it.Next() {
		if !a.Resolved() && matchers.Matches(a.Labels) {
			silencer.Mutes(a.Labels) // marks it, which else only notifying does
			out = append(out, s.view(a))
		}
	}
	return out, nil
}

// Integration is one contact point of a receiver at work.
type Integration struct {
	Name         string `json:"name"`
	SendResolved bool   `json:"sendResolved"`
}

// Working is a receiver that this node's Alertmanager works with.
type Working struct {
	Active       bool          `json:"active"`
	Integrations []Integration `json:"integrations"`
	Name         string        `json:"name"`
}

// Receivers lists those of the configuration that was applied last on this node.
func (s *Service) Receivers() []Working {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Working{}
	if s.current == nil {
		return out
	}
	for _, r := range s.current.receivers {
		w := Working{Active: true, Name: r.Name, Integrations: []Integration{}}
		for _, cp := range r.ContactPoints {
			w.Integrations = append(w.Integrations, Integration{Name: cp.Type, SendResolved: !cp.DisableResolveMessage})
		}
		out = append(out, w)
	}
	return out
}

func (s *Service) view(a *types.Alert) Alert {
	st := s.marker.Status(a.Fingerprint())
	v := Alert{Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt, EndsAt: a.EndsAt, UpdatedAt: a.UpdatedAt, GeneratorURL: a.GeneratorURL, Fingerprint: a.Fingerprint().String()}
	v.Status.State = string(st.State)
	v.Status.SilencedBy = append([]string{}, st.SilencedBy...)
	v.Status.InhibitedBy = append([]string{}, st.InhibitedBy...)
	return v
}

// States is the state of each rule by uid: Normal, Pending, Alerting or Error.
func (s *Service) States() map[string]string {
	out := map[string]string{}
	for uid, st := range s.rules.snapshot() {
		out[uid] = st.State
	}
	return out
}
