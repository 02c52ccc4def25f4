package ui

import (
	"encoding/json"
	"slices"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// sharedPlan is what happens on every changing host alike.
type sharedPlan struct {
	actions []tasks.Action
	diffs   []tasks.FileDiff
	keys    map[string]bool // of the actions
	files   map[tasks.FileDiff]bool
}

// planGroup is hosts whose remaining actions are equal.
type planGroup struct {
	hosts   []string
	first   tasks.HostPlan
	actions []tasks.Action // without what is shared
	all     []tasks.Action
}

// shared finds what the hosts have in common: whole actions, and single files
// of actions that differ (a generation's id differs from host to host, most of
// its files do not).
func shared(hosts []tasks.HostPlan) sharedPlan {
	s := sharedPlan{keys: map[string]bool{}, files: map[tasks.FileDiff]bool{}}
	if len(hosts) < 2 {
		return s
	}
	actions, files := map[string]int{}, map[tasks.FileDiff]int{}
	for _, h := range hosts {
		for _, a := range h.Actions {
			actions[actionKey(a)]++
			for _, d := range a.Diffs {
				files[d]++
			}
		}
	}
	for _, a := range hosts[0].Actions {
		if k := actionKey(a); actions[k] == len(hosts) {
			s.keys[k] = true
			s.actions = append(s.actions, a)
			continue
		}
		for _, d := range a.Diffs {
			if files[d] == len(hosts) {
				s.files[d] = true
				s.diffs = append(s.diffs, d)
			}
		}
	}
	return s
}

// actionKey is equal for actions that read the same.
func actionKey(a tasks.Action) string {
	a.Host = ""
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
		if s.keys[actionKey(a)] {
			continue
		}
		a.Host = ""
		a.Diffs = slices.DeleteFunc(slices.Clone(a.Diffs), func(d tasks.FileDiff) bool { return s.files[d] })
		out = append(out, a)
	}
	return out
}

// groups puts hosts with equal rests, origins and goals together, in the order
// of the first of each.
func (s sharedPlan) groups(hosts []tasks.HostPlan) []planGroup {
	index := map[string]int{}
	var out []planGroup
	for _, h := range hosts {
		rest := s.rest(h)
		key := fromTo(h)
		for _, a := range rest {
			key += "\x00" + actionKey(a)
		}
		for _, r := range h.Reasons {
			key += "\x01" + r
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
