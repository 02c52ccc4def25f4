package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// fleetFolder is a copy of examples/fleet whose ghadeploy is the front door before clusters
// without hosts.
type fleetFolder struct {
	t   *testing.T
	dir string
	env []string
}

func newFleet(t *testing.T) *fleetFolder {
	t.Helper()
	door, err := exec.LookPath("door") // made by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	f := &fleetFolder{t: t, dir: t.TempDir()}
	if err := os.CopyFS(f.dir, os.DirFS("../../examples/fleet")); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	// The program tells by its name which of the two it is.
	wrapper := "#!/bin/sh\nexec " + door + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "ghadeploy"), []byte(wrapper), 0o755); err != nil {
		t.Fatal(err)
	}
	f.env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+t.TempDir(), "TERM=dumb",
		"GRAFANA_SECRET_KEY=canary-4f7d1c0a9b", "GRAFANA_ADMIN_PASSWORD=canary-4f7d1c0a9b", "GRAFANA_DB_PASSWORD=canary-4f7d1c0a9b")
	return f
}

// run runs a step as the engines do: what it prints, and its exit code.
func (f *fleetFolder) run(script string, env ...string) (string, int) {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), "bash", "-e", "-o", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = f.dir, append(slices.Clone(f.env), env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		f.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (f *fleetFolder) must(script string, env ...string) string {
	f.t.Helper()
	out, code := f.run(script, env...)
	if code != 0 {
		f.t.Fatalf("%s: exit code %d\n%s", script, code, out)
	}
	return out
}

func (f *fleetFolder) read(name string) string {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

// results holds what steps leave for one cluster to what the README says of them.
func (f *fleetFolder) results(name string) {
	f.t.Helper()
	var suite struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
	}
	for _, step := range []string{"plan", "apply"} {
		if err := xml.Unmarshal([]byte(f.read("out/"+name+"."+step+".xml")), &suite); err != nil || suite.Tests != 1 || suite.Failures != 0 {
			f.t.Errorf("%s of %s: %+v %v", step, name, suite, err)
		}
	}
	lines := strings.Split(strings.TrimSpace(f.read("out/"+name+".result.ndjson")), "\n")
	var last struct{ Result struct{ Changed bool } }
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || !last.Result.Changed {
		f.t.Errorf("the result of %s: %v %s", name, err, lines[len(lines)-1])
	}
	for file, want := range map[string]string{
		".plan.prom":  `ghadeploy_plan_pending_hosts{cluster="` + name + `"} 2`,
		".apply.prom": `ghadeploy_run_success{cluster="` + name,
		".html":       "<title>apply of " + name,
		".state":      "changes",
	} {
		if got := f.read("out/" + name + file); !strings.Contains(got, want) {
			f.t.Errorf("%s%s has no %q", name, file, want)
		}
	}
	left, _ := filepath.Glob(filepath.Join(f.dir, "out", "*"))
	for _, path := range left {
		if text, _ := os.ReadFile(path); strings.Contains(string(text), "canary-4f7d1c0a9b") {
			f.t.Errorf("%s holds a secret", path)
		}
	}
}

// steps are the shell steps of a GitHub workflow, by job.
func steps(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for name, job := range workflow.Jobs {
		for _, s := range job.Steps {
			// What reaches out of the machine is left to GitHub.
			if s.Run != "" && s.Name != "Install" && s.Name != "Comment" {
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: %s puts an expression into a script", file, name)
				}
				out[name] = append(out[name], s.Run)
			}
		}
	}
	return out
}

// The shell steps of the GitHub workflows deploy six clusters, the canary first.
func TestStepsOfGitHubDeployAFleet(t *testing.T) {
	f := newFleet(t)
	jobs, wave := steps(t, "../../examples/fleet/github/fleet.yml"), steps(t, "../../examples/fleet/github/fleet-wave.yml")
	for _, s := range jobs["validate"] {
		f.must(s, "GITHUB_OUTPUT="+filepath.Join(f.dir, "output"))
	}
	lists := map[string][]string{}
	for _, line := range strings.Split(strings.TrimSpace(f.read("output")), "\n") {
		key, value, _ := strings.Cut(line, "=")
		var names []string
		if err := json.Unmarshal([]byte(value), &names); err != nil {
			t.Fatal(line, err)
		}
		lists[key] = names
	}
	if len(lists["all"]) != 6 || fmt.Sprint(lists["first"]) != "[canary]" {
		t.Fatalf("waves: %v", lists)
	}
	if err := os.RemoveAll(filepath.Join(f.dir, "out")); err != nil { // another runner has it
		t.Fatal(err)
	}
	for _, name := range lists["all"] {
		for _, s := range jobs["plan"] {
			f.must(s, "CLUSTER="+name)
		}
	}
	for _, s := range jobs["comment"] {
		f.must(s, "GITHUB_STEP_SUMMARY="+filepath.Join(f.dir, "summary"))
	}
	if got := f.read("comment.md"); !strings.Contains(got, "changes in 6, none in 0, no plan for 0") || !strings.Contains(got, "    ") {
		t.Errorf("the comment:\n%s", got)
	}
	for _, name := range slices.Concat(lists["first"], lists["second"], lists["third"]) {
		for _, s := range wave["apply"] {
			f.must(s, "CLUSTER="+name)
		}
		f.results(name)
	}
}

