package reach

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Kind names what a change is.
type Kind string

// The kinds, as the flags and the JSON of a plan name them.
const (
	Database   Kind = "database"
	SecretKey  Kind = "secret-key"
	Admin      Kind = "admin"
	RootURL    Kind = "root-url"
	Cookies    Kind = "cookies"
	Alerting   Kind = "alerting"
	AlertsOff  Kind = "alerts-off"
	Live       Kind = "live"
	ServiceAs  Kind = "service-user"
	Paths      Kind = "paths"
	Plugins    Kind = "plugins"
	Login      Kind = "login"
	Password   Kind = "database-login"
	SameTarget Kind = "database-name"
)

// Way is how the hosts have to go through a change.
type Way string

// The ways, from the mildest to the one that all others give way to.
const (
	AnyWay   Way = ""         // whatever the plan has chosen
	Handover Way = "handover" // the first takes over from all others: old and new meet for one turn only
	OneStop  Way = "one-stop" // no host is on the old side while another is on the new one
)

// Change is one change that reaches beyond the restart of a host.
type Change struct {
	Kind  Kind     `json:"kind"`
	Hosts []string `json:"hosts"`
	// What is changed, without a secret: "database.name: grafana -> grafana2".
	What string `json:"what"`
	// Notice is what users will notice, with counts of the database where it was read.
	Notice string `json:"notice"`
	Way    Way    `json:"way,omitempty"`
	// Refused is why it is not carried out without Flag; empty: it is carried out.
	Refused string `json:"refused,omitempty"`
	Flag    string `json:"flag,omitempty"`
	// Next is what to do instead, or afterwards.
	Next string `json:"next,omitempty"`
}

// String is the change as a plan says it.
func (c Change) String() string {
	s := string(c.Kind) + " changes on " + strings.Join(c.Hosts, ", ") + ": " + c.What
	if c.Notice != "" {
		s += "; " + c.Notice
	}
	if c.Refused != "" {
		s += "; apply refuses it: " + c.Refused
	}
	if c.Next != "" {
		s += "; next: " + c.Next
	}
	return s
}

// Host is a host whose generation changes.
type Host struct {
	Name     string
	Old, New State
}

// Between lists what reaches further between what hosts run and what they shall run, in the
// order of the kinds. Hosts on which the same happens stand together.
func Between(hosts []Host, s Stakes) (out []Change) {
	for _, k := range kinds {
		first := len(out) // of this kind; telling may have given it another name
		for _, h := range hosts {
			what := k.seen(h.Old, h.New)
			if what == "" {
				continue
			}
			same := func(c Change) bool { return c.What == what }
			if i := slices.IndexFunc(out[first:], same); i >= 0 {
				out[first+i].Hosts = append(out[first+i].Hosts, h.Name)
				continue
			}
			c := Change{Kind: k.name, Hosts: []string{h.Name}, What: what, Way: k.way}
			k.tell(&c, h.Old, h.New, s)
			out = append(out, c)
		}
	}
	return out
}

// differing lists keys whose values differ: "server.root_url: a -> b".
func differing(old, now State, keys ...string) string {
	var out []string
	for _, k := range keys {
		if a, b := old.get(k), now.get(k); a != b {
			out = append(out, fmt.Sprintf("%s: %s -> %s", k, word(a), word(b)))
		}
	}
	return strings.Join(out, ", ")
}

// word is a value as it is shown: it may come from a host, so it is bounded and cleaned.
func word(v string) string {
	const most = 200
	v = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(v[:min(len(v), most)], "?"))
	if v == "" {
		return "nothing"
	}
	return v
}

// mostNames bounds how many names are told.
const mostNames = 20

// words are names as they are shown.
func words(names []string) string {
	out := make([]string, 0, len(names))
	for i, n := range names {
		if i == mostNames {
			out = append(out, fmt.Sprintf("%d more", len(names)-i))
			break
		}
		out = append(out, word(n))
	}
	return strings.Join(out, ", ")
}
