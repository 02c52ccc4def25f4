package check

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Skews between clocks: sessions, tokens and Redis heartbeats are stamped by the
// nodes themselves; past 60 s a Redis peer is invisible.
const (
	skewWarn = 5 * time.Second
	skewFail = 30 * time.Second
)

// checkClock compares the hosts with each other; the operator's clock is only the
// ruler, and is spoken of when all hosts agree against it.
func checkClock(_ context.Context, r *run) []Finding {
	offsets := map[string]hostFacts{}
	for name, f := range r.facts {
		if f.get("clock") != "" {
			offsets[name] = f
		}
	}
	middle, ok := medianOffset(r.hostNames(), offsets)
	if !ok {
		return nil
	}
	var all []Finding
	for _, h := range r.Hosts {
		f, known := offsets[h.Name]
		if !known {
			continue
		}
		x := clockFinding(f.offset-middle, f.slack, len(offsets) > 1)
		x.Host = h.Name
		all = append(all, x)
	}
	if middle.Abs() > skewWarn && len(offsets) > 1 {
		all = append(all, warn(fmt.Sprintf("the hosts' clocks are %s of this machine's", apart(middle)),
			"times in the journal and in logs will not match", "timedatectl set-ntp true on this machine"))
	}
	return all
}

// medianOffset is the lower median, which one wrong clock among three cannot move.
func medianOffset(names []string, facts map[string]hostFacts) (time.Duration, bool) {
	var all []time.Duration
	for _, n := range names {
		if f, ok := facts[n]; ok {
			all = append(all, f.offset)
		}
	}
	switch len(all) {
	case 0:
		return 0, false
	case 1:
		return 0, true // alone: against the operator
	}
	slices.Sort(all)
	return all[(len(all)-1)/2], true
}

func clockFinding(skew, slack time.Duration, others bool) Finding {
	of := "this machine's clock"
	if others {
		of = "the other hosts' clocks"
	}
	const why = "sessions, tokens and alerting heartbeats carry the hosts' own times: users are logged out and peers vanish"
	const fix = "timedatectl set-ntp true, or start chronyd; then timedatectl status"
	sure := max(skew.Abs()-slack, 0)
	switch {
	case sure > skewFail:
		return fail(apart(skew)+" of "+of, why, fix)
	case sure > skewWarn:
		return warn(apart(skew)+" of "+of, why, fix)
	}
	return ok("within %s of %s", max(sure, slack).Round(time.Millisecond), of)[0]
}

func apart(d time.Duration) string {
	if d < 0 {
		return (-d).Round(time.Second/10).String() + " behind"
	}
	return d.Round(time.Second/10).String() + " ahead"
}
