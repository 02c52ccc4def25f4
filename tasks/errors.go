package tasks

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// GateError is a gate that did not open in time. Exit code 5.
type GateError struct {
	Host, Gate string
	Saw        string        // what the gate saw last
	After      time.Duration // how long it was waited for
	Journal    string        // the unit's last lines
	State      string        // in which state the host was left
	Next       string        // the next command to type
	// Shared is what all hosts rely on and answers none of them any more: the host is
	// not at fault, and no other would do better. Empty: none.
	Shared string
}

// Error names host, gate, what it saw, and what to do.
func (e *GateError) Error() string {
	s := fmt.Sprintf("%s: gate %s", e.Host, e.Gate)
	if e.After > 0 { // else what it saw was hopeless at once
		s += fmt.Sprintf(" did not open within %s", e.After.Round(100*time.Millisecond))
	}
	s += ": " + e.Saw
	if e.State != "" {
		s += "; " + e.State
	}
	if e.Next != "" {
		s += "; next: " + e.Next
	}
	return s
}

// also adds to what an error says of a host's state.
func also(state, more string) string { return strings.TrimPrefix(state+"; "+more, "; ") }

// CheckError is a preflight check that failed. Exit code 7.
type CheckError struct {
	Failed []string // "h1: database: password authentication failed; fix: ..."
	Names  []string // the checks that failed, as --skip-check takes them
}

// Error lists the failed checks, and says how to go on in spite of them.
func (e *CheckError) Error() string {
	s := fmt.Sprintf("%d checks failed, nothing was touched: %s; next: ghadeploy check INVENTORY", len(e.Failed), strings.Join(e.Failed, "; "))
	// Without the check of the dump the dump fails all the same, after everything was
	// uploaded: who goes on in spite of it goes on without a dump.
	names := slices.DeleteFunc(slices.Clone(e.Names), func(n string) bool { return n == "backup" })
	var flags []string
	if len(names) < len(e.Names) {
		flags = append(flags, "--no-backup")
	}
	if len(names) > 0 {
		flags = append(flags, "--skip-check "+strings.Join(names, ","))
	}
	if len(flags) > 0 {
		s += ", or go on in spite of it with " + strings.Join(flags, " ")
	}
	return s
}

// RefusedError is a request that is understood, and that would lose data or leave the
// cluster on what it cannot run. Exit code 7; nothing was touched.
type RefusedError struct {
	Message string
	Next    string // the command to type
	Cause   error  // what was found; may be nil
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Cause }

// Error is the message with the command.
func (e *RefusedError) Error() string { return e.Message + "; nothing was touched; next: " + e.Next }

// limit are the hosts that a plan was made for, as --limit takes them; empty: all.
func (p *Plan) limit() string {
	var chosen []string
	for _, h := range p.Hosts {
		if !h.Skipped {
			chosen = append(chosen, h.Host)
		}
	}
	if len(chosen) == len(p.Hosts) {
		return ""
	}
	return strings.Join(chosen, ",")
}

// UsageError is a request that cannot be: an unknown generation, a downgrade
// without --allow-downgrade. Exit code 3; nothing was touched.
type UsageError struct{ Message string }

// Error is the message.
func (e *UsageError) Error() string { return e.Message }

// MovedError is a saved plan whose hosts or inventory are no longer what they
// were when it was made. Exit code 1; nothing was touched.
type MovedError struct {
	Want, Have string   // hashes of the two plans
	Moved      []string // what has changed; empty when that cannot be told
	Limit      string   // the hosts that it was made for; empty: all
}

// Error says what has changed and what to do.
func (e *MovedError) Error() string {
	what := "the hosts or the inventory have changed since"
	if len(e.Moved) > 0 {
		what = strings.Join(e.Moved, "; ")
	}
	limit := ""
	if e.Limit != "" {
		limit = " --limit " + e.Limit
	}
	return fmt.Sprintf("the saved plan %s is out of date (now %s): %s; next: ghadeploy plan INVENTORY%s -o plan.json", e.Want, e.Have, what,
		limit)
}

// movedSince is the error of a plan that no longer holds.
func movedSince(before, now *Plan) error {
	return &MovedError{Want: before.Hash, Have: now.Hash, Moved: moved(before, now), Limit: before.limit()}
}
