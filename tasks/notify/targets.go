package notify

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// Target is one group of file_sd_configs
// (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config).
type Target struct {
	Targets []string          `json:"targets"` // host:port
	Labels  map[string]string `json:"labels"`
}

// Targets are the hosts of a cluster for Prometheus, each with the labels cluster, host,
// and its own from the inventory. A host that speaks HTTPS says so to Prometheus with
// __scheme__, one that is served from a sub path with __metrics_path__.
func Targets(c *inventory.Cluster, hosts []*inventory.Host) []Target {
	out := make([]Target, 0, len(hosts))
	for _, h := range hosts {
		labels := map[string]string{}
		for name, value := range h.Labels {
			labels[labelName(name)] = value
		}
		labels["cluster"], labels["host"] = c.Name, h.Name
		listens := desired.Listens(h)
		if listens.Scheme() == "https" {
			labels["__scheme__"] = "https"
		}
		if sub := SubPath(c, h); sub != "" {
			labels["__metrics_path__"] = sub + "/metrics"
		}
		out = append(out, Target{Targets: []string{listens.At(h.Address)}, Labels: labels})
	}
	return out
}

// SubPath is the path that Grafana on h is served from itself; empty for most.
func SubPath(c *inventory.Cluster, h *inventory.Host) string {
	if v, ok := h.Config.Get("server", "serve_from_sub_path"); !ok || v.Reveal() != "true" {
		return ""
	}
	u, err := url.Parse(c.Grafana.RootURL)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(u.Path, "/")
}

var notInLabels = regexp.MustCompile(`[^a-zA-Z0-9_]`)

// labelName makes a name that Prometheus takes. Two leading underscores are its own.
func labelName(s string) string {
	s = strings.TrimLeft(notInLabels.ReplaceAllString(s, "_"), "_")
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "label_" + s
	}
	return s
}
