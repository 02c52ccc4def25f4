package check

import (
	"fmt"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

// leastConnections is the smallest pool that is proposed: with fewer, requests of one
// page wait for each other.
const leastConnections = 5

// connectionFindings compares the server's limit with what all hosts may open, in
// every pool that the version to be deployed has.
func (r *run) connectionFindings(p database.Report) []Finding {
	perPool, hosts := r.Cluster.Database.MaxOpenConn, len(r.Cluster.Hosts)
	if p.MaxConnections == 0 || perPool == 0 {
		return nil // what has no limit at all is the finding of shared-database
	}
	pools, unbounded := grafana.ConnectionPools(r.Version)
	sum := hosts * pools * perPool
	what := fmt.Sprintf("%d hosts x max_open_conn %d = %d", hosts, perPool, sum)
	if pools > 1 {
		what = fmt.Sprintf("%d hosts x %d pools (Grafana %s has one for unified storage besides) x max_open_conn %d = %d", hosts, pools,
			r.Version, perPool, sum)
	}
	if unbounded {
		what += ", and more, since the second pool takes no notice of the limit before 12.3"
	}
	if sum <= p.MaxConnections {
		if !unbounded {
			return nil
		}
		return ok("%s; the server allows %d", what, p.MaxConnections)
	}
	return []Finding{warn(fmt.Sprintf("%s; the server allows %d (%d in use)", what, p.MaxConnections, p.Connections),
		"under load Grafana fails with too many connections", r.connectionFix(p.MaxConnections, hosts*pools, sum, unbounded))}
}

// connectionFix proposes what fits: four fifths of the server's connections, so that
// dumps, migrations and people find one too.
func (r *run) connectionFix(limit, pools, sum int, unbounded bool) string {
	raise := fmt.Sprintf("raise the server's max_connections to %d or more", (sum*5+3)/4)
	fits := limit * 4 / 5 / pools
	if fits < leastConnections {
		return raise
	}
	fix := fmt.Sprintf("set database.max_open_conn to %d", fits)
	if r.Cluster.Database.MaxIdleConn > fits {
		fix += ", with max_idle_conn not above it"
	}
	if unbounded {
		fix += ", which bounds the first pool only"
	}
	return fix + ", or " + raise
}
