package monitoring

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"

	"github.com/ghadeploy/ghadeploy/inventory"
)

func prod(ha, live string) *inventory.Cluster {
	c := &inventory.Cluster{Name: "prod", Alerting: inventory.Alerting{HA: ha}}
	c.Live.Redis.Address = live
	for _, name := range []string{"g1", "g2", "g3"} {
		c.Hosts = append(c.Hosts, &inventory.Host{Name: name})
	}
	return c
}

// series are constant ones of a promtool test.
type series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

// recorded are the gauges that a real server of the version sent, as host sends them to
// Prometheus; only changes one of them by its name without prefix.
func recorded(t *testing.T, version, host string, only map[string]float64) []series {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "internal", "grafana", "testdata", "metrics", version+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []series
	for name, family := range families {
		for _, m := range family.GetMetric() {
			value := m.GetGauge().GetValue() + m.GetUntyped().GetValue()
			if v, ok := only[strings.TrimPrefix(name, "grafana_")]; ok {
				value = v
			}
			labels := fmt.Sprintf(`job="grafana",cluster="prod",host=%q`, host)
			for _, l := range m.GetLabel() {
				labels += fmt.Sprintf(",%s=%q", l.GetName(), l.GetValue())
			}
			all = append(all, series{name + "{" + labels + "}", fmt.Sprintf("%gx300", value)})
		}
	}
	return all
}

func up(host string, value int) series {
	return series{fmt.Sprintf(`up{job="grafana",cluster="prod",host=%q}`, host), fmt.Sprintf("%dx300", value)}
}

// promtool runs the rules against series, and wants the alerts named to fire after two
// hours, for that many hosts each, and no other.
func promtool(t *testing.T, c *inventory.Cluster, input []series, firing map[string]int) {
	t.Helper()
	if testing.Short() {
		t.Skip("promtool takes a second a cluster")
	}
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (package prometheus)")
	}
	dir := t.TempDir()
	rules := Rules(c, DefaultJob)
	var text strings.Builder
	if _, err := rules.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "check", "rules", filepath.Join(dir, "rules.yaml")).CombinedOutput(); err != nil {
		t.Fatalf("promtool check rules: %v\n%s", err, out)
	}
	// Which alerts fire is asked by their count, whatever their labels.
	type exprTest struct {
		Expr       string           `yaml:"expr"`
		EvalTime   string           `yaml:"eval_time"`
		ExpSamples []map[string]any `yaml:"exp_samples"`
	}
	var asked []exprTest
	for _, r := range rules.Groups[0].Rules {
		test := exprTest{Expr: fmt.Sprintf("count(ALERTS{alertname=%q,alertstate=\"firing\"})", r.Alert), EvalTime: "2h"}
		if n := firing[r.Alert]; n > 0 {
			test.ExpSamples = []map[string]any{{"labels": "{}", "value": n}}
		}
		asked = append(asked, test)
	}
	document, err := yaml.Marshal(map[string]any{
		"rule_files": []string{"rules.yaml"}, "evaluation_interval": "1m",
		"tests": []map[string]any{{"interval": "1m", "input_series": input, "promql_expr_test": asked}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "test.yaml")
	if err := os.WriteFile(file, document, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(tool, "test", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool test rules: %v\n%s", err, out)
	}
}

func TestRulesAreSilentAboutAHealthyClusterOfEveryVersion(t *testing.T) {
	for _, version := range []string{"8.5.15", "9.4.0", "10.3.1", "11.6.2", "12.4.0"} {
		t.Run(version, func(t *testing.T) {
			var input []series
			for i, host := range []string{"g1", "g2", "g3"} {
				input = append(append(input, up(host, 1)), recorded(t, version, host, map[string]float64{"alertmanager_peer_position": float64(i)})...)
			}
			promtool(t, prod("gossip", "redis:6379"), input, nil)
		})
	}
}

func TestRulesTellOfALostHostAndOfASplitOnEveryVersion(t *testing.T) {
	for _, version := range []string{"8.5.15", "10.3.1", "12.4.0"} {
		t.Run(version, func(t *testing.T) {
			input := []series{up("g3", 0)}
			for _, host := range []string{"g1", "g2"} { // each the first of its own half
				input = append(append(input, up(host, 1)), recorded(t, version, host, map[string]float64{
					"alertmanager_cluster_members": 1, "alertmanager_peer_position": 0, "live_node_num_nodes": 2,
				})...)
			}
			promtool(t, prod("gossip", "redis:6379"), input, map[string]int{
				"GrafanaHostDown": 1, "GrafanaAlertingMembers": 2, "GrafanaAlertingPositions": 1, "GrafanaLiveNodes": 2,
			})
		})
	}
}

func TestRulesTellOfVersionsThatDifferAndOfAClusterThatIsGone(t *testing.T) {
	input := []series{up("g1", 1), up("g2", 1), up("g3", 1)}
	for i, version := range []string{"10.3.1", "10.3.1", "12.4.0"} { // in the middle of an upgrade, under both names
		input = append(input, recorded(t, version, fmt.Sprintf("g%d", i+1), map[string]float64{"alertmanager_peer_position": float64(i)})...)
	}
	promtool(t, prod("redis", ""), input, map[string]int{"GrafanaVersionsDiffer": 1})
	promtool(t, prod("none", ""), []series{up("g1", 0), up("g2", 0)}, map[string]int{
		"GrafanaClusterDown": 1, "GrafanaHostDown": 2, "GrafanaHostsNotWatched": 1,
	})
}

func TestRulesTellOfWhatGhadeployReported(t *testing.T) {
	of := func(name, labels, value string) series {
		return series{name + `{cluster="prod"` + labels + "}", value}
	}
	promtool(t, prod("none", ""), []series{
		up("g1", 1), up("g2", 1), up("g3", 1),
		of("ghadeploy_run_success", `,command="upgrade"`, "0x300"),
		of("ghadeploy_plan_success", "", "1x300"), of("ghadeploy_plan_pending_hosts", "", "2x300"),
		of("ghadeploy_plan_timestamp_seconds", "", "-200000x300"),
		of("ghadeploy_certificate_expiry_timestamp_seconds", `,certificate="grafana.tls"`, "600000x300"),
		of("ghadeploy_certificate_expiry_timestamp_seconds", `,certificate="database.ca_cert"`, "60000000x300"),
	}, map[string]int{"GhadeployRunFailed": 1, "GhadeployDrift": 1, "GhadeployPlanOld": 1, "GhadeployCertificateExpires": 1})
}
