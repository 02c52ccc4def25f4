package tasks

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/aside"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

// Rehearsal is how an upgrade went on a copy of the database. Its JSON is published by
// `ghadeploy rehearse -o json`.
type Rehearsal struct {
	Run     string    `json:"run"`
	Cluster string    `json:"cluster"`
	From    string    `json:"from"`
	To      string    `json:"to"`
	Time    time.Time `json:"time"`
	// Server is the database's: "MariaDB 10.11.6"; empty: it did not say.
	Server string `json:"server,omitempty"`
	// Copy is the name of the database that was migrated; Host where it was, on the side.
	Copy string `json:"copy,omitempty"`
	Host string `json:"host,omitempty"`
	// OK: it came up healthy, and nothing was lost. Failed says why not, in the words of
	// who refused, and Migration which one it was, where it was one.
	OK        bool   `json:"ok"`
	Failed    string `json:"failed,omitempty"`
	Migration string `json:"failed_migration,omitempty"`
	// Migrations that ran, and how long, as Grafana says it; 0 s: it did not say.
	Migrations       int     `json:"migrations"`
	MigrationSeconds float64 `json:"migration_seconds"`
	// CopySeconds is the copy of the database; StartSeconds from the start to healthy, or to the end.
	CopySeconds  float64 `json:"copy_seconds"`
	StartSeconds float64 `json:"start_seconds"`
	Seconds      float64 `json:"seconds"` // all of it
	// Before and After are counts of the copy's content; Lost what is fewer.
	Before database.Counts `json:"before,omitempty"`
	After  database.Counts `json:"after,omitempty"`
	Lost   []string        `json:"lost,omitempty"`
	// LogErrors are the kinds of errors that it logged; not each of them is harm.
	LogErrors []string `json:"log_errors,omitempty"`
	// Outages are what users would notice, by policy.
	Outages []PolicyOutage `json:"outages,omitempty"`
}

// PolicyOutage is what users notice of an upgrade that goes one way or another.
type PolicyOutage struct {
	Policy PolicyKind `json:"policy"`
	// Planned: the upgrade would go this way.
	Planned bool    `json:"planned,omitempty"`
	Seconds float64 `json:"seconds"`
	Text    string  `json:"text"`
}

// found is the outcome in a line, for the journal and later plans.
func (r *Rehearsal) found() string {
	if !r.OK {
		return "it failed: " + r.Failed
	}
	return fmt.Sprintf("%d migrations in %s, healthy after %s, nothing lost", r.Migrations, tenths(r.MigrationSeconds), tenths(r.StartSeconds))
}

func tenths(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// judge says how a start on a copy went: log is what it logged, err how it ended, nil for
// healthy. content and failed are read of the copy afterwards, where it came up.
func (r *Rehearsal) judge(log *aside.Log, err error) {
	r.Migrations, r.MigrationSeconds, r.LogErrors = log.Migrations, log.Migrating.Seconds(), log.Complaints
	if log.Failed != "" || log.Error != "" {
		r.Migration = log.Failed
		r.Failed = fmt.Sprintf("migration %q: %s", log.Failed, cmp.Or(log.Error, "it failed"))
		return
	}
	var ended *aside.EndedError
	switch {
	case errors.Is(err, aside.ErrLate) && log.Last != "":
		r.Failed = fmt.Sprintf("%v; the last migration that it began is %q", err, log.Last)
	case errors.As(err, &ended) && len(log.Complaints) > 0:
		r.Failed = ended.Error()
		if last := log.Complaints[len(log.Complaints)-1]; !strings.Contains(r.Failed, last) {
			r.Failed += "; it logged: " + last
		}
	case err != nil:
		r.Failed = err.Error()
	}
}

// compare says what the migrated copy has lost.
func (r *Rehearsal) compare(after database.Counts, failed int64) {
	r.After, r.Lost = after, r.Before.Lost(after)
	switch {
	case len(r.Lost) > 0:
		r.Failed = "the migration lost something: " + strings.Join(r.Lost, "; ")
	case failed > 0:
		r.Failed = fmt.Sprintf("%d migrations are marked as failed", failed)
	}
	r.OK = r.Failed == ""
}

// setOutages says what users would notice. What was measured had one core and the least
// priority, beside a Grafana that serves: an upgrade is no slower on the same server.
func (r *Rehearsal) setOutages(planned PolicyKind, hosts int) {
	if !r.OK {
		return
	}
	start := tenths(r.StartSeconds)
	r.Outages = []PolicyOutage{
		{Policy: PolicyRolling, Text: "none, with old and new on one database for some time"},
		{Policy: PolicyHandover, Text: "none; the first host migrates for about " + start + " while the others serve"},
		{Policy: PolicyOneFirst, Seconds: r.StartSeconds, Text: "about " + start + ": from the stop of the hosts until the first has migrated and started"},
	}
	if hosts == 1 {
		r.Outages = r.Outages[2:]
		r.Outages[0].Text = "about " + start + ", since there is one host"
		r.Outages[0].Planned = true
		return
	}
	for i := range r.Outages {
		r.Outages[i].Planned = r.Outages[i].Policy == planned
	}
}
