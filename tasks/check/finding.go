package check

import (
	"cmp"
	"slices"
)

// Severity is how much a finding matters.
type Severity string

// The severities, from harmless to blocking.
const (
	OK      Severity = "ok"
	Skipped Severity = "skipped" // could not be tried, or was not asked for
	Warning Severity = "warning"
	Fail    Severity = "fail"
)

// Finding is what one check found on one host, or on the cluster as a whole when
// Host is empty. It never holds a secret.
type Finding struct {
	Check    string   `json:"check"`
	Severity Severity `json:"severity"`
	Host     string   `json:"host,omitempty"`
	// What was seen, Why it matters, Fix: what to type or change. Why and Fix are
	// empty when all is well.
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
	Fix  string `json:"fix,omitempty"`
}

// String is one line for people.
func (f Finding) String() string {
	s := f.Check + ": " + f.What
	if f.Host != "" {
		s = f.Host + ": " + s
	}
	if f.Fix != "" {
		s += "; fix: " + f.Fix
	}
	return s
}

// Failed are the findings that stop an apply.
func Failed(all []Finding) []Finding {
	var out []Finding
	for _, f := range all {
		if f.Severity == Fail {
			out = append(out, f)
		}
	}
	return out
}

// sortFindings puts the findings in the order of the registry, then of the
// inventory, so that two runs can be compared.
func sortFindings(all []Finding, checks []unit, hosts []string) {
	place := func(f Finding) int {
		return slices.IndexFunc(checks, func(u unit) bool { return u.name == f.Check })
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(slices.Index(hosts, a.Host), slices.Index(hosts, b.Host)))
	})
}
