package ui

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/check"
)

// What to type next is said once: a reader of ten errors does one thing.

// oneNext lets failures that one command mends share it: the last of them says it. Of
// hosts whose keys are unknown that is one look at all of them.
func oneNext(all []Failure, path string) []Failure {
	out := slices.Clone(all)
	trust := "ghadeploy trust " + path
	var asks []int
	for i, f := range out {
		if strings.HasPrefix(f.Next, trust+" --limit ") {
			asks = append(asks, i)
		}
	}
	if len(asks) > 1 {
		for _, i := range asks {
			out[i].Next = trust
		}
	}
	copyKeys(out)
	for i, f := range out {
		if f.Next != "" && slices.ContainsFunc(out[i+1:], func(later Failure) bool { return later.Next == f.Next }) {
			out[i].Next = ""
		}
	}
	return out
}

// keyCopy is how a key is put on one host: what comes before the host, the host, and what
// follows it.
var keyCopy = regexp.MustCompile(`^(ssh-copy-id [^;&]*@)([A-Za-z0-9._:-]+)( \(.*)$`)

// copyKeys makes one command of those that put the same key on several hosts.
func copyKeys(all []Failure) {
	places := map[[2]string][]int{}
	hosts := map[[2]string][]string{}
	for i, f := range all {
		if m := keyCopy.FindStringSubmatch(f.Next); m != nil {
			id := [2]string{m[1], m[3]}
			places[id], hosts[id] = append(places[id], i), append(hosts[id], m[2])
		}
	}
	for id, at := range places {
		if len(at) < 2 {
			continue
		}
		for _, i := range at {
			all[i].Next = "for h in " + strings.Join(hosts[id], " ") + "; do " + id[0] + "$h; done" + id[1]
		}
	}
}

// WriteNext shows what to type next.
func WriteNext(w io.Writer, s Style, columns int, next string) error {
	var b strings.Builder
	label := "next:"
	for _, l := range wrap(Clean(next), columns-7) {
		fmt.Fprintf(&b, "%s%s\n", s.Note(pad(label, 7)), l)
		label = ""
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// correct is what to do about the mistakes of an inventory: the first one, then look again.
func correct(d inventory.Diagnostic, path string) string {
	place := d.Pos
	if place.File == "" {
		place.File = path
	}
	return "correct " + place.String() + ", then: ghadeploy validate " + remote.Quote(path)
}

// AfterCheck is what to type after a check: what mends the first thing that failed, or the
// command that comes next. Later findings often go away with the first; that there is no
// plan is the last of them. flags are those that the next command takes again.
func AfterCheck(all []check.Finding, path, flags string) string {
	path = remote.Quote(path)
	failed := check.Failed(all)
	slices.SortStableFunc(failed, func(a, b check.Finding) int { return followsOthers(a) - followsOthers(b) })
	for _, f := range failed {
		if f.Fix != "" {
			return strings.ReplaceAll(f.Fix, "INVENTORY", path) + "; then: ghadeploy check " + path + flags
		}
	}
	return "ghadeploy plan " + path + flags
}

func followsOthers(f check.Finding) int {
	if f.Check == "plan" {
		return 1
	}
	return 0
}
