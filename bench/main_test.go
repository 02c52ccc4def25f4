package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// resultsEnv names the file that the figures are written into.
const resultsEnv = "GHADEPLOY_BENCH"

func TestMain(m *testing.M) {
	code := m.Run()
	if path := os.Getenv(resultsEnv); path != "" && len(report.rows) > 0 {
		if err := report.write(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// bench is what a measurement needs.
type bench struct {
	*labtest.Lab
	binary string
	runs   int
}

func need(t *testing.T) *bench {
	t.Helper()
	if os.Getenv(resultsEnv) == "" {
		t.Skip("a measurement: run `make bench`")
	}
	b := &bench{
		Lab:    labtest.Need(t, "h1", "h12", "svc"),
		binary: filepath.Join(labtest.Root(), "bin", "ghadeploy"),
		runs:   5,
	}
	if n, err := strconv.Atoi(os.Getenv("BENCH_RUNS")); err == nil {
		b.runs = max(n, 5)
	}
	if _, err := os.Stat(b.binary); err != nil {
		t.Fatalf("%v: run `make build`", err)
	}
	return b
}

// hosts is h<from> to h<to>.
func hosts(from, to int) []string {
	var names []string
	for i := from; i <= to; i++ {
		names = append(names, fmt.Sprintf("h%d", i))
	}
	return names
}
