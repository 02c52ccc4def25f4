package grafana

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// mostMetricLine bounds a line of the metrics, in bytes; longer ones are left out.
	mostMetricLine = 16 << 10
	// mostMetrics bounds what is parsed, which costs some twenty times its size.
	mostMetrics = 1 << 20
)

// ofInterest tells whether a metric is one that this package reads: the library makes
// an object of every line, and a server has thousands that nobody here looks at.
func ofInterest(name string) bool {
	for _, prefix := range []string{
		"alertmanager_", "grafana_alertmanager_", "grafana_alerting_", "grafana_live_node_num_",
		"grafana_database_", "go_sql_", "grafana_go_sql_", "grafana_build_info", "grafana_plugin_build_info",
	} {
		if strings.HasPrefix(name, prefix) {
			return !strings.HasSuffix(name, "_bucket") && !strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count")
		}
	}
	return false
}

// relevant are the lines of the text format that are worth parsing.
func relevant(r io.Reader) (*bytes.Buffer, error) {
	var out bytes.Buffer
	in := bufio.NewReaderSize(r, mostMetricLine)
	for {
		line, err := in.ReadSlice('\n')
		whole := !errors.Is(err, bufio.ErrBufferFull)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if whole && ofInterest(metricName(line)) {
			out.Write(line)
		}
		switch {
		case out.Len() > mostMetrics:
			return nil, fmt.Errorf("more than %d MiB of metrics: %w", mostMetrics>>20, ErrNotGrafana)
		case err == io.EOF:
			return &out, nil
		case err != nil:
			return nil, err
		}
	}
}

// metricName is the metric that a line is about. Types are left out where they are of
// no number that is read: "# TYPE name counter".
func metricName(line []byte) string {
	text := string(line)
	if rest, ok := strings.CutPrefix(text, "# TYPE "); ok {
		words := strings.Fields(rest)
		if len(words) != 2 || words[1] == "histogram" || words[1] == "summary" {
			return ""
		}
		return words[0]
	}
	if at := strings.IndexAny(text, "{ \t\n"); at >= 0 {
		text = text[:at]
	}
	return text
}
