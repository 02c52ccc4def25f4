package grafana

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hidden are rows of keys that a release reads although its defaults.ini does not
// list them, or lists while the row says later: from which release to which, and
// what shows it.
var hidden = []struct{ name, from, to, why string }{
	{"[unified_storage]", "11.2.0", "12.3.0", "read by pkg/setting/setting_unified_storage.go of 11.5.1, 11.6.2 and 12.3.0"},
	{"unified_alerting.ha_single_node_evaluation", "12.4.0", "12.4.3", "read by pkg/setting/setting_unified_alerting.go of 12.4.0"},
	{"auth.login_maximum_inactive_lifetime_days", "7.2.0", "8.5.15", "deprecated, still read by pkg/setting/setting.go"},
	{"auth.login_maximum_lifetime_days", "7.2.0", "8.5.15", "deprecated, still read by pkg/setting/setting.go"},
	{"rendering.renderer_token", "8.5.11", "8.5.15", "backported to 8.5, not to 9.0.0 to 9.1.1"},
}

func isHidden(t *testing.T, name string, v Version) bool {
	t.Helper()
	for _, h := range hidden {
		if h.name == name && v.AtLeast(version(t, h.from)) && version(t, h.to).AtLeast(v) {
			return true
		}
	}
	return false
}

// The table must say of every release what its own defaults.ini says.
func TestVersionTableAgreesWithTheDefaultsOfRealReleases(t *testing.T) {
	for _, release := range releaseLists(t) {
		v, known := version(t, release), keyList(t, release)
		for _, f := range keys() {
			name := f.Section + "." + f.Name
			if f.Kind == aSection {
				name = "[" + f.Section + "]"
			}
			if known[name] != f.holds(v) && !isHidden(t, name, v) {
				t.Errorf("%s: in defaults.ini of %s: %v; the table says since %q until %q", name, release, known[name], f.Since, f.Until)
			}
		}
	}
}

// An exception that no release needs hides the next mistake.
func TestEveryExceptionIsNeeded(t *testing.T) {
	for _, h := range hidden {
		needed := false
		for _, f := range keys() {
			name := f.Section + "." + f.Name
			if f.Kind == aSection {
				name = "[" + f.Section + "]"
			}
			if name != h.name {
				continue
			}
			for _, release := range releaseLists(t) {
				v := version(t, release)
				needed = needed || isHidden(t, name, v) && keyList(t, release)[name] != f.holds(v)
			}
		}
		if !needed {
			t.Errorf("%s from %s to %s: no list needs it", h.name, h.from, h.to)
		}
	}
}

func releaseLists(t *testing.T) []string {
	t.Helper()
	files, err := os.ReadDir(filepath.Join("testdata", "keys"))
	if err != nil {
		t.Fatal(err)
	}
	var releases []string
	for _, f := range files {
		if name, ok := strings.CutSuffix(f.Name(), ".txt"); ok {
			releases = append(releases, name)
		}
	}
	slices.Sort(releases)
	return releases
}

func TestSingleEvaluationIsRefusedWhereGrafanaReadsItButDoesNotKeepIt(t *testing.T) { // #125705
	for _, c := range []struct {
		version string
		written bool
	}{{"12.3.1", false}, {"12.4.3", false}, {"13.0.0", true}, {"13.2.0", true}} {
		n := testNode(version(t, c.version))
		n.Alerting.SingleNodeEvaluation = true
		r, err := n.Render()
		if c.written {
			if err != nil || !strings.Contains(string(r.INI), "ha_single_node_evaluation = true\n") {
				t.Errorf("%s: %v", c.version, err)
			}
			if !strings.Contains(strings.Join(r.Warnings, "\n"), "taken over") {
				t.Errorf("%s: warnings %q", c.version, r.Warnings)
			}
		} else if err == nil || !strings.Contains(err.Error(), "13.0.0") {
			t.Errorf("%s: %v, want an error that names 13.0.0", c.version, err)
		}
	}
}

func TestLockTablesIsNeededFromThirteenOn(t *testing.T) { // #117251, #118481
	for v, want := range map[string]bool{"12.3.0": false, "12.4.3": false, "13.0.0": true, "13.2.0": true} {
		if got := LocksTables(version(t, v)); got != want {
			t.Errorf("%s: %v", v, got)
		}
	}
}
