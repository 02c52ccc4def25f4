package conformance

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/standin/release"
)

// allEnv runs what is left out to save time, as in the tool's own tests.
const allEnv = "GHADEPLOY_LAB_ALL"

// TestStandIn runs every case on one version, and on others those that depend on
// the version: before 9, the one with all cases, and 12.4; the rest on demand.
func TestStandIn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	binary := filepath.Join(t.TempDir(), "grafana")
	if err := release.Build(t.Context(), runtime.GOARCH, binary); err != nil {
		t.Fatal(err)
	}
	pg := startPostgres(t)
	versions := []string{"8.5.15", "10.3.1", "12.4.0"}
	if os.Getenv(allEnv) != "" {
		versions = []string{"6.7.6", "7.5.17", "8.5.15", "9.4.0", "10.3.1", "11.6.2", "12.4.0"}
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			newSuite(t, standin(t, release.Options{Version: version, Binary: binary}), pg).run(t, version == "10.3.1")
		})
	}
}

// TestReal runs every case on every real release at hand.
func TestReal(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	archives := realReleases(t)
	pg := startPostgres(t)
	for _, a := range archives {
		t.Run(filepath.Base(a), func(t *testing.T) { newSuite(t, unpack(t, a), pg).run(t, true) })
	}
}

type suite struct {
	rel unpacked
	pg  *postgres
	// database is the cluster's; locked is one that only the lock is tried on.
	database, locked string
	redis            *redisServer
	nodes            []*node
}

// newSuite makes databases and a Redis of its own, so that releases can follow each other.
func newSuite(t *testing.T, rel unpacked, pg *postgres) *suite {
	t.Helper()
	name := "v" + strings.NewReplacer(".", "_", "-", "_").Replace(rel.version)
	s := &suite{rel: rel, pg: pg, database: name + "_gossiping", locked: name + "_locked"}
	pg.database(t, s.database)
	pg.database(t, s.locked)
	password := ""
	if rel.atLeast(10, 3) {
		password = "redispw"
	}
	s.redis = startRedis(t, password)
	return s
}

// scenario is one case; the first versions that have it, and whether it goes the
// same way on all of them.
type scenario struct {
	name  string
	since [2]int
	same  bool
	run   func(*testing.T)
}

// run asserts all that ghadeploy relies on; without all, only what depends on the version.
func (s *suite) run(t *testing.T, all bool) {
	const size = 3
	s.nodes = cluster(t, s.rel, s.pg, s.redis, s.database, size)
	if !t.Run("first start migrates, the others find nothing to do", s.firstStart) {
		return
	}
	ever, live, gossip := [2]int{}, [2]int{8, 0}, [2]int{8, 2}
	for _, c := range []scenario{
		{"health", ever, false, s.health},
		{"folders", ever, false, s.folders},
		{"metric names", ever, false, s.metricNames},
		{"members and positions", gossip, false, s.members},
		{"live nodes", [2]int{8, 1}, false, s.liveNodes},
		{"session is valid on every node", ever, false, s.sessions},
		{"counts are the same everywhere", ever, false, s.counts},
		{"live message crosses nodes", live, false, s.liveMessage},
		{"live refuses what it has not", live, false, s.liveRefusals},
		{"silence crosses nodes", gossip, false, s.silence},
		{"alert notifies once", [2]int{9, 4}, true, s.alert},
		{"stop closes the listener and cuts requests", ever, true, s.stop},
		{"restarted node goes last", gossip, true, s.restarted},
		{"killed node is back", gossip, true, s.killed},
		{"other secret_key knows no session", [2]int{9, 0}, true, s.otherSecret},
		{"plugin is counted", [2]int{9, 0}, true, s.plugin},
		{"host name as advertise address is fatal", gossip, true, s.badAdvertise},
		{"absent database is fatal", ever, true, s.noDatabase},
		{"folder that cannot be made is fatal", ever, false, s.noFolder},
		{"spellings of http_addr", ever, false, s.addresses},
		{"taken port is fatal", ever, true, s.portTaken},
		{"database down and up", ever, true, s.databaseDown},
		{"migration lock", [2]int{8, 5}, false, s.migrationLock},
		{"redis mode", [2]int{10, 1}, true, s.redisMode},
	} {
		if s.rel.atLeast(c.since[0], c.since[1]) && (all || !c.same) {
			t.Run(c.name, c.run)
		}
	}
	if s.rel.atLeast(8, 0) && !s.rel.atLeast(9, 2) {
		t.Run("older protocol of Live", s.newerClient)
	}
}
