package notify

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// PlanMetrics are what Prometheus learns of a plan through a textfile: whether a cluster
// is as its inventory wants it, and when its certificates expire.
type PlanMetrics struct {
	Cluster string
	At      time.Time
	// Success is whether there is a plan; without one nobody knows what is pending.
	Success bool
	// Pending counts the hosts that apply would change.
	Pending int
	// Expiries of certificates, by their keys in the inventory.
	Expiries map[string]time.Time
}

// WriteTo writes the metrics in the text format of Prometheus.
func (m PlanMetrics) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	cluster := label(m.Cluster)
	one := func(name, help string, value int64) {
		gauge(&b, name, help)
		fmt.Fprintf(&b, "%s{cluster=\"%s\"} %d\n", name, cluster, value)
	}
	one("ghadeploy_plan_timestamp_seconds", "When the last plan was made, in seconds since the epoch.", m.At.Unix())
	success := int64(0)
	if m.Success {
		success = 1
	}
	one("ghadeploy_plan_success", "1 when the last plan could be made, else 0.", success)
	if m.Success {
		one("ghadeploy_plan_pending_hosts", "Hosts that are not as the inventory wants them.", int64(m.Pending))
	}
	if len(m.Expiries) > 0 {
		gauge(&b, "ghadeploy_certificate_expiry_timestamp_seconds", "When a certificate of the inventory expires, in seconds since the epoch.")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Expiries)) {
		fmt.Fprintf(&b, "ghadeploy_certificate_expiry_timestamp_seconds{cluster=\"%s\",certificate=\"%s\"} %d\n",
			cluster, label(name), m.Expiries[name].Unix())
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
