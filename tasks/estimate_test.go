package tasks

import (
	"bufio"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

// planFor is a plan of three hosts as far as it takes time.
func planFor(kind PolicyKind, mb int64, batches [][]string, gates ...string) *Plan {
	p := &Plan{Policy: Policy{Kind: kind, Batches: batches, Gates: gates, Final: []string{gateMembers, gateLive}, Settle: "until gossip has settled", Migrates: kind != PolicyRolling}}
	for _, h := range []string{"h1", "h2", "h3"} {
		hp := HostPlan{Host: h, Restart: true}
		if mb > 0 {
			hp.Actions = append(hp.Actions, Action{Kind: ActionRelease, Bytes: mb * 1e6})
		}
		hp.Actions = append(hp.Actions, Action{Kind: ActionGeneration}, Action{Kind: ActionTurn})
		p.Hosts = append(p.Hosts, hp)
	}
	if kind == PolicyOneFirst {
		p.Before = []Action{{Kind: ActionBackup}}
	}
	return p
}

// The lab's record: real 10.3.1 and 11.6.2 on three hosts with PostgreSQL, Redis and HAProxy,
// when only the metric told of Live, as it does where Redis may not be asked.
// Each estimate, from what the runs before it have taught, is within 30 % of what it took.
func TestEstimatesAreWithinThirtyPercentOfTheLabsRecord(t *testing.T) {
	one := [][]string{{"h3"}, {"h2"}, {"h1"}}
	all := []string{gateService, gateHealth, gateMembers, gateLive}
	plans := map[string]*Plan{
		"deploy":  planFor(PolicyFirst, 60, [][]string{{"h1"}, {"h2"}, {"h3"}}, gateService, gateHealth, gateMembers),
		"change":  planFor(PolicyRolling, 0, one, all...),
		"restart": planFor(PolicyRolling, 0, one, all...),
		"upgrade": planFor(PolicyOneFirst, 110, [][]string{{"h3"}, {"h1", "h2"}}, all...),
	}
	runs := labRuns(t)
	slow := labFigures()
	slow.live = 9.9
	var before []journal.Entry
	for i, name := range []string{"deploy", "change", "restart", "upgrade"} {
		took := runs[i][len(runs[i])-1].Time.Sub(runs[i][0].Time).Seconds()
		got := estimateOf(plans[name], learn(slow, before))
		t.Logf("%s: estimated %.0f s, took %.0f s", name, got, took)
		if got < took*0.7 || got > took*1.3 {
			t.Errorf("%s: estimated %.1f s, it took %.1f s", name, got, took)
		}
		before = append(before, runs[i]...)
	}
}

// Where Redis shows the nodes of Live, settling is what a roll waits for: 27.7 s of three
// real 10.3.1 without a balancer.
func TestARollWithoutAWaitForLiveIsEstimatedByItsSettling(t *testing.T) {
	p := planFor(PolicyRolling, 0, [][]string{{"h3"}, {"h2"}, {"h1"}}, gateService, gateHealth, gateMembers, gateLive)
	if got := estimateOf(p, labFigures()); got < 27.7*0.7 || got > 27.7*1.3 {
		t.Errorf("estimated %.1f s, it took 27.7 s", got)
	}
}

// labRuns are the entries of each run of the lab's record.
func labRuns(t *testing.T) (runs [][]journal.Entry) {
	t.Helper()
	f, err := os.Open("testdata/journal-lab.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	last := ""
	for s := bufio.NewScanner(f); s.Scan(); {
		var e journal.Entry
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.Run != last {
			last = e.Run
			runs = append(runs, nil)
		}
		runs[len(runs)-1] = append(runs[len(runs)-1], e)
	}
	return runs
}

func TestNothingToDoTakesNoTime(t *testing.T) {
	if got := estimateOf(&Plan{}, labFigures()); got != 0 {
		t.Errorf("estimated %.1f s", got)
	}
	p := planFor(PolicyRolling, 0, [][]string{{"h1"}}, gateHealth)
	p.Policy.Bake = time.Minute
	if got := estimateOf(p, labFigures()); got < 60 {
		t.Errorf("a minute of watching is estimated as %.1f s", got)
	}
}
