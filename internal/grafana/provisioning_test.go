package grafana

import (
	"strings"
	"testing"
	"testing/fstest"
)

func lint(t *testing.T, files map[string]string) []string {
	t.Helper()
	tree := fstest.MapFS{}
	for name, text := range files {
		tree[name] = &fstest.MapFile{Data: []byte(text)}
	}
	found, err := LintProvisioning(tree, "/etc/grafana/provisioning", "/opt/grafana/current/etc/provisioning/")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range found {
		lines = append(lines, string(f.Severity)+" "+f.String())
	}
	return lines
}

const (
	goodSources = `apiVersion: 1
datasources:
  - name: Prometheus
    type: prometheus
    uid: prom
    isDefault: true
    secureJsonData: {token: $TOKEN, a: "$__file{/x}", b: "p$$w"}
`
	goodProvider = `apiVersion: 1
providers:
  - name: ops
    options: {path: /etc/grafana/provisioning/dashboards/ops}
`
)

func TestLintOfAGoodTree(t *testing.T) {
	if found := lint(t, map[string]string{
		"datasources/prom.yaml":      goodSources,
		"dashboards/ops.yaml":        goodProvider,
		"dashboards/ops/cpu.json":    `{"uid":"cpu","title":"CPU"}`,
		"dashboards/ops/v2.json":     `{"apiVersion":"dashboard.grafana.app/v1beta1","metadata":{"name":"mem"},"spec":{"title":"Memory"}}`,
		"dashboards/ops/a/disk.json": `{"uid":"disk","title":"Disk"}`,
		"dashboards/ops/README.md":   "notes",
		"alerting/rules.yaml":        "apiVersion: 1\ngroups:\n  - {name: g, folder: f, interval: 1m, rules: [{uid: r1, title: up, condition: A}]}\n",
		"plugins/app.yaml":           "apiVersion: 1\napps: [{type: x-app}]\n",
	}); len(found) > 0 {
		t.Errorf("found %s", strings.Join(found, "\n"))
	}
}

