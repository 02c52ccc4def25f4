package verify

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
)

// Step is one proof, or one that could not be tried.
type Step struct {
	// Name is the kind of proof: "session", "live", "members".
	Name string `json:"name"`
	// From and To are the hosts of a proof between two; To is also "balancer".
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	OK   bool   `json:"ok"`
	// Skipped: it was not tried; Cause says why. A skipped step is not OK, and no failure.
	Skipped bool `json:"skipped,omitempty"`
	// NotProved: it was skipped because this version of Grafana offers no way to prove it.
	NotProved bool `json:"not_proved,omitempty"`
	// Seconds it took.
	Seconds float64 `json:"seconds"`
	// Explanation says what was proved, or tried.
	Explanation string `json:"explanation"`
	// Cause and Fix of a failure.
	Cause string `json:"cause,omitempty"`
	Fix   string `json:"fix,omitempty"`
}

// Report is all that Run did.
type Report struct {
	Cluster string    `json:"cluster"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	// OK: no step failed.
	OK    bool   `json:"ok"`
	Steps []Step `json:"steps"`
}

// Failed are the steps that failed.
func (r Report) Failed() []Step {
	var failed []Step
	for _, s := range r.Steps {
		if !s.OK && !s.Skipped {
			failed = append(failed, s)
		}
	}
	return failed
}

// title is the step in a few words: "session h1 -> h2".
func (s Step) title() string {
	t := s.Name
	if s.From != "" {
		t += " " + s.From
	}
	if s.To != "" {
		t += " -> " + s.To
	}
	return t
}

// WriteText writes the report for people, without colour.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, s := range r.Steps {
		mark := "ok  "
		switch {
		case s.NotProved:
			mark = "n/a "
		case s.Skipped:
			mark = "skip"
		case !s.OK:
			mark = "FAIL"
		}
		fmt.Fprintf(&b, "%s  %-24s %6.2fs  %s\n", mark, s.title(), s.Seconds, s.Explanation)
		if s.Cause != "" {
			fmt.Fprintf(&b, "      cause: %s\n", s.Cause)
		}
		if s.Fix != "" {
			fmt.Fprintf(&b, "      fix:   %s\n", s.Fix)
		}
	}
	failed, skipped := len(r.Failed()), 0
	for _, s := range r.Steps {
		if s.Skipped {
			skipped++
		}
	}
	verdict := "is highly available"
	if !r.OK {
		verdict = "is NOT proved to be highly available"
	}
	fmt.Fprintf(&b, "%s %s: %d proved, %d failed, %d not tried, %.1fs\n", r.Cluster, verdict, len(r.Steps)-failed-skipped, failed, skipped,
		r.Seconds)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON writes the report as one indented JSON object.
func (r Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Time     string      `xml:"time,attr"`
	Stamp    string      `xml:"timestamp,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string     `xml:"classname,attr"`
	Name    string     `xml:"name,attr"`
	Time    string     `xml:"time,attr"`
	Failure *junitNote `xml:"failure,omitempty"`
	Skipped *junitNote `xml:"skipped,omitempty"`
	Out     string     `xml:"system-out,omitempty"`
}

type junitNote struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes the report as a JUnit test suite, one case per step.
func (r Report) WriteJUnit(w io.Writer) error {
	suite := junitSuite{Name: "ghadeploy verify " + r.Cluster, Tests: len(r.Steps), Failures: len(r.Failed()),
		Time: seconds(r.Seconds), Stamp: r.Started.UTC().Format("2006-01-02T15:04:05")}
	for _, s := range r.Steps {
		c := junitCase{Class: "verify." + s.Name, Name: s.title(), Time: seconds(s.Seconds), Out: s.Explanation}
		switch {
		case s.Skipped:
			suite.Skipped++
			c.Skipped = &junitNote{Message: s.Cause}
		case !s.OK:
			c.Failure = &junitNote{Message: s.Cause, Text: s.Fix}
		}
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(suite); err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }
