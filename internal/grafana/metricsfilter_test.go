package grafana

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// flood is a line again and again, up to so many bytes.
type flood struct {
	line string
	left int
	at   int
}

func (f *flood) Read(p []byte) (int, error) {
	if f.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && n < f.left {
		c := copy(p[n:], f.line[f.at:])
		n, f.at = n+c, (f.at+c)%len(f.line)
	}
	f.left -= n
	return n, nil
}

func TestMetricsThatNobodyReadsAreNotParsed(t *testing.T) {
	const build = `grafana_build_info{edition="oss",version="10.3.1"} 1` + "\n"
	for name, line := range map[string]string{
		"another metric": `a{b="c"} 1` + "\n", "buckets": `grafana_alerting_rule_evaluation_duration_seconds_bucket{le="1"} 1` + "\n",
		"one line without an end": `grafana_build_info{x="`, "a type again and again": "# TYPE grafana_live_x histogram\n",
	} {
		m, err := ParseMetrics(io.MultiReader(strings.NewReader(build), &flood{line: line, left: 16 << 20}))
		if err != nil || m.Version.String() != "10.3.1" {
			t.Errorf("%s: %v, %v", name, m.Version, err)
		}
	}
	_, err := ParseMetrics(&flood{line: `grafana_build_info{version="10.3.1"} 1` + "\n", left: 64 << 20})
	if !errors.Is(err, ErrNotGrafana) {
		t.Errorf("an endless build info: %v", err)
	}
}
