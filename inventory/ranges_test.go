package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestExpandRange(t *testing.T) {
	for name, want := range map[string]string{
		"plain":                "plain",
		"g[1:3]":               "g1 g2 g3",
		"g[01:03].example.com": "g01.example.com g02.example.com g03.example.com",
		"g[08:11]":             "g08 g09 g10 g11",
		"g[1:10:4]":            "g1 g5 g9",
		"[a:c]":                "a b c",
		"x[A:E:2]y":            "xAy xCy xEy",
		"r[a:b]n[1:2]":         "ran1 ran2 rbn1 rbn2",
		"10.0.0.[9:11]":        "10.0.0.9 10.0.0.10 10.0.0.11",
		"g[:2]":                "g0 g1 g2",
		"[fd00::1]":            "[fd00::1]",
	} {
		got, err := ExpandRange(name)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s = %v, %v", name, got, err)
		}
	}
	for _, name := range []string{"g[1:", "g[]", "g[1]", "g[3:1]", "g[a:3]", "g[a:Z]", "g[1:2:0]", "g[1:2:x]", "g[1:]", "g[1:99999]", "g[01:100]", "[1:1000][1:1000]", "g[-1:2]", "g[1:99999999999999999999]"} {
		if got, err := ExpandRange(name); err == nil {
			t.Errorf("%s = %v", name, got)
		}
	}
}

// What is written out by hand is what a range gives.
func TestRangeIsWhatCountingGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, count, step := rapid.IntRange(0, 500).Draw(t, "first"), rapid.IntRange(0, 50).Draw(t, "count"), rapid.IntRange(1, 9).Draw(t, "step")
		width := rapid.IntRange(4, 6).Draw(t, "width")
		var want []string
		for i := first; i <= first+count; i += step {
			want = append(want, fmt.Sprintf("h%0*d.x", width, i))
		}
		got, err := ExpandRange(fmt.Sprintf("h[%0*d:%0*d:%d].x", width, first, width, first+count, step))
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("got %v, %v, want %v", got, err, want)
		}
	})
}

func FuzzExpandRange(f *testing.F) {
	for _, s := range []string{"g[1:3]", "[", "]", "[::]", "[a:z:3][0:9]", "[fd00::1]", "[:]", "é[1:2]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		got, err := ExpandRange(name)
		if err == nil && (len(got) == 0 || len(got) > MaxRange) {
			t.Errorf("%q stands for %d hosts", name, len(got))
		}
		if err == nil && !hasRange(name) && !slices.Equal(got, []string{name}) {
			t.Errorf("%q became %q", name, got)
		}
	})
}

func ExampleExpandRange() {
	names, _ := ExpandRange("g[08:10].example.com")
	fmt.Println(strings.Join(names, "\n"))
	// Output:
	// g08.example.com
	// g09.example.com
	// g10.example.com
}

// A few kilobytes that stand for gigabytes, or for hours of suggestions, are refused at once.
func TestRangesDoNotMultiplyWhatAFileHolds(t *testing.T) {
	for name, text := range map[string]string{
		"zeros":   "hosts: {\"a[" + strings.Repeat("0", 100_000) + "1:" + strings.Repeat("0", 99_997) + "9999]\": {}}\n",
		"letters": "hosts: {\"" + strings.Repeat("a", 100_000) + "[1:9999]\": {}}\n",
		"groups":  "hosts: {\"b[1:10000]\": {}}\ngroups:\n  x: {hosts: [" + strings.Repeat("\"a[1:10000]\", ", 2000) + "b1]}\n",
		"twice":   "hosts: {\"b[1:10000]\": {}}\ngroups:\n  x: {hosts: [" + strings.Repeat("\"b[1:10000]\", ", 2000) + "b1]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "p.yaml")
			if err := os.WriteFile(file, []byte("cluster: p\n"+text+"grafana: {version: 12.3.1, artifact: {source: x}, secret_key: \"${env:K}\"}\ndatabase: {type: postgres, host: db}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := Load(t.Context(), file, Options{SkipFiles: true})
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Error("it loads")
			}
			// Not the time of day alone: this machine may have other work.
			if made := (after.TotalAlloc - before.TotalAlloc) >> 20; made > 500 {
				t.Errorf("%d MB were made in %s: %.300v", made, time.Since(start), err)
			}
		})
	}
}
