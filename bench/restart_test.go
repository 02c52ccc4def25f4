package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// TestRestart changes one setting on two clusters of three: ours by apply, the
// other by a playbook tuned for speed, with /api/health as its only gate.
func TestRestart(t *testing.T) {
	b := need(t)
	mine, peers := hosts(1, 3), hosts(4, 6)
	b.Wipe(t, append(slices.Clone(mine), peers...)...)
	inv := b.Inventory(t, labtest.Options{Hosts: mine})
	b.ghadeploy(t, "apply", inv.Path, "--yes")
	play := b.playbook(t, peers)
	play("first")

	var steps []map[string]time.Duration
	ours, theirs := b.alternate(
		func(run int) time.Duration {
			inv.Edit(t, func(doc map[string]any) {
				doc["grafana"].(map[string]any)["root_url"] = fmt.Sprintf("http://%s/%d/", b.Host("svc"), run)
			})
			var out []byte
			d := timed(func() { out = b.ghadeploy(t, "apply", inv.Path, "--yes", "-o", "json") })
			steps = append(steps, breakdown(out))
			return d
		},
		func(run int) time.Duration { return timed(func() { play(fmt.Sprint(run)) }) })
	report.add(row{what: "one setting changed, 3 nodes restarted one by one behind HA gates", ours: ours,
		peer: "Ansible (bench/ansible, tuned), gate on `/api/health` alone", theirs: theirs,
		goal: "≤ 1.25 × what the nodes need"})
	noteBreakdown(steps)
}

// breakdown adds up the seconds of each kind of step in a run's events.
func breakdown(ndjson []byte) map[string]time.Duration {
	sum := map[string]time.Duration{}
	for line := range bytes.Lines(ndjson) {
		var e event.Event
		if json.Unmarshal(line, &e) == nil && e.Kind == event.StepDone && e.Host != "" {
			sum[e.Step] += time.Duration(e.Seconds * float64(time.Second))
		}
	}
	return sum
}

func noteBreakdown(runs []map[string]time.Duration) {
	names := map[string]bool{}
	for _, r := range runs {
		for step := range r {
			names[step] = true
		}
	}
	var lines []string
	for _, step := range slices.Sorted(maps.Keys(names)) {
		var s series
		for _, r := range runs {
			s = append(s, r[step])
		}
		lines = append(lines, fmt.Sprintf("| %s | %.2f s |", step, s.median().Seconds()))
	}
	report.note("Where the time of that roll goes, summed over the three nodes (medians; steps may overlap):\n\n| step | time |\n|---|---|\n%s",
		strings.Join(lines, "\n"))
}

// playbook returns a function that runs the playbook with a root_url of its own.
func (b *bench) playbook(t *testing.T, names []string) func(path string) {
	t.Helper()
	b.Do(t, "db", "bench_ansible")
	vars := []string{
		"ssh_user=root", "grafana_version=" + labtest.V1031,
		"grafana_tarball=" + b.Release(t, labtest.V1031),
		"db_host=" + b.Host("svc") + ":5432", "db_name=bench_ansible", "db_password=grafana",
		"live_redis_address=" + b.Redis(t), "expect_version=" + labtest.V1031,
	}
	for i, h := range names {
		vars = append(vars, fmt.Sprintf("h%d_addr=%s", i+1, b.Host(h)))
	}
	args := []string{"site-fast.yml", "--private-key", b.Key, "--ssh-common-args", "-o UserKnownHostsFile=" + b.KnownHosts}
	for _, v := range vars {
		args = append(args, "-e", v)
	}
	dir := filepath.Join(labtest.Root(), "bench", "ansible")
	return func(path string) {
		t.Helper()
		b.run(t, dir, "ansible-playbook", append(args, "-e", fmt.Sprintf("root_url=http://%s/%s/", b.Host("svc"), path))...)
	}
}
