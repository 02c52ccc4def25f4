package internal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// Trees that are no part of the tool: what only tests, the demo and the bench run.
var notTheTool = []string{"bench", "examples", "internal/standin", "internal/labtest", "remote/remotetest", "tasks/fleet/fleettest"}

// A panic in a goroutine ends the process, whatever its caller recovers. So every one
// of the tool is started by package guard, which catches it.
func TestGoroutinesAreStartedGuarded(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(file, ".."+string(filepath.Separator)))
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		if filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || below(filepath.ToSlash(filepath.Dir(name)), "internal/guard") {
			return nil
		}
		for _, tree := range notTheTool {
			if strings.HasPrefix(name, tree+"/") {
				return nil
			}
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		seen++
		for _, at := range unguarded(parsed) {
			t.Errorf("%s: start it with guard.Go or a guard.Group", set.Position(at))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 100 {
		t.Fatalf("only %d files seen: the test looks in the wrong place", seen)
	}
}

// unguarded are the go statements of a file, and its uses of what starts goroutines
// without catching: sync.WaitGroup and errgroup.
func unguarded(f *ast.File) (found []token.Pos) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, n.Pos())
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && (x.Name == "sync" && n.Sel.Name == "WaitGroup" || x.Name == "errgroup") {
				found = append(found, n.Pos())
			}
		}
		return true
	})
	return found
}

func TestUnguardedGoroutinesAreFound(t *testing.T) {
	for body, want := range map[string]int{
		"go func() {}()":                        1,
		"go f()":                                1,
		"var g sync.WaitGroup; g.Go(func() {})": 1,
		"g, _ := errgroup.WithContext(nil)":     1,
		"guard.Go(func() { go f() })":           1,
		"guard.Go(func() {})":                   0,
		"var g guard.Group; g.Go(func() {})":    0,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc f() { "+body+" }", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(unguarded(f)); got != want {
			t.Errorf("%s: found %d, want %d", body, got, want)
		}
	}
}
