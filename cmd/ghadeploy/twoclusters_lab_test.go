package main_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// labWait is how long numbers may be off: Live counts the old process of a restarted
// host for 20 s.
const labWait = 60 * time.Second

// Two clusters share one Redis and one network, with all ports and databases of
// Redis the same, and neither sees the other: what keeps them apart are the label
// and the prefixes, which are the cluster's name.
func TestLabTwoClustersOnOneRedis(t *testing.T) {
	lab := labtest.Need(t, "h1", "h2", "h3", "h4", "svc")
	hosts := []string{"h1", "h2", "h3", "h4"}
	lab.Lock(t, hosts...)
	lab.Wipe(t, hosts...)
	a, b := twins(t, lab, "redis", []string{"h1", "h2"}, []string{"h3", "h4"})
	applyBoth(t, a, b)
	apart(t, a, 2, b, 2)
	must(t, "restart", b.Path, "--limit", "h3", "--yes")
	apart(t, a, 2, b, 2)
	t.Run("with the same prefixes they meet", func(t *testing.T) {
		labtest.Slow(t)
		for _, inv := range []*labtest.Inventory{a, b} {
			inv.Edit(t, func(doc map[string]any) {
				set("alerting.redis", map[string]any{"prefix": "same"})(doc)
				set("live.redis", map[string]any{"prefix": "same"})(doc)
			})
		}
		applyBoth(t, a, b)
		meet(t, a, b, 4, "alerting.redis.prefix", "live.redis.prefix")
		// By now nothing was started for as long as an old process may count.
		if r := must(t, "status", b.Path); !strings.Contains(strings.Join(strings.Fields(r.Stdout), " "), "give live.redis.prefix a name of its own") {
			t.Errorf("status does not name the cause:\n%s", r.Stdout)
		}
	})
}

// By gossip two clusters meet where one knows an address of the other: a host that
// moved over, to which the nodes that it left go on trying to connect.
func TestLabTwoClustersOnOneNetwork(t *testing.T) {
	lab := labtest.Need(t, "h1", "h2", "h3", "h4", "svc")
	hosts := []string{"h1", "h2", "h3", "h4"}
	lab.Lock(t, hosts...)
	for _, tt := range []struct {
		name  string
		label any
	}{{"labels of their own", nil}, {"one label", "same"}} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.label != nil {
				labtest.Slow(t)
			}
			lab.Wipe(t, hosts...)
			a, b := twins(t, lab, "gossip", []string{"h1", "h2", "h3"}, []string{"h3", "h4"})
			for _, inv := range []*labtest.Inventory{a, b} {
				inv.Edit(t, set("alerting", map[string]any{"label": tt.label}))
			}
			apply(t, a)
			lab.Wipe(t, "h3")
			a.Edit(t, func(doc map[string]any) { delete(doc["hosts"].(map[string]any), "h3") })
			apply(t, b)
			if tt.label != nil {
				meet(t, a, b, 4, "alerting.label")
				return
			}
			tries := reconnections(t, lab, "h1")
			labtest.Wait(t, labWait, "h1 to try h3 again", func() (bool, string) {
				now := reconnections(t, lab, "h1")
				return now > tries, fmt.Sprintf("%.0f tries", now)
			})
			must(t, "restart", b.Path, "--limit", "h4", "--yes")
			apart(t, a, 2, b, 2)
		})
	}
}

// twins are two inventories on the Redis of the first.
func twins(t *testing.T, lab *labtest.Lab, alerting string, one, two []string) (a, b *labtest.Inventory) {
	t.Helper()
	edit := func(doc map[string]any) {
		ownDoor(lab, doc, slices.Sorted(maps.Keys(doc["hosts"].(map[string]any)))[0])
	}
	a = lab.Inventory(t, labtest.Options{Hosts: one, Version: labtest.V1160, Alerting: alerting, Edit: edit})
	b = lab.Inventory(t, labtest.Options{Hosts: two, Version: labtest.V1160, Alerting: alerting, Edit: edit})
	b.Edit(t, func(doc map[string]any) {
		set("live.redis", map[string]any{"address": a.Redis})(doc)
		if alerting == "redis" {
			set("alerting.redis", map[string]any{"address": a.Redis})(doc)
		}
	})
	return a, b
}

// applyBoth applies two inventories at once.
func applyBoth(t *testing.T, a, b *labtest.Inventory) {
	t.Helper()
	labtest.Tool(t)
	var ran [2]labtest.Ran
	var wg sync.WaitGroup
	for i, inv := range []*labtest.Inventory{a, b} {
		wg.Go(func() { ran[i] = labtest.Ghadeploy(t, "apply", inv.Path, "--yes") })
	}
	wg.Wait()
	for _, r := range ran {
		if r.Code != 0 {
			t.Fatalf("apply: exit %d\n%s\n%s", r.Code, r.Stdout, r.Stderr)
		}
	}
}

// apart wants each cluster to count its own hosts and no others, everywhere, status
// and verify to be content, and check to see nobody else.
func apart(t *testing.T, a *labtest.Inventory, na int, b *labtest.Inventory, nb int) {
	t.Helper()
	counts(t, a, na)
	counts(t, b, nb)
	for _, inv := range []*labtest.Inventory{a, b} {
		must(t, "verify", inv.Path)
		if s := status(t, inv); !s.Healthy {
			t.Errorf("%s: %s", inv.Cluster, s.Verdict)
		}
		if r := must(t, "check", inv.Path); strings.Contains(r.Stdout, "another cluster") || strings.Contains(r.Stdout, "used by others") {
			t.Errorf("check of %s sees another cluster:\n%s", inv.Cluster, r.Stdout)
		}
	}
}

// counts waits until every host counts n members and n nodes of Live, and the
// positions are 0 to n-1.
func counts(t *testing.T, inv *labtest.Inventory, n int) {
	t.Helper()
	labtest.Wait(t, labWait, fmt.Sprintf("%d hosts to be one cluster", n), func() (bool, string) {
		s := status(t, inv)
		ok, saw := clusterOf(s, n)
		for _, h := range s.Hosts {
			ok = ok && h.LiveNodes != nil && *h.LiveNodes == n
		}
		return ok, saw
	})
}

// meet wants both to count n members, and verify to say which setting is to blame.
func meet(t *testing.T, a, b *labtest.Inventory, n int, blamed ...string) {
	t.Helper()
	for _, inv := range []*labtest.Inventory{a, b} {
		labtest.Wait(t, labWait, fmt.Sprintf("%d members", n), func() (bool, string) {
			s := status(t, inv)
			for _, h := range s.Hosts {
				if h.Members == nil || *h.Members != n {
					return false, s.Verdict
				}
			}
			return true, ""
		})
	}
	r := labtest.Ghadeploy(t, "verify", a.Path)
	for _, name := range blamed {
		if r.Code == 0 || !strings.Contains(strings.Join(strings.Fields(r.Stdout), " "), "give "+name+" a name of its own") {
			t.Errorf("verify does not blame %s: exit %d\n%s", name, r.Code, r.Stdout)
		}
	}
}

// reconnections is how often a node has tried to reach peers that it lost, in vain.
func reconnections(t *testing.T, lab *labtest.Lab, host string) float64 {
	t.Helper()
	resp, err := http.Get("http://" + lab.Host(host) + ":3000/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	const name = "alertmanager_cluster_reconnections_failed_total"
	for _, family := range []string{name, "grafana_" + name} { // the latter from 12.4 on
		if f := families[family]; f != nil {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("%s has no %s", host, name)
	return 0
}