func TestLintFinds(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"yaml error": {map[string]string{"datasources/a.yaml": "apiVersion: 1\ndatasources:\n  - name: [x\n"}, "error datasources/a.yaml:"},
		"tab":        {map[string]string{"datasources/a.yaml": "apiVersion: 1\ndatasources:\n\t- name: x\n"}, "error datasources/a.yaml:3: a tab"},
		"no apiVersion": {map[string]string{"datasources/a.yaml": strings.Replace(goodSources, "apiVersion: 1\n", "", 1)},
			"warning datasources/a.yaml:1: no apiVersion"},
		"same data source uid": {map[string]string{"datasources/a.yaml": goodSources, "datasources/b.yml": "apiVersion: 1\ndatasources:\n  - {name: Other, type: loki, uid: prom}\n"},
			`error datasources/b.yml:3: duplicate data source uid "prom"; the first is at datasources/a.yaml:3`},
		"same data source name": {map[string]string{"datasources/a.yaml": goodSources, "datasources/b.yml": "apiVersion: 1\ndatasources:\n  - {name: Prometheus, type: loki, uid: x}\n"},
			`error datasources/b.yml:3: duplicate data source "Prometheus"`},
		"two defaults": {map[string]string{"datasources/a.yaml": goodSources, "datasources/b.yml": "apiVersion: 1\ndatasources:\n  - {name: L, type: loki, uid: x, isDefault: true}\n"},
			"error datasources/b.yml:3: duplicate default data source"},
		"no type":       {map[string]string{"datasources/a.yaml": "apiVersion: 1\ndatasources:\n  - {name: L, uid: x}\n"}, "error datasources/a.yaml:3: type is missing"},
		"dollar":        {map[string]string{"datasources/a.yaml": "apiVersion: 1\ndatasources:\n  - {name: L, type: loki, uid: x, secureJsonData: {p: pa$word}}\n"}, "secureJsonData.p holds a $"},
		"same provider": {map[string]string{"dashboards/a.yaml": goodProvider, "dashboards/b.yaml": goodProvider}, `duplicate dashboard provider "ops"`},
		"path outside": {map[string]string{"dashboards/a.yaml": "apiVersion: 1\nproviders:\n  - {name: x, options: {path: /srv/dash}}\n"},
			"warning dashboards/a.yaml:3: the path /srv/dash"},
		"path missing": {map[string]string{"dashboards/a.yaml": goodProvider}, "error dashboards/a.yaml:3: the path /etc/grafana/provisioning/dashboards/ops"},
		"same uid": {map[string]string{"dashboards/a.yaml": goodProvider, "dashboards/ops/1.json": `{"uid":"u","title":"A"}`, "dashboards/ops/2.json": `{"uid":"u","title":"B"}`},
			`error dashboards/ops/2.json:1: duplicate dashboard uid "u"; the first is at dashboards/ops/1.json:1`},
		"same title": {map[string]string{"dashboards/a.yaml": goodProvider, "dashboards/ops/1.json": `{"uid":"u","title":"A"}`, "dashboards/ops/2.json": `{"uid":"v","title":"A"}`},
			`error dashboards/ops/2.json:1: duplicate dashboard title in one folder "A"`},
		"no title":       {map[string]string{"dashboards/a.yaml": goodProvider, "dashboards/ops/1.json": `{"dashboard":{"uid":"u","title":"A"}}`}, "error dashboards/ops/1.json: the dashboard has no title"},
		"bad json":       {map[string]string{"dashboards/a.yaml": goodProvider, "dashboards/ops/1.json": "{\n\"uid\": \"u\",\n}"}, "error dashboards/ops/1.json:3: not a dashboard"},
		"wrong folder":   {map[string]string{"datasource/a.yaml": goodSources}, "warning datasource/a.yaml: Grafana reads provisioning only from"},
		"too deep":       {map[string]string{"datasources/x/a.yaml": goodSources}, "warning datasources/x/a.yaml: Grafana does not read"},
		"same rule uid":  {map[string]string{"alerting/a.yaml": "apiVersion: 1\ngroups:\n- {name: g, folder: f, interval: 1m, rules: [{uid: r, title: a, condition: A}, {uid: r, title: b, condition: A}]}\n"}, `duplicate rule uid "r"`},
		"same receiver":  {map[string]string{"alerting/a.yaml": "apiVersion: 1\ncontactPoints:\n- {name: g, receivers: [{uid: r, type: email}, {uid: r, type: slack}]}\n"}, `duplicate receiver uid "r"`},
		"two policies":   {map[string]string{"alerting/a.yaml": "apiVersion: 1\npolicies: [{receiver: x}, {receiver: y}]\n"}, "duplicate notification policy tree"},
		"same notifier":  {map[string]string{"notifiers/a.yaml": "apiVersion: 1\nnotifiers: [{name: a, type: email, uid: x}, {name: b, type: email, uid: x}]\n"}, `duplicate notifier uid "x"`},
		"merged mapping": {map[string]string{"datasources/a.yaml": "apiVersion: 1\nx: &x {type: loki, uid: same}\ndatasources:\n  - {<<: *x, name: A}\n  - {<<: *x, name: B}\n"}, `duplicate data source uid "same"`},
	} {
		t.Run(name, func(t *testing.T) {
			found := lint(t, c.files)
			for _, f := range found {
				if strings.Contains(f, c.want) {
					return
				}
			}
			t.Errorf("want %q, found:\n%s", c.want, strings.Join(found, "\n"))
		})
	}
}

func TestLintSurvivesAYAMLBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("apiVersion: 1\na: &a [x]\n")
	for c := 'b'; c <= 'z'; c++ {
		prev := string(c - 1)
		b.WriteString(string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+prev+",", 9) + "*" + prev + "]\n")
	}
	b.WriteString("datasources: *z\n")
	if found := lint(t, map[string]string{"datasources/bomb.yaml": b.String()}); len(found) == 0 {
		t.Error("want findings")
	}
	lint(t, map[string]string{"datasources/self.yaml": "apiVersion: 1\ndatasources: &a\n  - {<<: *a, name: x}\n"})
}
