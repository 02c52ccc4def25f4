// Package internal holds the test that keeps imports running one way.
package internal

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ghadeploy/ghadeploy/"

// rules: the packages below from must not import those below any of to. The
// first one is the shape of the house, cmd -> tasks -> {inventory,
// internal/grafana, remote}; the last keeps what is only for tests out of the tool.
var rules = []struct {
	from string
	to   []string
}{
	{"inventory", []string{"cmd", "tasks", "remote", "internal/grafana", "internal/ui", "internal/standin", "internal/labtest"}},
	{"remote", []string{"cmd", "tasks", "inventory", "internal/grafana", "internal/ui", "internal/standin", "internal/labtest"}},
	{"internal/localfile", []string{"cmd", "tasks", "inventory", "remote", "internal/grafana", "internal/ui", "internal/standin", "internal/labtest"}},
	{"internal/guard", []string{"cmd", "tasks", "inventory", "remote", "internal/grafana", "internal/ui", "internal/standin", "internal/labtest", "internal/localfile"}},
	{"internal/dbcopy", []string{"cmd", "tasks", "inventory", "remote", "internal/grafana", "internal/ui", "internal/standin", "internal/labtest", "internal/localfile"}},
	{"internal/grafana", []string{"cmd", "tasks", "inventory", "remote", "internal/ui", "internal/standin"}},
	{"tasks", []string{"cmd", "internal/ui"}},
	{"internal/ui", []string{"cmd"}},
	{"cmd", []string{"internal/standin", "internal/labtest"}},
	{"tasks", []string{"internal/standin", "internal/labtest"}},
	{"internal/ui", []string{"internal/standin", "internal/labtest"}},
}

func TestImportsRunOneWay(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		seen++
		pkg := path.Dir(filepath.ToSlash(strings.TrimPrefix(file, ".."+string(filepath.Separator))))
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if target, ours := strings.CutPrefix(name, module); ours && forbidden(pkg, target) {
				t.Errorf("%s: %s must not import %s", file, pkg, target)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Fatalf("only %d files seen: the test looks in the wrong place", seen)
	}
}

func TestTheRulesForbidWhatTheyShould(t *testing.T) {
	for _, c := range []struct {
		from, to string
		want     bool
	}{
		{"remote", "inventory", true},
		{"inventory", "inventory/schema", false},
		{"cmd/ghadeploy", "tasks", false},
		{"tasks/check", "cmd/ghadeploy", true},
		{"tasks", "internal/grafana", false},
		{"cmd/ghadeploy", "internal/labtest", true},
		{"internal/grafana/ini", "internal/grafana", false},
		{"bench", "internal/labtest", false},
	} {
		if got := forbidden(c.from, c.to); got != c.want {
			t.Errorf("%s importing %s: forbidden is %v", c.from, c.to, got)
		}
	}
}

func forbidden(from, to string) bool {
	for _, r := range rules {
		if !below(from, r.from) {
			continue
		}
		for _, f := range r.to {
			if below(to, f) {
				return true
			}
		}
	}
	return false
}

func below(pkg, tree string) bool { return pkg == tree || strings.HasPrefix(pkg, tree+"/") }