// The child pipelines that GitLab is given plan and deploy the same six, wave after wave.
func TestStepsOfGitLabDeployAFleet(t *testing.T) {
	f := newFleet(t)
	var parent struct {
		Validate struct{ Script []string }
	}
	if err := yaml.Unmarshal([]byte(f.read("gitlab-ci.yml")), &parent); err != nil {
		t.Fatal(err)
	}
	for _, s := range parent.Validate.Script {
		f.must(s)
	}
	type job struct {
		Stage, Script any
		Variables     map[string]string
	}
	for _, file := range []string{"plan.yml", "apply.yml"} {
		var order []string
		var child map[string]yaml.Node
		if err := yaml.Unmarshal([]byte(f.read(file)), &child); err != nil {
			t.Fatalf("%s: %v\n%s", file, err, f.read(file))
		}
		if stages := child["stages"]; stages.Decode(&order) != nil || len(order) < 2 {
			t.Fatalf("%s: stages %v", file, order)
		}
		ran := map[string]string{}
		for _, stage := range order {
			for name, node := range child {
				var j job
				if name == "stages" || node.Decode(&j) != nil || j.Stage != stage || name == "comment" {
					continue
				}
				for _, s := range j.Script.([]any) {
					f.must(s.(string), "CLUSTER="+j.Variables["CLUSTER"])
				}
				ran[j.Variables["CLUSTER"]] = stage
			}
		}
		if len(ran) != 6 || file == "apply.yml" && (ran["canary"] != "wave-1" || ran["eu-1"] != "wave-2" || ran["ap-1"] != "wave-3") {
			t.Errorf("%s: %v", file, ran)
		}
	}
	for _, name := range []string{"canary", "eu-1", "eu-2", "us-1", "us-2", "ap-1"} {
		f.results(name)
	}
	if out := f.must("ci/gitlab-note comment.md"); !strings.Contains(out, "no merge request") {
		t.Errorf("a comment without a merge request: %s", out)
	}
}

// The exit codes of ghadeploy are those of the steps, and JUnit says what they mean.
func TestAStepOfAFleetFailsAsItsClusterDoes(t *testing.T) {
	f := newFleet(t)
	f.must("ci/plan canary")
	for fail, want := range map[string]struct {
		code  int
		means string
	}{"gate": {5, "a gate failed"}, "locked": {6, "locked or frozen"}, "unreachable": {4, "a host cannot be reached"}, "check": {7, "a check failed"}, "other": {1, "failed"}} {
		out, code := f.run("ci/apply canary", "FAIL="+fail)
		if code != want.code || !strings.Contains(out, "canary: "+want.means) {
			t.Errorf("%s: exit code %d\n%s", fail, code, out)
		}
		text := f.read("out/canary.apply.xml")
		var any struct {
			XMLName xml.Name `xml:"testsuite"`
		}
		if err := xml.Unmarshal([]byte(text), &any); err != nil || !strings.Contains(text, fmt.Sprintf(`<failure message="exit code %d: %s`, want.code, want.means)) {
			t.Errorf("%s: %v\n%s", fail, err, text)
		}
	}
	if _, code := f.run("ci/plan canary", "FAIL=unreachable"); code != 4 {
		t.Errorf("a plan of hosts that cannot be reached: exit code %d", code)
	}
	if out, code := f.run("ci/apply canary"); code != 3 || !strings.Contains(out, "there is no plan") {
		t.Errorf("an apply after a plan that failed: exit code %d\n%s", code, out)
	}
	for _, name := range []string{"", "../canary", "-x", "a b", "$(touch pwned)", "nowhere", ".."} {
		if out, code := f.run(`ci/plan "$CLUSTER"`, "CLUSTER="+name); code != 3 {
			t.Errorf("the cluster %q: exit code %d\n%s", name, code, out)
		}
	}
}

// What a host says ends up in XML and Markdown, and breaks neither.
func TestWordsOfHostsStayWordsInResultsOfAFleet(t *testing.T) {
	f := newFleet(t)
	said := "]]></failure>&amp;<b>\x01\xff\n```\n</details>\n"
	if err := os.WriteFile(filepath.Join(f.dir, "log"), []byte(said), 0o600); err != nil {
		t.Fatal(err)
	}
	f.must(". ci/lib.sh; mkdir -p out; junit out/x.plan.xml plan x 1 2 log; cp log out/x.plan.log; ci/comment >comment.md")
	var suite struct {
		Case struct {
			Failure string `xml:"failure"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal([]byte(f.read("out/x.plan.xml")), &suite); err != nil || !strings.Contains(suite.Case.Failure, "]]></failure>&amp;<b>") {
		t.Errorf("%v %q", err, suite.Case.Failure)
	}
	if regexp.MustCompile("(?m)^(```|</details>.)").MatchString(f.read("comment.md")) {
		t.Errorf("a host ends the comment's own parts:\n%s", f.read("comment.md"))
	}
}

// Each cluster stands in one wave.
func TestWavesOfAFleetAreChecked(t *testing.T) {
	f := newFleet(t)
	for text, want := range map[string]string{"canary\neu-1 canary\n": "named twice: canary", "canary\nnowhere\n": "there is no clusters/nowhere.yaml", "../x\n": "is no name of a cluster"} {
		if err := os.WriteFile(filepath.Join(f.dir, "waves"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, code := f.run("ci/waves"); code != 3 || !strings.Contains(out, want) {
			t.Errorf("%q: exit code %d: %s", text, code, out)
		}
	}
	if err := os.WriteFile(filepath.Join(f.dir, "waves"), []byte("# none\n\ncanary\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := f.must("ci/waves; ci/waves 2 json"); !strings.Contains(out, "eu-1.yaml is in no wave") || !strings.HasSuffix(out, "[]\n") {
		t.Errorf("%s", out)
	}
}
