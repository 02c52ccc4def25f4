package conformance

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/standin/release"
)

// testdata/metrics has what real servers of a version say on /metrics, three nodes
// with gossip, Live on Redis and PostgreSQL: the names that ghadeploy reads and
// their families, with the names of the labels (and the value of db_name).
var (
	families = regexp.MustCompile(`^(grafana_)?alertmanager_(cluster|peer)_|^grafana_live_node_|^go_sql_stats_|^grafana_database_conn_|^grafana_build_info`)
	// unrecorded are buckets, and counters of one peer that come and go with it.
	unrecorded = regexp.MustCompile(`_bucket$|_alive_messages_total$|_reconnections_(failed_)?total$`)
	sample     = regexp.MustCompile(`^([a-z_0-9]+)(?:\{(.*)\})? \S+$`)
	label      = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

// recorded are the versions that there is a recording of.
func recorded(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/metrics/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings (%v)", err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".txt")
	}
	return files
}

// The stand-in of a version and a real server of that version name their metrics
// alike, in both directions.
func TestMetricsAreNamedAsRecorded(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds for each version")
	}
	pg, redis := startPostgres(t), startRedis(t, "")
	binary := filepath.Join(t.TempDir(), "grafana")
	if err := release.Build(t.Context(), runtime.GOARCH, binary); err != nil {
		t.Fatal(err)
	}
	for _, version := range recorded(t) {
		t.Run(version, func(t *testing.T) {
			name := "metrics_" + strings.NewReplacer(".", "_").Replace(version)
			pg.database(t, name)
			s := &suite{rel: standin(t, release.Options{Version: version, Binary: binary}), pg: pg, redis: redis}
			s.nodes = cluster(t, s.rel, pg, redis, name, 2)
			for _, n := range s.nodes {
				n.start(t)
			}
			s.metricNames(t)
		})
	}
}

// metricNames compares with the recording of the version, where there is one.
func (s *suite) metricNames(t *testing.T) {
	b, err := os.ReadFile("testdata/metrics/" + s.rel.version + ".txt")
	if err != nil {
		t.Skipf("no real server of %s was recorded", s.rel.version)
	}
	want := strings.Fields(string(b))
	n := s.nodes[0]
	// Some are counted from the first client or message on, in 12.4 at least: the
	// recordings were made after both.
	n.socket(t)
	_, _ = n.try("POST", "/api/live/publish", map[string]any{"channel": "grafana/broadcast/any", "data": map[string]any{}}, nil)
	until(t, "the metrics of "+s.rel.version, patience, func() error {
		got, err := n.shapes()
		if err != nil {
			return err
		}
		missing := slices.DeleteFunc(slices.Clone(want), func(name string) bool { return slices.Contains(got, name) })
		more := slices.DeleteFunc(got, func(name string) bool { return slices.Contains(want, name) })
		if len(missing)+len(more) > 0 {
			return fmt.Errorf("missing: %v; not in the recording: %v", missing, more)
		}
		return nil
	})
}

// shapes are the names and labels of the families that are compared.
func (n *node) shapes() ([]string, error) {
	res, err := client(nil).Get(n.url("/metrics"))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics is %d", res.StatusCode)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		m := sample.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || !families.MatchString(m[1]) || unrecorded.MatchString(m[1]) {
			continue
		}
		var labels []string
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			if l[1] == "db_name" {
				l[1] += "=" + l[2]
			}
			labels = append(labels, l[1])
		}
		slices.Sort(labels)
		name := m[1]
		if len(labels) > 0 {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		out[name] = true
	}
	return slices.Sorted(maps.Keys(out)), nil
}
