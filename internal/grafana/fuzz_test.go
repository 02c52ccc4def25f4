package grafana

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"
)

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"12.3.1", "v9.4.0-beta1", "10.3.1+security-01", "1.2", "99999999999.1.1", "-1.0.0", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if err != nil {
			return
		}
		again, err := ParseVersion(v.String())
		if err != nil || again.String() != v.String() {
			t.Errorf("%q reads as %s, which reads as %s, %v", s, v, again, err)
		}
	})
}

func FuzzLintProvisioning(f *testing.F) {
	for _, s := range []string{"apiVersion: 1\ndatasources: [{name: a, type: b}]", "a: &a [*a]", "providers: [{options: {path: /x}}]", "{", "datasources: {a: 1}", "- x"} {
		f.Add("datasources/a.yaml", s)
		f.Add("dashboards/a.json", s)
	}
	f.Fuzz(func(_ *testing.T, name, text string) {
		if !strings.HasPrefix(name, "/") && len(text) < 1<<16 {
			_, _ = LintProvisioning(fstest.MapFS{name: {Data: []byte(text)}}, "/etc/grafana/provisioning")
		}
	})
}

func FuzzParseMetrics(f *testing.F) {
	f.Add([]byte("# TYPE a gauge\na{b=\"c\"} 1\n"))
	f.Add([]byte("alertmanager_cluster_members NaN\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = ParseMetrics(bytes.NewReader(b)) })
}

func FuzzReadPlugin(f *testing.F) {
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ReadPlugin(t.Context(), bytes.NewReader(b), int64(len(b)))
		if err == nil && !pluginID.MatchString(p.ID) {
			t.Errorf("the id %q is taken", p.ID)
		}
	})
}
