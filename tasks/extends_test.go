package tasks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// A plan that was saved holds for the defaults that it was made with: it has another hash
// after a change of a file that the inventory extends, and says what moved.
func TestASavedPlanIsOutOfDateWhenDefaultsChange(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	own := file("i.yaml", "extends: d.yaml\ncluster: prod\nhosts: {h1: {address: 10.0.0.11}, h2: {address: 10.0.0.12}}\n")
	const defaults = `grafana: {version: 10.3.1, artifact: {source: g.tar.gz}, secret_key: "${env:K}", config: {users: {default_theme: dark}}}
database: {type: postgres, host: 10.0.0.9, password: "${env:K}"}
`
	plan := func(text string) (*Plan, string) {
		t.Helper()
		file("d.yaml", text)
		c, err := inventory.Load(t.Context(), own, inventory.Options{Resolve: true, SkipFiles: true, LookupEnv: func(string) (string, bool) { return "a-key-of-its-own", true }})
		if err != nil {
			t.Fatal(err)
		}
		p, err := makePlan(planInput{cluster: c, command: "apply", selected: allSelected(c), desired: desiredOf(t, c, "10.3.1"), facts: map[string]*Facts{"h1": bare(), "h2": bare()}})
		if err != nil {
			t.Fatal(err)
		}
		return p, fileHash(c.Files()...)
	}
	was, hash := plan(defaults)
	if again, same := plan(defaults); again.Hash != was.Hash || same != hash {
		t.Error("nothing has changed")
	}
	for what, changed := range map[string]string{
		"a setting":  strings.Replace(defaults, "dark", "light", 1),
		"a database": strings.Replace(defaults, "10.0.0.9", "10.0.0.8", 1),
	} {
		now, h := plan(changed)
		if now.Hash == was.Hash {
			t.Errorf("%s: the saved plan still holds", what)
		}
		if h == hash {
			t.Errorf("%s: the journal names the same inventory", what)
		}
		if err := movedSince(was, now).Error(); !strings.Contains(err, "is out of date") {
			t.Errorf("%s: %s", what, err)
		}
	}
}
