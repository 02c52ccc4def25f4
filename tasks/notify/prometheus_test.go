package notify

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ghadeploy/ghadeploy/inventory"
)

func TestMetricsAreWhatPrometheusReads(t *testing.T) {
	m := Metrics{Cluster: `pr"od\`, Command: "apply", End: begun, Duration: 1500 * time.Millisecond, Success: true,
		Hosts: []Running{{"g1", "12.3.1", "3f2a91c0b7d2"}, {"g2", "12.2.0", "9c01"}}}
	var b strings.Builder
	if _, err := m.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(b.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	for name, want := range map[string]float64{
		"ghadeploy_run_timestamp_seconds": float64(begun.Unix()), "ghadeploy_run_duration_seconds": 1.5, "ghadeploy_run_success": 1, "ghadeploy_host_info": 1,
	} {
		f := families[name]
		if f == nil || f.GetMetric()[0].GetGauge().GetValue() != want {
			t.Errorf("%s is %v, want %v", name, f, want)
			continue
		}
		if l := f.GetMetric()[0].GetLabel()[0]; l.GetName() != "cluster" || l.GetValue() != m.Cluster {
			t.Errorf("%s: first label %v", name, l)
		}
	}
	if n := len(families["ghadeploy_host_info"].GetMetric()); n != 2 {
		t.Errorf("%d hosts", n)
	}
}

func TestFailedRunIsZeroAndHasNoHostsThatNobodyRead(t *testing.T) {
	var b strings.Builder
	if _, err := (Metrics{Cluster: "prod", Command: "apply", End: begun}).WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `ghadeploy_run_success{cluster="prod",command="apply"} 0`) || strings.Contains(b.String(), "host_info") {
		t.Error(b.String())
	}
}

func TestTargetsCarryWhatPrometheusNeedsToReachEachHost(t *testing.T) {
	set := func(pairs ...string) inventory.Config {
		s := inventory.Section{Name: "server"}
		for i := 0; i < len(pairs); i += 2 {
			s.Keys = append(s.Keys, inventory.Key{Name: pairs[i], Value: inventory.PlainValue(pairs[i+1])})
		}
		return inventory.Config{s}
	}
	c := &inventory.Cluster{Name: "prod", Grafana: inventory.Grafana{RootURL: "https://example.com/grafana/"}}
	c.Hosts = []*inventory.Host{
		{Name: "g1", Address: "10.0.0.11", Labels: map[string]string{"rack": "b", "data-center": "ber1", "host": "ours wins", "9lives": "yes", "__x": "y"}},
		{Name: "g2", Address: "fd00::2", Config: set("http_port", "3443", "protocol", "https", "serve_from_sub_path", "true")},
	}
	want := []Target{
		{[]string{"10.0.0.11:3000"}, map[string]string{"cluster": "prod", "host": "g1", "rack": "b", "data_center": "ber1", "label_9lives": "yes", "x": "y"}},
		{[]string{"[fd00::2]:3443"}, map[string]string{"cluster": "prod", "host": "g2", "__scheme__": "https", "__metrics_path__": "/grafana/metrics"}},
	}
	if diff := cmp.Diff(want, Targets(c, c.Hosts)); diff != "" {
		t.Error(diff)
	}
}
