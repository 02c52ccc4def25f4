package monitoring

import (
	"encoding/json"
	"strings"
	"testing"
)

func alerts(f File) string {
	var names []string
	for _, r := range f.Groups[0].Rules {
		names = append(names, r.Alert)
	}
	return strings.Join(names, " ")
}

func TestRulesAreOfWhatTheInventoryHas(t *testing.T) {
	all, none := alerts(Rules(prod("gossip", "redis:6379"), DefaultJob)), alerts(Rules(prod("none", ""), DefaultJob))
	for _, name := range []string{"GrafanaAlertingMembers", "GrafanaAlertingPositions", "GrafanaGossipUnhealthy", "GrafanaLiveNodes"} {
		if !strings.Contains(all, name) || strings.Contains(none, name) {
			t.Errorf("%s: with HA and Live %s, without %s", name, all, none)
		}
	}
	if redis := alerts(Rules(prod("redis", ""), DefaultJob)); strings.Contains(redis, "Gossip") || !strings.Contains(redis, "AlertingMembers") {
		t.Error(redis)
	}
}

func TestEveryRuleNamesItsClusterAndWhatToType(t *testing.T) {
	for _, r := range Rules(prod("gossip", "redis:6379"), "scrape").Groups[0].Rules {
		if !strings.Contains(r.Expr, `cluster="prod"`) || r.Labels["cluster"] != "prod" || r.Labels["severity"] == "" ||
			r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
			t.Errorf("%+v", r)
		}
		if strings.Contains(r.Expr, "up{") && !strings.Contains(r.Expr, `job="scrape"`) {
			t.Errorf("not of the job that was named: %s", r.Expr)
		}
	}
}

func TestDashboardHasPanelsBesideEachOtherAndAnUIDThatGrafanaTakes(t *testing.T) {
	c := prod("gossip", "redis:6379")
	c.Name = strings.Repeat("long-", 20)
	d := ForCluster(c, DefaultJob)
	if len(d.UID) > maxUID {
		t.Errorf("uid of %d characters", len(d.UID))
	}
	taken := map[[2]int]string{}
	for _, p := range d.Panels {
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s stands out of the grid: %+v", p.Title, p.GridPos)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
	text, err := json.Marshal(ForCluster(prod("none", ""), DefaultJob))
	if err != nil || strings.Contains(string(text), "alertmanager_") || strings.Contains(string(text), "live_node") {
		t.Errorf("%v %s", err, text)
	}
}
