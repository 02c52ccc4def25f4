package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// worldService is what a row's cluster stands on where that is not the lab's own.
type worldService struct {
	// kind is what inventories call the database.
	kind string
	// port of svc that leads to the database; 0: that of the lab.
	port int
	// database makes the database $1 on svc; empty: the lab has made it.
	database string
	// fails is what happens to it on svc while the hosts restart; empty: nothing.
	fails string
	// six: there is no IPv4 between the hosts.
	six bool
}

const (
	galeraDatabase = `mariadb -S /run/galera-1/sock -e "CREATE DATABASE $1 CHARACTER SET utf8mb4; CREATE USER IF NOT EXISTS grafana@'%' IDENTIFIED BY 'grafana'; GRANT ALL ON $1.* TO grafana@'%'"`
	// The leader's host goes away; the other follows when its lease has ended, after 20 s.
	patroniFails    = `for n in 1 2; do if curl -sf -o /dev/null http://127.0.0.1:844$n/primary; then systemctl kill -s KILL patroni-lab@$n; systemctl stop patroni-lab@$n; exit; fi; done; exit 1`
	patroniDatabase = `psql="psql -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -p 5440 -U postgres"
		for i in $(seq 300); do $psql -c "SELECT 1" >/dev/null 2>&1 && curl -sf -o /dev/null http://127.0.0.1:8441/replica -o /dev/null http://127.0.0.1:8442/health && break; sleep .2; done
		$psql -tAc "SELECT 1 FROM pg_roles WHERE rolname = 'grafana'" | grep -q 1 || $psql -c "CREATE ROLE grafana LOGIN PASSWORD 'grafana'"
		$psql -c "CREATE DATABASE $1 OWNER grafana TEMPLATE template0"`
)

// worldServices are the names that rows of .ci/test-world have for them.
func worldServices() map[string]worldService {
	return map[string]worldService{
		"postgres":  {kind: "postgres"},
		"mysql":     {kind: "mysql"},
		"pgbouncer": {kind: "postgres", port: 6432},
		"galera":    {kind: "mysql", port: 3309, database: galeraDatabase, fails: "systemctl kill -s KILL galera@1"},
		"patroni":   {kind: "postgres", port: 5440, database: patroniDatabase, fails: patroniFails},
		"ipv6":      {kind: "postgres", six: true},
	}
}

// use has the inventory of c name the service.
func (s worldService) use(t *testing.T, c *labCluster) {
	t.Helper()
	if s.database != "" {
		c.Sh(t, "svc", "set -e; set -- "+c.inv.Database+"\n"+s.database)
	}
	if s.port != 0 {
		c.inv.Edit(t, func(doc map[string]any) {
			doc["database"].(map[string]any)["host"] = fmt.Sprintf("%s:%d", c.Host("svc"), s.port)
		})
	}
	if s.six {
		c.onSix(t)
	}
}

// onSix takes IPv4 from the hosts, and from the inventory.
func (c *labCluster) onSix(t *testing.T) {
	t.Helper()
	at := map[string]string{}
	for _, h := range append([]string{"svc"}, c.hosts...) {
		at[h] = c.Host6(t, h)
	}
	_, port, err := net.SplitHostPort(c.inv.Redis)
	if err != nil {
		t.Fatal(err)
	}
	redis := net.JoinHostPort(at["svc"], port)
	c.inv.Edit(t, func(doc map[string]any) {
		for name, h := range doc["hosts"].(map[string]any) {
			h.(map[string]any)["address"] = at[name]
		}
		doc["database"].(map[string]any)["host"] = fmt.Sprintf("[%s]:5432", at["svc"])
		doc["live"].(map[string]any)["redis"] = map[string]any{"address": redis}
		doc["grafana"].(map[string]any)["root_url"] = "http://[" + at["svc"] + "]/"
	})
	t.Cleanup(func() { _ = c.Verb(context.Background(), append([]string{"heal"}, c.hosts...)...) })
	c.Do(t, append([]string{"six"}, c.hosts...)...)
}

// restart restarts the hosts, and has the service fail while the first of them starts. A
// run that stops at it has to leave hosts that the next one finishes.
func (s worldService) restart(t *testing.T, c *labCluster) (string, error) {
	if s.fails == "" {
		took, err := c.ran(t, "restart", "--yes")
		return seconds(took), err
	}
	r := c.begin(t, "restart", "--yes")
	r.until("a turn", func(e event.Event) bool { return e.Kind == event.StepStarted && e.Step == "flip" })
	c.Sh(t, "svc", s.fails)
	code := r.wait()
	if code == 0 {
		return seconds(r.took) + ", while it fails over", c.allServe(t)
	}
	t.Log(r.story())
	if code != exitGate {
		return "", outcome(code, r.cause())
	}
	for end := time.Now().Add(2 * time.Minute); ; { // the hosts are to find the database again by themselves
		err := c.allServe(t)
		if err == nil {
			break
		}
		if time.Now().After(end) {
			return "", errors.Join(fmt.Errorf("it stops at the failing database, and the hosts do not come back: %w", err), outcome(code, r.cause()))
		}
		time.Sleep(time.Second)
	}
	took, err := c.ran(t, "restart", "--yes")
	return fmt.Sprintf("stopped at %s by the failure; then %s", seconds(r.took), seconds(took)), err
}

// worldServiceFacts asks svc what it is made of; redis-server may be Valkey.
const worldServiceFacts = `{ psql --version | sed 's/.*) \([0-9.]*\).*/PostgreSQL \1/'; (mariadbd --version 2>/dev/null || mysqld --version) | sed 's/.*Ver \([0-9.]*\).*\(MariaDB\|MySQL\).*/\2 \1/'
	redis-server --version | sed 's/^\([A-Za-z]*\).*v=\([0-9.]*\).*/\1 \2/'; pgbouncer --version 2>/dev/null | sed -n 1p; patroni --version 2>/dev/null; } | paste -sd, | sed 's/,/, /g'`
