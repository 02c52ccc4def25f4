package ui

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// sharedPlan is what happens on every changing host alike.
type sharedPlan struct {
	actions []sharedAction
	diffs   []tasks.FileDiff // of actions that differ otherwise
	merged  []mergedDiff     // of those, files that differ in some lines
	keys    map[string]bool  // of the actions
	files   map[tasks.FileDiff]bool
	paths   map[string]bool // of the merged files
}

// sharedAction is an action with its files that differ in some lines.
type sharedAction struct {
	tasks.Action
	merged []mergedDiff
}

// planGroup is hosts whose remaining actions are equal.
type planGroup struct {
	hosts   []string
	first   tasks.HostPlan
	actions []tasks.Action // without what is shared
	all     []tasks.Action
}

// The words that stand for a host's own generations where several hosts are
// shown together: each has another id, because each has its own address in
// grafana.ini, and the ids alone would make everything look different.
const (
	newGeneration = "<new>"
	oldGeneration = "<old>"
)

// neutral is a host's plan with its generation ids replaced by those words.
func neutral(h tasks.HostPlan) tasks.HostPlan {
	var pairs []string
	for _, g := range []struct{ id, word string }{{h.To.Generation, newGeneration}, {h.From.Generation, oldGeneration}} {
		if len(g.id) >= 8 {
			pairs = append(pairs, g.id, g.word)
		}
	}
	if len(pairs) == 0 {
		return h
	}
	r := strings.NewReplacer(pairs...)
	h.Actions = slices.Clone(h.Actions)
	for i, a := range h.Actions {
		a.Summary, a.Reason, a.Steps = r.Replace(a.Summary), r.Replace(a.Reason), slices.Clone(a.Steps)
		for n, s := range a.Steps {
			a.Steps[n].Detail = r.Replace(s.Detail)
		}
		h.Actions[i] = a
	}
	return h
}

// shared finds what the hosts have in common: whole actions, single files of
// actions that differ, and files that differ in some lines only.
func shared(hosts []tasks.HostPlan) sharedPlan {
	s := sharedPlan{keys: map[string]bool{}, files: map[tasks.FileDiff]bool{}, paths: map[string]bool{}}
	if len(hosts) < 2 {
		return s
	}
	files := map[tasks.FileDiff]int{}
	byPath := map[string][]hostDiff{}
	for _, h := range hosts {
		for _, a := range h.Actions {
			for _, d := range a.Diffs {
				files[d]++
				byPath[d.Path] = append(byPath[d.Path], hostDiff{h.Host, d})
			}
		}
	}
	merged := map[string]mergedDiff{}
	for _, a := range hosts[0].Actions {
		for _, d := range a.Diffs {
			if files[d] == len(hosts) {
				s.files[d] = true
			} else if m, ok := merge(byPath[d.Path], len(hosts)); ok {
				s.paths[d.Path] = true
				merged[d.Path] = m
			}
		}
	}
	s.collect(hosts, merged)
	return s
}

// collect sorts the first host's actions into what is shared whole and what
// is shared of their files alone.
func (s *sharedPlan) collect(hosts []tasks.HostPlan, merged map[string]mergedDiff) {
	actions := map[string]int{}
	for _, h := range hosts {
		for _, a := range h.Actions {
			actions[actionKey(s.without(a))]++
		}
	}
	for _, a := range hosts[0].Actions {
		bare := s.without(a)
		k := actionKey(bare)
		whole := actions[k] == len(hosts)
		var same []tasks.FileDiff
		var differ []mergedDiff
		for _, d := range a.Diffs {
			if m, ok := merged[d.Path]; ok {
				differ = append(differ, m)
			} else if s.files[d] {
				same = append(same, d)
			}
		}
		if whole {
			s.keys[k] = true
			bare.Diffs = same
			s.actions = append(s.actions, sharedAction{bare, differ})
			continue
		}
		s.diffs, s.merged = append(s.diffs, same...), append(s.merged, differ...)
	}
}

// without is an action less the files that are shown once for all hosts.
func (s sharedPlan) without(a tasks.Action) tasks.Action {
	a.Host, a.Bytes = "", 0
	a.Diffs = slices.DeleteFunc(slices.Clone(a.Diffs), func(d tasks.FileDiff) bool { return s.files[d] || s.paths[d.Path] })
	if len(a.Diffs) == 0 {
		a.Diffs = nil
	}
	return a
}

// actionKey is equal for actions that read the same.
func actionKey(a tasks.Action) string {
	text, err := json.Marshal(a)
	if err != nil {
		return a.Summary // strings and numbers only: Marshal cannot fail
	}
	return string(text)
}

// rest is what of h is not shared.
func (s sharedPlan) rest(h tasks.HostPlan) []tasks.Action {
	var out []tasks.Action
	for _, a := range h.Actions {
		if bare := s.without(a); !s.keys[actionKey(bare)] {
			out = append(out, bare)
		}
	}
	return out
}

// manyHosts is from where on hosts are not listed one by one for their
// generation's id alone.
const manyHosts = 12

// groups puts hosts with equal rests, origins and goals together, in the order
// of the first of each.
func (s sharedPlan) groups(hosts []tasks.HostPlan) []planGroup {
	index := map[string]int{}
	var out []planGroup
	for _, h := range hosts {
		rest := s.rest(h)
		if len(hosts) > manyHosts {
			h.From.Generation, h.To.Generation = "", ""
		}
		key := fromTo(h) + "\x00" + strings.Join(h.Reasons, "\x00")
		for _, a := range rest {
			key += "\x01" + actionKey(a)
		}
		i, seen := index[key]
		if !seen {
			i = len(out)
			index[key] = i
			out = append(out, planGroup{first: h, actions: rest, all: h.Actions})
		}
		out[i].hosts = append(out[i].hosts, h.Host)
	}
	return out
}
