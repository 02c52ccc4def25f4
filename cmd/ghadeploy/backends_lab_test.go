package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// Every database with every kind of alerting. A deploy alone tells that the
// settings are right; two of the four, which between them have all backends, are
// followed through the life of a cluster. With real releases all four are. PostgreSQL
// and gossip are what most other tests have, so by default the other two are tried.
func TestLabBackends(t *testing.T) {
	for _, tt := range []struct {
		database, alerting string
		life               bool
	}{
		{"postgres", "gossip", true},
		{"mysql", "redis", true},
		{"mysql", "gossip", false},
		{"postgres", "redis", false},
	} {
		t.Run(tt.database+"_"+tt.alerting, func(t *testing.T) {
			if tt.database != "mysql" || tt.alerting != "redis" {
				labtest.Slow(t)
			}
			lab := labtest.Need(t, "h1", "h2", "h3", "h4", "svc")
			lab.Lock(t, "h1", "h2", "h3", "h4")
			lab.Wipe(t, "h1", "h2", "h3", "h4")
			inv := lab.Inventory(t, labtest.Options{Database: tt.database, Alerting: tt.alerting, Edit: unsettled})
			apply(t, inv)
			whole(t, inv, "the deploy", 3)
			if !tt.life && os.Getenv(labtest.RealEnv) == "" {
				return
			}
			must(t, "restart", inv.Path, "--limit", "h2", "--yes")
			whole(t, inv, "a restart of h2", 3)
			killGrafana(t, lab, inv, "h3")
			whole(t, inv, "SIGKILL on h3", 3)
			inv.Edit(t, func(doc map[string]any) {
				doc["hosts"].(map[string]any)["h4"] = map[string]any{"address": lab.Host("h4")}
			})
			apply(t, inv)
			whole(t, inv, "adding h4", 4)
			must(t, "remove", inv.Path, "h4", "--yes")
			inv.Edit(t, func(doc map[string]any) { delete(doc["hosts"].(map[string]any), "h4") })
			whole(t, inv, "removing h4", 3)
			removedCleanly(t, lab, "h4")
			if r := must(t, "plan", inv.Path, "--detailed-exitcode"); strings.Contains(r.Stdout, lab.Host("h4")) {
				t.Errorf("the removed host is still spoken of:\n%s", r.Stdout)
			}
		})
	}
}

// unsettled leaves the wait for alerting's next notification out of each turn:
// who is a member at which position does not depend on it, and it is most of a
// rollout's time. Real releases keep it.
func unsettled(doc map[string]any) {
	if os.Getenv(labtest.RealEnv) == "" {
		doc["rollout"] = map[string]any{"settle": "0s"}
	}
}

func must(t *testing.T, args ...string) labtest.Ran {
	t.Helper()
	r := labtest.Ghadeploy(t, args...)
	if r.Code != 0 {
		t.Fatalf("ghadeploy %s: exit %d\n%s\n%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return r
}

func apply(t *testing.T, inv *labtest.Inventory) labtest.Ran {
	t.Helper()
	return must(t, "apply", inv.Path, "--yes")
}

func status(t *testing.T, inv *labtest.Inventory) tasks.Status {
	t.Helper()
	r := labtest.Ghadeploy(t, "status", inv.Path, "-o", "json")
	var s tasks.Status
	if err := json.Unmarshal([]byte(r.Stdout), &s); err != nil {
		t.Fatalf("status: exit %d, %v\n%s\n%s", r.Code, err, r.Stdout, r.Stderr)
	}
	return s
}

// whole waits until all hosts are one cluster of n: members, positions and Live.
// The first look is logged, since it is what an operator sees who asks at once.
func whole(t *testing.T, inv *labtest.Inventory, after string, n int) {
	t.Helper()
	first, start := "", time.Now()
	labtest.Wait(t, 90*time.Second, "one cluster after "+after, func() (bool, string) {
		ok, saw := clusterOf(status(t, inv), n)
		if first == "" {
			first = saw
		}
		if ok {
			t.Logf("after %s: at once %s; whole %.1f s later: %s", after, first, time.Since(start).Seconds(), saw)
		}
		return ok, saw
	})
}

func clusterOf(s tasks.Status, n int) (ok bool, saw string) {
	ok = s.Healthy && len(s.Hosts) == n
	var positions []int
	var all []string
	for _, h := range s.Hosts {
		if h.Members == nil || h.Position == nil || h.LiveNodes == nil {
			return false, fmt.Sprintf("%s: %s %v", h.Host, h.Service, h.Problems)
		}
		// Live counts the last process of a restarted host for 20 s: more is no fault
		ok = ok && *h.Members == n && *h.LiveNodes >= n
		positions = append(positions, *h.Position)
		all = append(all, fmt.Sprintf("%s members %d position %d live %d %v", h.Host, *h.Members, *h.Position, *h.LiveNodes, h.Problems))
	}
	slices.Sort(positions)
	for i, p := range positions {
		ok = ok && p == i
	}
	return ok, strings.Join(all, "; ")
}

// killGrafana kills the process as the kernel would for want of memory; systemd
// starts it again by itself.
func killGrafana(t *testing.T, lab *labtest.Lab, inv *labtest.Inventory, host string) {
	t.Helper()
	before := lab.Sh(t, host, "systemctl show -p MainPID --value grafana-server; systemctl kill -s KILL grafana-server")
	labtest.Wait(t, time.Minute, "systemd to start it again", func() (bool, string) {
		now := lab.Sh(t, host, "systemctl show -p MainPID --value grafana-server")
		return now != "0" && now != before, now
	})
}

// removedCleanly: what was ours is gone, what is the operator's is there.
func removedCleanly(t *testing.T, lab *labtest.Lab, host string) {
	t.Helper()
	got := lab.Sh(t, host, `for f in /opt/grafana /etc/grafana /etc/systemd/system/grafana-server.service; do [ -e $f ] || [ -L $f ] && echo "$f is left"; done
		[ -d /var/lib/grafana ] || echo "the data is gone"
		systemctl is-active grafana-server || true`)
	if got != "inactive" {
		t.Errorf("after remove %s has:\n%s", host, got)
	}
}
