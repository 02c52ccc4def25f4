package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// seen runs a command with -o json and holds stdout to its published schema.
func seen(t *testing.T, schema string, code int, args ...string) labtest.Ran {
	t.Helper()
	ran := labtest.Ghadeploy(t, append([]string{"-o", "json"}, args...)...)
	if ran.Code != code {
		t.Errorf("%v: exit %d, want %d\n%s\n%s", args, ran.Code, code, ran.Stdout, ran.Stderr)
	}
	validate(t, schema, ran.Stdout)
	return ran
}

// changed runs a command that changes hosts: every line an event, the last one
// the result.
func changed(t *testing.T, code int, args ...string) lastLine {
	t.Helper()
	ran := labtest.Ghadeploy(t, append([]string{"-o", "json", "--yes"}, args...)...)
	if ran.Code != code {
		t.Errorf("%v: exit %d, want %d\n%s\n%s", args, ran.Code, code, ran.Stdout, ran.Stderr)
	}
	lines := strings.Split(strings.TrimSpace(ran.Stdout), "\n")
	for _, l := range lines[:len(lines)-1] {
		validate(t, "event", l)
	}
	last := lines[len(lines)-1]
	validate(t, "result", last)
	var r lastLine
	if err := json.Unmarshal([]byte(last), &r); err != nil {
		t.Fatalf("%v: the last line is no result: %v\n%s", args, err, last)
	}
	return r
}

// What the commands print on a real cluster is what their schemas promise, a
// saved plan is good for the hosts that it was made for, and a dead host hides
// nothing of the others.
func TestDocumentsOfARealClusterMatchTheirSchemas(t *testing.T) {
	lab := labtest.Need(t)
	lab.Lock(t)
	lab.Wipe(t, "h1", "h2", "h3")
	inv := lab.Inventory(t, labtest.Options{Balancer: "haproxy"})

	saved := filepath.Join(inv.Dir, "first.json")
	mustRun(t, "plan", inv.Path, "-o", saved)
	if r := changed(t, exitDone, "apply", inv.Path, "--plan", saved); r.Result == nil || !r.Result.Changed {
		t.Fatalf("the saved plan was not carried out: %+v", r)
	}
	t.Run("looking", func(t *testing.T) { lookAtAll(t, inv) })
	t.Run("a saved plan", func(t *testing.T) { savedPlans(t, lab, inv, saved) })
	if r := changed(t, exitDone, "restart", inv.Path, "--limit", "h2"); r.Result == nil || r.Result.Hosts["h2"].Outcome != "done" {
		t.Errorf("restart: %+v", r)
	}
	inv.Edit(t, func(doc map[string]any) { doc["ssh"].(map[string]any)["connect_timeout"] = "2s" })
	lab.Do(t, "kill", "h3")
	t.Cleanup(func() { lab.Do(t, "start", "h3") })
	t.Run("a dead host", func(t *testing.T) { withoutH3(t, lab, inv) })
}

func lookAtAll(t *testing.T, inv *labtest.Inventory) {
	seen(t, "validate", exitDone, "validate", inv.Path)
	seen(t, "plan", exitDone, "plan", inv.Path, "--detailed-exitcode")
	seen(t, "status", exitDone, "status", inv.Path)
	seen(t, "check", exitDone, "check", inv.Path)
	seen(t, "verify", exitDone, "verify", inv.Path)
	seen(t, "exec", exitDone, "exec", inv.Path, "--", "uname", "-m")
	seen(t, "releases", exitDone, "releases", inv.Path)
	seen(t, "diff", exitDone, "diff", inv.Path)
	seen(t, "lock", exitDone, "lock", inv.Path)
	seen(t, "trust", exitDone, "trust", inv.Path)
	seen(t, "backup", exitDone, "backup", inv.Path, "--list")
	var h historyResult
	ran := seen(t, "history", exitDone, "history", inv.Path)
	if err := json.Unmarshal([]byte(ran.Stdout), &h); err != nil || len(h.Runs) != 1 {
		t.Fatalf("history: %v, %d runs, want the one apply", err, len(h.Runs))
	}
	seen(t, "run", exitDone, "history", inv.Path, "show", h.Runs[0].ID)
	logs := labtest.Ghadeploy(t, "-o", "json", "logs", inv.Path, "--limit", "h1")
	lines := strings.Split(strings.TrimSpace(logs.Stdout), "\n")
	for _, l := range lines[:min(len(lines), 20)] {
		validate(t, "logs", l)
	}
}

