package notify

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Metrics are what Prometheus learns of a run through a textfile
// (https://github.com/prometheus/node_exporter#textfile-collector).
type Metrics struct {
	Cluster, Command string
	End              time.Time
	Duration         time.Duration
	Success          bool
	Hosts            []Running
}

// Running is what a host runs after the run.
type Running struct{ Host, Version, Generation string }

// WriteTo writes the metrics in the text format of Prometheus.
func (m Metrics) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	labels := fmt.Sprintf(`{cluster="%s",command="%s"}`, label(m.Cluster), label(m.Command))
	gauge(&b, "ghadeploy_run_timestamp_seconds", "When the last run ended, in seconds since the epoch.")
	fmt.Fprintf(&b, "ghadeploy_run_timestamp_seconds%s %d\n", labels, m.End.Unix())
	gauge(&b, "ghadeploy_run_duration_seconds", "How long the last run took.")
	fmt.Fprintf(&b, "ghadeploy_run_duration_seconds%s %.3f\n", labels, m.Duration.Seconds())
	success := 0
	if m.Success {
		success = 1
	}
	gauge(&b, "ghadeploy_run_success", "1 when the last run did all it planned, else 0.")
	fmt.Fprintf(&b, "ghadeploy_run_success%s %d\n", labels, success)
	if len(m.Hosts) > 0 {
		gauge(&b, "ghadeploy_host_info", "What a host runs since the last run; always 1.")
	}
	for _, h := range m.Hosts {
		fmt.Fprintf(&b, "ghadeploy_host_info{cluster=\"%s\",host=\"%s\",version=\"%s\",generation=\"%s\"} 1\n",
			label(m.Cluster), label(h.Host), label(h.Version), label(h.Generation))
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

func gauge(b *strings.Builder, name, help string) {
	fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
}

// label escapes a label's value
// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-format-details).
func label(s string) string {
	return strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(s)
}
