package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// hooksIn are hooks whose commands run in a folder of the test.
func hooksIn(t *testing.T, h inventory.Hooks) (hooks, string) {
	t.Helper()
	dir := t.TempDir()
	return hooks{cluster: &inventory.Cluster{Name: "prod", Dir: dir, Hooks: h}, run: "20261124-1", command: "apply"}, dir
}

func TestHookGetsJSONOnStdinAndShortFactsInItsEnvironment(t *testing.T) {
	k, dir := hooksIn(t, inventory.Hooks{BeforeHost: `cat >in.json; env | grep ^GHADEPLOY_ | sort >env`})
	h := &inventory.Host{Name: "g1", Address: "10.0.0.11"}
	if err := k.host(t.Context(), hookBeforeHost, h, &HostPlan{Host: "g1", To: Deployed{Version: "10.3.1"}}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "in.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Hook, Cluster, Run, Command, Host, Address string
		Plan                                       HostPlan
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if got.Hook != "before_host" || got.Cluster != "prod" || got.Run != "20261124-1" || got.Command != "apply" || got.Host != "g1" || got.Address != "10.0.0.11" || got.Plan.To.Version != "10.3.1" {
		t.Errorf("got %s", text)
	}
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	if err != nil {
		t.Fatal(err)
	}
	want := "GHADEPLOY_ADDRESS=10.0.0.11\nGHADEPLOY_CLUSTER=prod\nGHADEPLOY_COMMAND=apply\nGHADEPLOY_HOOK=before_host\nGHADEPLOY_HOST=g1\nGHADEPLOY_RUN=20261124-1\n"
	// What the test's own environment has besides is not the hook's.
	env = regexp.MustCompile(`(?m)^GHADEPLOY_(LAB|GRAFANA|TOOL)\w*=.*\n`).ReplaceAll(env, nil)
	if string(env) != want {
		t.Errorf("the environment is\n%s\nwant\n%s", env, want)
	}
}

func TestHookThatHangsIsEndedWithAllItStarted(t *testing.T) {
	k, dir := hooksIn(t, inventory.Hooks{BeforeRun: `echo waiting; sleep 600 & echo $! >child; wait`})
	k.timeout = 300 * time.Millisecond
	err := k.fire(t.Context(), hookBeforeRun, nil, map[string]any{})
	if err == nil || !strings.Contains(err.Error(), "not done after 300ms: waiting") {
		t.Fatalf("error %v", err)
	}
	pid, err := os.ReadFile(filepath.Join(dir, "child"))
	if err != nil {
		t.Fatal(err)
	}
	// Killed together with its parent; whoever reaps it may take a moment.
	for range 500 {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("what the hook started still runs")
}

func TestFailingHookSaysWhatItPrinted(t *testing.T) {
	k, _ := hooksIn(t, inventory.Hooks{AfterHost: `echo no ticket for this change >&2; exit 3`})
	err := k.host(t.Context(), hookAfterHost, &inventory.Host{Name: "g1"}, nil)
	if err == nil || !strings.Contains(err.Error(), "exit status 3: no ticket for this change") {
		t.Errorf("error %v", err)
	}
}

// around records which hooks ran, in order, each with the outcome it was told.
func TestHooksOfARunComeInOrder(t *testing.T) {
	line := `echo "$GHADEPLOY_HOOK $GHADEPLOY_OUTCOME" >>log`
	for name, c := range map[string]struct {
		hooks inventory.Hooks
		work  error
		want  string
		fails string
	}{
		"done":           {inventory.Hooks{BeforeRun: line, AfterRun: line, OnFailure: line}, nil, "before_run \nafter_run done\n", ""},
		"failed":         {inventory.Hooks{BeforeRun: line, AfterRun: line, OnFailure: line}, errors.New("gate"), "before_run \non_failure failed\nafter_run failed\n", "gate"},
		"before refuses": {inventory.Hooks{BeforeRun: line + "; exit 1", AfterRun: line, OnFailure: line}, nil, "before_run \n", "--skip-hooks"},
		"after fails":    {inventory.Hooks{AfterRun: line + "; exit 1"}, nil, "after_run done\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			k, dir := hooksIn(t, c.hooks)
			worked, warned := false, ""
			k.sink = func(e event.Event) { warned += e.Message }
			ctx, cancel := context.WithCancel(t.Context())
			err := k.around(ctx, &Plan{}, &Result{}, func() error {
				worked = true
				cancel() // an interrupted run has hooks too
				return c.work
			})
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("error %v, want %q", err, c.fails)
			}
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			if string(log) != c.want {
				t.Errorf("hooks %q, want %q", log, c.want)
			}
			if worked == (name == "before refuses") {
				t.Errorf("the work was done: %v", worked)
			}
			if (name == "after fails") != strings.Contains(warned, "hook after_run") {
				t.Errorf("warnings %q", warned)
			}
		})
	}
}

// untouchable is a host on which nothing may be done.
type untouchable struct {
	fleettest.Local
	touched []string
}

func (u *untouchable) Run(_ context.Context, cmd remote.Command) (remote.Result, error) {
	u.touched = append(u.touched, cmd.Step)
	return remote.Result{}, errors.New("this host must not be touched")
}

func TestFailingBeforeHostLeavesTheHostUntouched(t *testing.T) {
	k, _ := hooksIn(t, inventory.Hooks{BeforeHost: "exit 1"})
	conn := &untouchable{}
	h := &inventory.Host{Name: "g1", Address: "10.0.0.11"}
	ro := &rollout{cluster: k.cluster, plan: &Plan{}, hooks: k, up: map[string]bool{"g1": true}, outcomes: map[string]HostOutcome{}}
	err := turn{rollout: ro, host: fleet.Host{Host: h, Conn: conn}, plan: &HostPlan{Host: "g1"}}.take(t.Context())
	var he *fleet.HostError
	if !errors.As(err, &he) || he.Host != "g1" || he.Step != "hook before_host" || he.State != "the host was not touched" {
		t.Errorf("error %v", err)
	}
	if len(conn.touched) > 0 {
		t.Errorf("done on the host: %q", conn.touched)
	}
}

func TestSkipHooksRunsNone(t *testing.T) {
	k, dir := hooksIn(t, inventory.Hooks{BeforeRun: "touch ran"})
	for skip, want := range map[bool]bool{true: false, false: true} {
		r := New(k.cluster, Options{SkipHooks: skip})
		if err := r.hooks().around(t.Context(), &Plan{}, &Result{}, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "ran")); (err == nil) != want {
			t.Errorf("--skip-hooks %v: ran is %v", skip, err == nil)
		}
		_ = os.Remove(filepath.Join(dir, "ran"))
	}
}
