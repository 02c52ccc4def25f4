package grafana

import (
	"strings"
	"testing"
)

// A version that copies content once, and then reads only the copy, is never entered by
// handover, however far the way to it and beyond it is.
func TestNoHandoverIntoUnifiedStorage(t *testing.T) {
	for _, c := range []struct {
		from, to string
		unsafe   bool
		says     string
	}{
		{"11.6.2", "12.4.0", true, "what older nodes save after the copy is lost"},
		{"12.3.0", "12.4.1", true, "lost"},
		{"10.3.1", "13.1.0", true, "renames their tables"},
		{"12.4.0", "13.0.0", true, "renames their tables"},
		{"12.4.0", "12.4.3", false, ""},
		{"11.6.2", "12.3.9", false, ""},
		{"13.0.0", "13.2.0", false, ""},
	} {
		h := HandoverBetween(version(t, c.from), version(t, c.to), "postgres")
		if h.Unsafe != c.unsafe || h.Measured && h.Unsafe || !strings.Contains(h.Reason, c.says) || h.Reason == "" {
			t.Errorf("%s to %s: %+v", c.from, c.to, h)
		}
	}
}

// What was measured speaks for the pairs within it, on that database, and for no other.
func TestAMeasuredHandoverSpeaksForWhatLiesWithinIt(t *testing.T) {
	for _, c := range []struct {
		from, to, database string
		measured           string
	}{
		{"10.3.1", "11.6.2", "postgres", "10.3.1 to 11.6.2"},
		{"10.4.0", "11.0.0", "postgres", "10.3.1 to 11.6.2"},
		{"10.3.1", "11.6.9", "postgres", "10.3.1 to 11.6.2"},
		{"9.4.0", "10.3.1", "postgres", "9.4.0 to 10.3.1"},
		{"9.5.0", "10.0.3", "postgres", "9.4.0 to 10.3.1"},
		{"6.7.6", "7.5.17", "postgres", "6.7.6 to 7.5.17"},
		{"8.0.0", "8.5.0", "postgres", "7.5.17 to 8.5.15"},
		{"6.5.0", "7.5.17", "postgres", ""},
		{"8.5.15", "9.4.0", "postgres", ""}, // secrets of 9.0
		{"9.3.2", "10.3.1", "postgres", ""},
		{"9.5.0", "10.4.0", "postgres", ""},
		{"9.4.0", "10.3.1", "mysql", ""},
		{"10.3.1", "11.6.2", "mysql", ""},
		{"9.5.0", "11.6.2", "postgres", ""}, // two that were measured are not one that was
		{"10.3.1", "12.0.0", "postgres", ""},
		{"11.6.2", "12.4.0", "postgres", ""},
	} {
		h := HandoverBetween(version(t, c.from), version(t, c.to), c.database)
		if h.Measured != (c.measured != "") || h.Measured && !strings.Contains(h.Reason, "measured from "+c.measured+": ") {
			t.Errorf("%s to %s on %s: %+v", c.from, c.to, c.database, h)
		}
	}
}

// A step says something of a cluster that it concerns, and nothing of another.
func TestAReasonSaysWhatIsTrueOfTheCluster(t *testing.T) {
	for _, c := range []struct {
		from, to string
		in       Traits
		has, not string
	}{
		{"10.3.1", "11.6.2", Traits{Database: "postgres", LegacyAlerting: true}, "11.0 has no legacy alerting", ""},
		{"10.3.1", "11.6.2", Traits{Database: "postgres"}, "10.3.1 to 11.6.2 is a new major version", "legacy"},
		{"9.5.0", "11.6.2", Traits{Database: "postgres"}, "10.0 always uses RBAC", "legacy"},
		{"12.4.0", "13.0.0", Traits{Database: "mysql"}, "need LOCK TABLES", ""},
		{"12.4.0", "13.0.0", Traits{Database: "postgres"}, "renames tables", "MySQL"},
	} {
		p := UpgradePolicyIn(version(t, c.from), version(t, c.to), c.in)
		if p.Kind != OneFirst || !p.Dump || !strings.Contains(p.Reason, c.has) || c.not != "" && strings.Contains(p.Reason, c.not) {
			t.Errorf("%s to %s, %+v: %s %q", c.from, c.to, c.in, p.Kind, p.Reason)
		}
	}
}