// savedPlans: one that was carried out is out of date, and so is one whose host
// somebody else changed.
func savedPlans(t *testing.T, lab *labtest.Lab, inv *labtest.Inventory, done string) {
	if r := changed(t, exitFailed, "apply", inv.Path, "--plan", done); r.Error == nil || !strings.Contains(r.Error.Failures[0].Next, "ghadeploy plan "+inv.Path) {
		t.Errorf("a plan that was carried out already: %+v", r.Error)
	}
	inv.Edit(t, func(doc map[string]any) {
		doc["grafana"].(map[string]any)["config"].(map[string]any)["users"] = map[string]any{"default_theme": "light"}
	})
	moved := filepath.Join(inv.Dir, "moved.json")
	mustRun(t, "plan", inv.Path, "-o", moved)
	lab.Sh(t, "h2", "systemctl stop grafana-server")
	r := changed(t, exitFailed, "apply", inv.Path, "--plan", moved)
	if r.Error == nil || r.Result == nil || r.Result.Changed {
		t.Errorf("a plan whose host has moved was not refused: %+v", r)
	}
	// What the refusal says to type.
	mustRun(t, "plan", inv.Path, "-o", moved)
	if r := changed(t, exitDone, "apply", inv.Path, "--plan", moved); r.Result == nil || !r.Result.Changed {
		t.Errorf("a plan made anew was not carried out: %+v", r.Error)
	}
}

// withoutH3: every document holds the hosts that answered and the error.
func withoutH3(t *testing.T, lab *labtest.Lab, inv *labtest.Inventory) {
	lab.Sh(t, "h1", "echo '# by hand' >>"+iniFile)
	for _, command := range []string{"releases", "lock", "history", "diff"} {
		ran := seen(t, command, exitUnreachable, command, inv.Path)
		var d struct {
			Errors []struct{ Kind, Host, Next string }
			Hosts  []json.RawMessage
			Runs   []json.RawMessage
			Drift  []tasks.Drift
		}
		if err := json.Unmarshal([]byte(ran.Stdout), &d); err != nil {
			t.Errorf("%s: %v", command, err)
			continue
		}
		if len(d.Errors) != 1 || d.Errors[0].Kind != "unreachable" || d.Errors[0].Host != "h3" {
			t.Errorf("%s: the error of h3 is not there: %s", command, ran.Stdout)
		}
		drifted := slices.ContainsFunc(d.Drift, func(d tasks.Drift) bool { return d.Host == "h1" && strings.Contains(d.Unified, "by hand") })
		if command == "diff" && !drifted || command != "diff" && len(d.Hosts)+len(d.Runs) < 2 {
			t.Errorf("%s: those that answered are not there: %s", command, ran.Stdout)
		}
		if text := labtest.Ghadeploy(t, command, inv.Path); !strings.Contains(text.Stderr, "h3: unreachable") || text.Stdout == "" {
			t.Errorf("%s as text: %q, %q", command, text.Stdout, text.Stderr)
		}
	}
	var st tasks.Status
	ran := seen(t, "status", exitUnreachable, "status", inv.Path)
	if err := json.Unmarshal([]byte(ran.Stdout), &st); err != nil || len(st.Hosts) != 3 || st.Hosts[0].Database != "ok" || st.Hosts[2].Reachable {
		t.Errorf("status: %v\n%s", err, ran.Stdout)
	}
}
