package alerting

import (
	"time"

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

// Alerts lists what this node's Alertmanager has that is not resolved.
func (s *Service) Alerts() []Alert {
	out := []Alert{}
	it := s.alerts.GetPending()
	defer it.Close()
	for a := range it.Next() {
		if !a.Resolved() {
			out = append(out, s.view(a))
		}
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
