package alerting

import (
	"github.com/prometheus/alertmanager/types"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the grafana_alerting_* ones that say how alerting goes.
type metrics struct {
	evaluations, failures, notifications, failed *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer, s *Service) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "grafana_alerting_" + name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m := &metrics{
		evaluations:   counter("rule_evaluations_total", "The total number of rule evaluations.", "org"),
		failures:      counter("rule_evaluation_failures_total", "The total number of rule evaluation failures.", "org"),
		notifications: counter("notifications_total", "The total number of attempted notifications.", "org", "integration"),
		failed:        counter("notifications_failed_total", "The total number of failed notifications.", "org", "integration"),
	}
	for _, state := range []types.SilenceState{types.SilenceStateActive, types.SilenceStatePending, types.SilenceStateExpired} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grafana_alerting_silences", Help: "How many silences by state.", ConstLabels: prometheus.Labels{"org": "1", "state": string(state)},
		}, func() float64 {
			n, err := s.silences.CountState(state)
			if err != nil {
				s.log.Error("Counting silences failed", "error", err)
			}
			return float64(n)
		}))
	}
	for name, state := range map[string]string{"normal": normal, "pending": pending, "alerting": alerting, "error": failing} {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "grafana_alerting_alerts", Help: "How many alerts by state.", ConstLabels: prometheus.Labels{"state": name},
		}, func() float64 {
			n := 0
			for _, st := range s.rules.snapshot() {
				if st.State == state {
					n++
				}
			}
			return float64(n)
		}))
	}
	return m
}
