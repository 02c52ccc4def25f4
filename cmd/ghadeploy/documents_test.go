package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// run runs one command line in dir before a cluster without hosts.
func run(t *testing.T, dir, stdin string, fail error, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	env := map[string]string{"SECRET_KEY": "canary-4f7d1c0a9b", inventory.AgeIdentityEnv: filepath.Join(dir, "age.key")}
	a := &app{
		streams: ui.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errs, Size: func() (int, int) { return 100, 0 }},
		getenv:  func(name string) string { return env[name] },
		now:     func() time.Time { return then },
		newRunner: func(c *inventory.Cluster, o tasks.Options) runner {
			return &fakeRunner{cluster: c, options: o, fail: fail}
		},
	}
	code = a.main(t.Context(), args)
	return code, out.String(), errs.String()
}

func validator(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := schemaOf(name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name+".json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(t *testing.T, schema, text string) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Errorf("stdout is no JSON: %v\n%s", err, text)
		return
	}
	if err := validator(t, schema).Validate(doc); err != nil {
		t.Errorf("does not match schema %s: %v\n%s", schema, err, text)
	}
}

// jsonCase is one command line and the schema of its document. Lines are
// commands that print one event a line and then the document.
type jsonCase struct {
	schema string
	args   string
	stdin  string
	lines  bool
	code   int
}

func jsonCases() []jsonCase {
	return []jsonCase{
		{schema: "version", args: "version"},
		{schema: "validate", args: "validate prod.yaml"},
		{schema: "validate", args: "validate broken.yaml", code: exitUsage},
		{schema: "docs", args: "docs rollout"},
		{schema: "keygen", args: "secrets keygen"},
		{schema: "encrypt", args: "secrets encrypt", stdin: "hunter2\n"},
		{schema: "init", args: "init h1 h2 -O new.yaml"},
		{schema: "init", args: "import grafana.ini --host h1 -O imported.yaml"},
		{schema: "trust", args: "trust prod.yaml --yes"},
		{schema: "check", args: "check prod.yaml"},
		{schema: "plan", args: "plan prod.yaml"},
		{schema: "status", args: "status prod.yaml"},
		{schema: "verify", args: "verify prod.yaml"},
		{schema: "exec", args: "exec prod.yaml -- uptime"},
		{schema: "history", args: "history prod.yaml"},
		{schema: "run", args: "history prod.yaml show 2026"},
		{schema: "releases", args: "releases prod.yaml"},
		{schema: "diff", args: "diff prod.yaml"},
		{schema: "lock", args: "lock prod.yaml"},
		{schema: "lock", args: "unlock prod.yaml"},
		{schema: "backup", args: "backup prod.yaml"},
		{schema: "backup", args: "backup prod.yaml --list"},
		{schema: "rehearse", args: "rehearse prod.yaml --to 10.4.0"},
		{schema: "copy", args: "database copy --from sqlite:grafana.db --to prod.yaml --yes"},
		{schema: "restore", args: "restore prod.yaml --dump /a.dump --yes"},
		{schema: "targets", args: "targets prod.yaml --limit all"},
		{schema: "rules", args: "monitoring rules prod.yaml"},
		{schema: "dashboard", args: "monitoring dashboard prod.yaml"},
		{schema: "error", args: "plan missing.yaml", code: exitUsage},
		{schema: "result", args: "apply prod.yaml --yes", lines: true},
		{schema: "result", args: "upgrade prod.yaml --to 10.4.0 --yes", lines: true},
		{schema: "result", args: "restart prod.yaml --yes", lines: true},
		{schema: "result", args: "rollback prod.yaml --yes", lines: true},
		{schema: "result", args: "remove prod.yaml h3 --yes", lines: true},
		{schema: "result", args: "drain prod.yaml h3 --yes", lines: true},
		{schema: "result", args: "undrain prod.yaml --yes", lines: true},
		{schema: "result", args: "stop prod.yaml --yes", lines: true},
		{schema: "result", args: "start prod.yaml --yes", lines: true},
	}
}

func testDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	for name, text := range map[string]string{"prod.yaml": scriptInventory, "broken.yaml": "cluster: 3 4\nhsots: {}\n", "grafana.ini": "[smtp]\nenabled = true\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("SECRET_KEY", "canary-4f7d1c0a9b")
	return dir
}

func TestEveryDocumentMatchesItsSchema(t *testing.T) {
	dir := testDir(t)
	for _, c := range jsonCases() {
		t.Run(c.args, func(t *testing.T) {
			before, after, dashed := strings.Cut(c.args, " -- ")
			args := append(strings.Fields(before), "-o", "json")
			if dashed {
				args = append(append(args, "--"), strings.Fields(after)...)
			}
			code, out, errs := run(t, dir, c.stdin, nil, args...)
			if code != c.code {
				t.Fatalf("exit code %d, want %d: %s%s", code, c.code, out, errs)
			}
			if c.lines {
				out = checkEvents(t, out)
			}
			validate(t, c.schema, out)
			if strings.Contains(out, "null") {
				t.Errorf("null in %s", out)
			}
			if c.code == exitDone && !c.lines && strings.Contains(errs, "canary") {
				t.Errorf("a secret on stderr: %s", errs)
			}
		})
	}
}

// checkEvents validates all lines but the last, which it returns.
func checkEvents(t *testing.T, out string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) < 3 {
		t.Errorf("%d lines, want events and a result: %s", len(lines), out)
	}
	for _, l := range lines[:len(lines)-1] {
		validate(t, "event", l)
	}
	return lines[len(lines)-1]
}

func TestLogLinesMatchTheirSchema(t *testing.T) {
	dir := testDir(t)
	code, out, _ := run(t, dir, "", nil, "logs", "prod.yaml", "-o", "json")
	if code != exitDone {
		t.Fatalf("exit code %d", code)
	}
	for l := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		validate(t, "logs", l)
	}
}

func TestSecretComesBack(t *testing.T) {
	dir := testDir(t)
	run(t, dir, "", nil, "secrets", "keygen")
	_, encrypted, _ := run(t, dir, "hunter2\n", nil, "secrets", "encrypt")
	code, out, errs := run(t, dir, encrypted, nil, "secrets", "decrypt", "-o", "json")
	if code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	validate(t, "decrypt", out)
	if !strings.Contains(out, "hunter2") {
		t.Errorf("came back as %s", out)
	}
}

func TestFailedRunStillSaysItsResultAndExitCode(t *testing.T) {
	dir := testDir(t)
	code, out, _ := run(t, dir, "", failureNamed("gate"), "apply", "prod.yaml", "--yes", "-o", "json")
	if code != exitGate {
		t.Errorf("exit code %d, want %d", code, exitGate)
	}
	last := checkEvents(t, out)
	validate(t, "result", last)
	var doc lastLine
	if err := json.Unmarshal([]byte(last), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Result == nil || doc.Error == nil || doc.Error.ExitCode != exitGate || doc.Error.Failures[0].Next != "ghadeploy status prod.yaml" {
		t.Errorf("the last line is %s", last)
	}
}

// Who reads the lines of a change one by one finds one also where it never began.
func TestAChangeThatNeverBeganSaysSoInOneLine(t *testing.T) {
	dir := testDir(t)
	for _, c := range jsonCases() {
		if !c.lines {
			continue
		}
		args := append(strings.Fields(strings.ReplaceAll(c.args, "prod.yaml", "broken.yaml")), "-o", "json")
		code, out, errs := run(t, dir, "", nil, args...)
		var doc lastLine
		if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Error == nil || doc.Error.ExitCode != code || code != exitUsage {
			t.Errorf("%v: exit code %d, %v: %s%s", args, code, err, out, errs)
		}
		if n := strings.Count(out, "\n"); n != 1 || strings.Contains(errs, "hsots") {
			t.Errorf("%v: %d lines, and on stderr %q: %s", args, n, errs, out)
		}
		validate(t, "result", out)
		validate(t, "error", out)
	}
}

func TestErrorsAreTheOnlyDocument(t *testing.T) {
	dir := testDir(t)
	for _, c := range jsonCases() {
		if c.lines || strings.Contains("version docs keygen encrypt init validate error targets rules dashboard", c.schema) {
			continue
		}
		before, after, dashed := strings.Cut(c.args, " -- ")
		args := append(strings.Fields(before), "-o", "json")
		if dashed {
			args = append(append(args, "--"), strings.Fields(after)...)
		}
		code, out, _ := run(t, dir, "", failureNamed("unreachable"), args...)
		if code != exitUnreachable {
			t.Errorf("%s: exit code %d, want %d", c.args, code, exitUnreachable)
		}
		if !json.Valid([]byte(out)) {
			t.Errorf("%s: stdout is not one document: %s", c.args, out)
		}
	}
}

// TestEveryCommandIsTested finds a new command that has no document.
func TestEveryCommandIsTested(t *testing.T) {
	tested := []string{"ghadeploy", "completion", "schema", "man", "help", "secrets", "secrets decrypt", "logs"}
	for _, c := range jsonCases() {
		tested = append(tested, strings.Fields(c.args)[0], strings.Join(strings.Fields(c.args + " .")[:2], " "))
	}
	a := &app{streams: ui.Streams{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		name := strings.TrimPrefix(c.CommandPath(), "ghadeploy ")
		if !slices.Contains(tested, name) {
			t.Errorf("%s has no test of its -o json", name)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(a.root())
}

func TestManPagesOfAllCommands(t *testing.T) {
	dir := testDir(t)
	if code, _, errs := run(t, dir, "", nil, "man", "man1"); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if code, _, errs := run(t, dir, "", nil, "man", "reference", "--markdown"); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	for _, file := range []string{"man1/ghadeploy-apply.1", "reference/ghadeploy_apply.md", "reference/ghadeploy_secrets_encrypt.md"} {
		text, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(text), "SYNOPSIS") && !strings.Contains(string(text), "### Synopsis") && !strings.Contains(string(text), "## ghadeploy") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
