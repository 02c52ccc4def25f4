package grafana

import (
	"fmt"
	"maps"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// apiServerPrefix stands before every metric that Grafana registers with its API
// server, unless it begins so already: from 12.4 on, and in 10 and 11 with the
// feature toggle grafanaAPIServer (pkg/infra/metrics, addPrefixWrapper).
const apiServerPrefix = "grafana_"

// sample is one value of a family, with its labels.
type sample struct {
	labels []*dto.LabelPair
	value  float64
}

func (s sample) label(name string) string {
	for _, l := range s.labels {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// key is the sample's identity within its family.
func (s sample) key() string {
	labels := map[string]string{}
	for _, l := range s.labels {
		labels[l.GetName()] = l.GetValue()
	}
	key := ""
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		key += fmt.Sprintf("%q=%q,", name, labels[name])
	}
	return key
}

// samples are the values of a family under its name and under the same one with
// [apiServerPrefix]. What the server sends decides, family by family; a value that is
// there under both names is one value, and the newer name's.
func samples(f map[string]*dto.MetricFamily, name string) []sample {
	var all []sample
	seen := map[string]bool{}
	for _, family := range []*dto.MetricFamily{f[apiServerPrefix+name], f[name]} {
		for _, m := range family.GetMetric() {
			s := sample{labels: m.GetLabel(), value: valueOf(family.GetType(), m)}
			if key := s.key(); !seen[key] {
				seen[key] = true
				all = append(all, s)
			}
		}
	}
	return all
}

func valueOf(t dto.MetricType, m *dto.Metric) float64 {
	switch t {
	case dto.MetricType_COUNTER:
		return m.GetCounter().GetValue()
	case dto.MetricType_GAUGE:
		return m.GetGauge().GetValue()
	default:
		return m.GetUntyped().GetValue()
	}
}

// sum adds a family up over its labels.
func sum(f map[string]*dto.MetricFamily, name string) Gauge {
	var g Gauge
	for _, s := range samples(f, name) {
		g.Has, g.Value = true, g.Value+s.value
	}
	return g
}
