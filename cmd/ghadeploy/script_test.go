package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// TestMain makes two programs of this test: ghadeploy itself, and "door", the
// same front door before a cluster without hosts. What that answers is told by
// the variables FAIL, UNHEALTHY and WAITS.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ghadeploy": main, "door": door})
}

func door() {
	a := processApp(func(c *inventory.Cluster, o tasks.Options) runner {
		f := &fakeRunner{cluster: c, options: o, fail: failureNamed(os.Getenv("FAIL")), unhealthy: os.Getenv("UNHEALTHY") != "", waits: os.Getenv("WAITS") != ""}
		if os.Getenv("BLOCKS") != "" {
			return blockedRunner{f}
		}
		return f
	})
	os.Exit(a.main(context.Background(), os.Args[1:]))
}

const scriptInventory = `cluster: prod
ssh: {user: ops}
hosts:
  h1: {address: 10.0.0.11}
  h2: {address: 10.0.0.12}
  h3: {address: 10.0.0.13}
groups:
  rack-b: {hosts: [h2, h3]}
grafana:
  version: "10.3.1" # keep this comment
  artifact: {source: "https://example.com/grafana-{version}.linux-{arch}.tar.gz"}
  root_url: https://grafana.example.com/
  secret_key: "${env:SECRET_KEY}"
database: {type: postgres, host: db.example.com, name: grafana, user: grafana, password: "${env:SECRET_KEY}"}
`

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("SECRET_KEY", "canary-4f7d1c0a9b")
			e.Setenv("TERM", "dumb")
			e.Setenv("HOME", e.WorkDir)
			return os.WriteFile(e.WorkDir+"/prod.yaml", []byte(scriptInventory), 0o644)
		},
	})
}
