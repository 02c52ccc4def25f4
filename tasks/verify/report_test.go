package verify

import (
	"encoding/json"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sample() Report {
	return Report{Cluster: "prod", Started: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Seconds: 12.34, Steps: []Step{
		{Name: "health", From: "h1", OK: true, Seconds: 0.01, Explanation: "/api/health: database ok"},
		{Name: "session", From: "h1", To: "h2", Seconds: 0.5, Explanation: "a session made on one is valid on the other", Cause: "different <databases>", Fix: "ghadeploy plan x"},
		{Name: "live-nodes", Skipped: true, Explanation: "every node sees 2 Live nodes", Cause: "live.redis is not set"},
	}}
}

func TestTextSaysCauseAndFix(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `ok    health h1                  0.01s  /api/health: database ok
FAIL  session h1 -> h2           0.50s  a session made on one is valid on the other
      cause: different <databases>
      fix:   ghadeploy plan x
skip  live-nodes                 0.00s  every node sees 2 Live nodes
      cause: live.redis is not set
prod is NOT proved to be highly available: 1 proved, 1 failed, 1 not tried, 12.3s
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestJSONReadsBack(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sample(), got); d != "" {
		t.Error(d)
	}
}

func TestJUnitCounts(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var got junitSuite
	if err := xml.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 3 || got.Failures != 1 || got.Skipped != 1 || len(got.Cases) != 3 {
		t.Errorf("%+v", got)
	}
	if f := got.Cases[1].Failure; f == nil || f.Message != "different <databases>" || f.Text != "ghadeploy plan x" {
		t.Errorf("%+v", got.Cases[1])
	}
}
