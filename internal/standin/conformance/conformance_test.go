package conformance

import (
	"path/filepath"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/standin/release"
)

func TestStandIn(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	pg, redis := startPostgres(t), startRedis(t)
	surface(t, standin(t, release.Options{Version: "10.3.1"}), pg, redis)
}

func TestReal(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	archives := realReleases(t)
	pg, redis := startPostgres(t), startRedis(t)
	for _, a := range archives {
		t.Run(filepath.Base(a), func(t *testing.T) { surface(t, unpack(t, a), pg, redis) })
	}
}

// surface asserts all that ghadeploy relies on. Databases are named after it
// and dropped first, so that releases can follow each other.
func surface(t *testing.T, rel unpacked, pg *postgres, redis *redisServer) {
	s := &suite{rel: rel, pg: pg, redis: redis}
	for _, name := range []string{"gossiping", "locked", "onredis"} {
		if _, err := pg.open(t, "postgres").Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Fatal(err)
		}
		pg.database(t, name)
	}
	s.nodes = cluster(t, rel, pg, redis, "gossiping", 3)
	if !t.Run("first start migrates, the others find nothing to do", s.firstStart) {
		return
	}
	t.Run("health", s.health)
	t.Run("metric names", s.metricNames)
	t.Run("members and positions", s.members)
	t.Run("live nodes", s.liveNodes)
	t.Run("session is valid on every node", s.sessions)
	t.Run("live message crosses nodes", s.liveMessage)
	t.Run("counts are the same everywhere", s.counts)
	t.Run("silence crosses nodes", s.silence)
	t.Run("alert notifies once", s.alert)
	t.Run("stop closes the listener and cuts requests", s.stop)
	t.Run("restarted node goes last", s.restarted)
	t.Run("killed node is back", s.killed)
	t.Run("other secret_key knows no session", s.otherSecret)
	t.Run("plugin is counted", s.plugin)
	t.Run("host name as advertise address is fatal", s.badAdvertise)
	t.Run("absent database is fatal", s.noDatabase)
	t.Run("database down and up", s.databaseDown)
	t.Run("migration lock", s.migrationLock)
	t.Run("redis mode", s.redisMode)
}

type suite struct {
	rel   unpacked
	pg    *postgres
	redis *redisServer
	nodes []*node
}
