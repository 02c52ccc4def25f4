package tasks

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// maxMoved is how many differences an error names.
const maxMoved = 5

// moved says in words how what is to be done now differs from a plan that was made
// before. It is empty where they differ in nothing that people are shown.
func moved(before, now *Plan) (out []string) {
	if before.Command != now.Command {
		out = append(out, fmt.Sprintf("it is a plan of %s, not of %s", before.Command, now.Command))
	}
	for _, h := range before.Hosts {
		if now.Host(h.Host) == nil {
			out = append(out, h.Host+" is no longer in the inventory")
		}
	}
	for i := range now.Hosts {
		h := &now.Hosts[i]
		if was := before.Host(h.Host); was == nil {
			out = append(out, h.Host+" is new in the inventory")
		} else {
			out = append(out, movedHost(was, h)...)
		}
	}
	if a, b := summaries(before.Before), summaries(now.Before); !slices.Equal(a, b) {
		out = append(out, fmt.Sprintf("before the turns comes %s, no longer %s", listed(b), listed(a)))
	}
	if len(out) == 0 {
		out = movedPolicy(&before.Policy, &now.Policy)
	}
	if more := len(out) - maxMoved; more > 0 {
		out = append(out[:maxMoved], fmt.Sprintf("and %d things more", more))
	}
	return out
}

// movedHost compares what a host runs, what it shall run, and what is to be done.
func movedHost(was, is *HostPlan) []string {
	switch {
	case was.From != is.From:
		return []string{fmt.Sprintf("%s runs %s, no longer %s", is.Host, is.From, was.From)}
	case was.To != is.To:
		return []string{fmt.Sprintf("%s shall run %s, no longer %s: the inventory or a file that it names has changed", is.Host, is.To, was.To)}
	case was.Skipped != is.Skipped:
		return []string{fmt.Sprintf("--limit chooses other hosts: %s", is.Host)}
	}
	if a, b := summaries(was.Actions), summaries(is.Actions); !slices.Equal(a, b) {
		return []string{fmt.Sprintf("on %s there is to do: %s, no longer: %s", is.Host, listed(b), listed(a))}
	}
	if !reflect.DeepEqual(was, is) {
		return []string{fmt.Sprintf("what changes in the files of %s is different", is.Host)}
	}
	return nil
}

// movedPolicy compares how the hosts go through the change. That the turns come in
// another order while all else is the same is a host that was restarted: the one
// that has run longest, which notifies, goes last.
func movedPolicy(was, is *Policy) []string {
	if !reflect.DeepEqual(was.Batches, is.Batches) {
		return []string{fmt.Sprintf("the turns go %s, no longer %s: a host was restarted since, and the one that has run longest goes last",
			turnsText(is.Batches), turnsText(was.Batches))}
	}
	if !reflect.DeepEqual(was, is) {
		return []string{"the way in which the hosts take their turns (rollout) has changed"}
	}
	return nil
}

func turnsText(batches [][]string) string {
	var out []string
	for _, b := range batches {
		out = append(out, strings.Join(b, "+"))
	}
	return strings.Join(out, ", ")
}

// summaries are actions as people are shown them, each with its reason.
func summaries(actions []Action) (out []string) {
	for _, a := range actions {
		out = append(out, fmt.Sprintf("%s (%s)", a.Summary, a.Reason))
	}
	return out
}

func listed(s []string) string {
	if len(s) == 0 {
		return "nothing"
	}
	return strings.Join(s, ", ")
}
