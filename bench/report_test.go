package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// row is one line of the table: ours beside theirs.
type row struct {
	what, peer   string
	ours, theirs series
	goal         string
}

type results struct {
	mu     sync.Mutex
	rows   []row
	notes  []string
	memory int64 // bytes, the highest of all runs of ghadeploy
}

var report results

func (r *results) add(w row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, w)
}

func (r *results) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *results) write(path string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Measurements\n\n`make bench` wrote this file on %s: %s, %d cores, %s, Linux %s.\n",
		time.Now().UTC().Format("2006-01-02"), cpuModel(), runtime.NumCPU(), memTotal(), output("uname", "-r"))
	fmt.Fprintf(&b, "All hosts of the lab share that machine. Both sides run in turn, in one session; times are medians (lowest to highest).\n\n")
	b.WriteString("| what | ghadeploy | beside it | | ratio | goal |\n|---|---|---|---|---|---|\n")
	for _, w := range r.rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.2f | %s |\n", w.what, span(w.ours), w.peer, span(w.theirs),
			w.ours.median().Seconds()/w.theirs.median().Seconds(), w.goal)
	}
	fmt.Fprintf(&b, "\nPeak memory of ghadeploy over all these runs: %.0f MB (goal: < 60 MB).\n", float64(r.memory)/1e6)
	for _, n := range r.notes {
		fmt.Fprintf(&b, "\n%s\n", n)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

// span is "1.23 s (1.20 to 1.31, 5 runs)".
func span(s series) string {
	return fmt.Sprintf("%.2f s (%.2f to %.2f, %d runs)", s.median().Seconds(), slices.Min(s).Seconds(), slices.Max(s).Seconds(), len(s))
}

func cpuModel() string {
	return procValue("/proc/cpuinfo", "model name", "an unnamed processor")
}

func memTotal() string {
	return procValue("/proc/meminfo", "MemTotal", "?") + " of memory"
}

func procValue(file, key, otherwise string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return otherwise
}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(out))
}
