package monitoring

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// DefaultJob is the job_name in Prometheus that scrapes the hosts when nothing else is said.
const DefaultJob = "grafana"

// selector picks the hosts of one cluster by the labels that ghadeploy targets gives them.
func selector(job, cluster string) string {
	return fmt.Sprintf("{job=%s, cluster=%s}", strconv.Quote(job), strconv.Quote(cluster))
}

// ofCluster picks what ghadeploy itself wrote about a cluster by --metrics-file.
func ofCluster(cluster string) string { return fmt.Sprintf("{cluster=%s}", strconv.Quote(cluster)) }

// metric is a metric of Grafana under each name that it has had: from 12.4 on Grafana
// puts grafana_ before those of alerting's library, and in 10 and 11 it does so with the
// feature toggle grafanaAPIServer (pkg/infra/metrics, addPrefixWrapper).
func metric(name, sel string) string {
	if strings.HasPrefix(name, "alertmanager_") {
		return fmt.Sprintf("(grafana_%s%s or %s%s)", name, sel, name, sel)
	}
	return name + sel
}

// alertingCluster is whether the Alertmanagers of the hosts know each other.
func alertingCluster(c *inventory.Cluster) bool {
	return c.Alerting.HA == "gossip" || c.Alerting.HA == "redis"
}
