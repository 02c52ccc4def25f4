package server

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/ghadeploy/ghadeploy/internal/standin/profile"
)

// named gathers metrics under the names and with the labels of the version.
type named struct {
	prometheus.Gatherer
	profile.Metrics
}

func (n named) Gather() ([]*dto.MetricFamily, error) {
	families, err := n.Gatherer.Gather()
	if err != nil {
		return nil, err
	}
	for _, f := range families {
		if n.Prefixed && strings.HasPrefix(f.GetName(), "alertmanager_") {
			name := "grafana_" + f.GetName()
			f.Name = &name
		}
		counter := f.GetName() == "grafana_live_node_action_count" || strings.HasPrefix(f.GetName(), "grafana_live_node_messages_")
		if n.LiveNamespaces && counter {
			namespaced(f.Metric)
		}
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return families, nil
}

// namespaced adds the label that is empty for a channel outside of centrifuge's own namespaces.
func namespaced(all []*dto.Metric) {
	name, value := "channel_namespace", ""
	for _, m := range all {
		m.Label = append(m.Label, &dto.LabelPair{Name: &name, Value: &value})
		slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
	}
}
