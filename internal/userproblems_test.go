package internal

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every problem that docs/user-problems.md speaks of has a test, and the tests
// that it names exist: a function, and for a subtest the name in quotes.
func TestEveryUserProblemHasATest(t *testing.T) {
	page, err := os.ReadFile("../docs/user-problems.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| (\d\d) \|.*\| ([^|]+) \|$`)
	name := regexp.MustCompile("`([a-z/]+): (Test\\w+)(?:/([^`]+))?`")
	next := 1
	for _, r := range row.FindAllStringSubmatch(string(page), -1) {
		if r[1] != fmt.Sprintf("%02d", next) {
			t.Errorf("row %s where %02d is due", r[1], next)
		}
		next++
		tests := name.FindAllStringSubmatch(r[2], -1)
		if len(tests) == 0 {
			t.Errorf("problem %s has no test", r[1])
		}
		for _, n := range tests {
			if !declared(t, n[1], n[2], n[3]) {
				t.Errorf("problem %s: %s has no %s %s", r[1], n[1], n[2], n[3])
			}
		}
	}
	if next != 26 {
		t.Errorf("%d problems, want 25", next-1)
	}
}

func declared(t *testing.T, folder, test, subtest string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "func "+test+"(t *testing.T)") && (subtest == "" || strings.Contains(string(b), `"`+subtest+`"`)) {
			return true
		}
	}
	return false
}
