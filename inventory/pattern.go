package inventory

import (
	"context"
	"fmt"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
)

// PatternError says why a --limit pattern selects nothing. It means exit code 3.
type PatternError struct {
	Pattern string // the part that is wrong
	Message string
	Hint    string // "did you mean ..."; may be empty
}

// Error is one line with the hint.
func (e *PatternError) Error() string {
	s := fmt.Sprintf("pattern %q: %s", e.Pattern, e.Message)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Select returns the hosts that a pattern names, in inventory order, each once.
// Patterns are Ansible's:
//
//	a,b  a:b        hosts of a and of b
//	a:&b            only those that are in b too
//	a:!b            without those in b
//	all  *          every host
//	web*  ~^g[12]   globs and regular expressions over names of groups and hosts
//	rack-b[0]       the first of a group; [-1] the last, [0:1] the first two, [1:] all but the first
//	g[01:03]        a range of host names, when no group is called g
//	rack=b          hosts with that value of a label; globs are fine
//	@file           patterns from a file, one a line
//
// A part that matches nothing and an empty result are each a [*PatternError].
func (c *Cluster) Select(pattern string) ([]*Host, error) {
	return c.selectParts(pattern, splitPattern(pattern), 0)
}

func (c *Cluster) selectParts(pattern string, parts []patternPart, depth int) ([]*Host, error) {
	if len(parts) == 0 {
		return nil, &PatternError{Pattern: pattern, Message: "names no host"}
	}
	chosen := map[*Host]bool{}
	if onlyFilters(parts) {
		for _, h := range c.Hosts {
			chosen[h] = true
		}
	}
	// As in Ansible: all that adds, then all that intersects, then all that
	// excludes, whatever the order in which they are written.
	for _, operator := range []byte{0, '&', '!'} {
		for _, p := range parts {
			if p.operator != operator {
				continue
			}
			matched, err := c.match(p.text, depth)
			if err != nil {
				return nil, err
			}
			combine(chosen, matched, operator)
		}
	}
	var out []*Host
	for _, h := range c.Hosts {
		if chosen[h] {
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		return nil, &PatternError{Pattern: pattern, Message: "no host is left"}
	}
	return out, nil
}

func combine(chosen map[*Host]bool, matched []*Host, operator byte) {
	switch operator {
	case 0:
		for _, h := range matched {
			chosen[h] = true
		}
	case '!':
		for _, h := range matched {
			delete(chosen, h)
		}
	case '&':
		keep := map[*Host]bool{}
		for _, h := range matched {
			keep[h] = true
		}
		for h := range chosen {
			if !keep[h] {
				delete(chosen, h)
			}
		}
	}
}

// patternPart is one operand of a pattern.
type patternPart struct {
	operator byte // 0, '&' or '!'
	text     string
}

func onlyFilters(parts []patternPart) bool {
	for _, p := range parts {
		if p.operator == 0 {
			return false
		}
	}
	return true
}

// splitPattern splits at commas, or without any at colons outside of brackets.
// A regular expression keeps its colons when commas separate it or it stands alone.
func splitPattern(pattern string) []patternPart {
	pattern = strings.TrimSpace(pattern)
	var words []string
	switch {
	case strings.HasPrefix(pattern, "~") && !strings.Contains(pattern, ","), strings.HasPrefix(pattern, "@"):
		words = []string{pattern}
	default:
		separator := byte(':')
		if strings.Contains(pattern, ",") {
			separator = ','
		}
		words = splitOutside(pattern, separator)
	}
	var out []patternPart
	for _, w := range words {
		w = strings.TrimSpace(w)
		var operator byte
		if w != "" && (w[0] == '&' || w[0] == '!') {
			operator, w = w[0], strings.TrimSpace(w[1:])
		}
		if w != "" {
			out = append(out, patternPart{operator, w})
		}
	}
	return out
}

func splitOutside(s string, separator byte) []string {
	var out []string
	depth, start := 0, 0
	for i := range len(s) {
		switch {
		case s[i] == '[':
			depth++
		case s[i] == ']' && depth > 0:
			depth--
		case s[i] == separator && depth == 0:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// subscript is name[index] or name[from:to] at the end of a part.
var subscript = regexp.MustCompile(`^(.+)\[(-?[0-9]+)?(:(-?[0-9]+)?)?\]$`)

// match returns the hosts of one part.
func (c *Cluster) match(word string, depth int) ([]*Host, error) {
	switch {
	case strings.HasPrefix(word, "@"):
		return c.fromFile(word[1:], depth)
	case strings.HasPrefix(word, "~"):
		return c.matching(word)
	case strings.Contains(word, "="):
		return c.labelled(word)
	}
	if h := c.Host(word); h != nil {
		return []*Host{h}, nil
	}
	if m := subscript.FindStringSubmatch(word); m != nil && (m[2] != "" || m[3] != "") {
		if found, err := c.named(m[1]); err == nil {
			return slice(word, found, m[2], m[3] != "", m[4])
		}
	}
	if hasRange(word) {
		if found, err := c.ranged(word); err == nil {
			return found, nil
		}
	}
	return c.named(word)
}

// named matches a word against groups first and, when it is a glob or no group
// is called so, against hosts.
func (c *Cluster) named(word string) ([]*Host, error) {
	if word == "all" || word == "*" {
		return c.Hosts, nil
	}
	var out []*Host
	glob := strings.ContainsAny(word, "*?[")
	for _, g := range c.Groups {
		if g.Name == word || (glob && globMatch(word, g.Name)) {
			out = append(out, c.members(g)...)
		}
	}
	for _, h := range c.Hosts {
		if h.Name == word || h.Address == word || (glob && (globMatch(word, h.Name) || globMatch(word, h.Address))) {
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		known := hostNames(c.Hosts)
		for _, g := range c.Groups {
			known = append(known, g.Name)
		}
		return nil, &PatternError{Pattern: word, Message: "no host or group is called so", Hint: didYouMean(word, known)}
	}
	return out, nil
}

func globMatch(glob, name string) bool {
	ok, err := path.Match(strings.ReplaceAll(glob, "[!", "[^"), name)
	return err == nil && ok
}

func (c *Cluster) members(g *Group) []*Host {
	out := make([]*Host, 0, len(g.Hosts))
	for _, name := range g.Hosts {
		if h := c.Host(name); h != nil {
			out = append(out, h)
		}
	}
	return out
}

// ranged expands a range of names, all of which must exist.
func (c *Cluster) ranged(word string) ([]*Host, error) {
	names, err := ExpandRange(word)
	if err != nil {
		return nil, err
	}
	var out []*Host
	for _, name := range names {
		h := c.Host(name)
		if h == nil {
			return nil, &PatternError{Pattern: word, Message: "there is no host " + name}
		}
		out = append(out, h)
	}
	return out, nil
}

func (c *Cluster) matching(word string) ([]*Host, error) {
	re, err := regexp.Compile("^(?:" + word[1:] + ")")
	if err != nil {
		return nil, &PatternError{Pattern: word, Message: "not a regular expression: " + err.Error()}
	}
	var out []*Host
	for _, g := range c.Groups {
		if re.MatchString(g.Name) {
			out = append(out, c.members(g)...)
		}
	}
	for _, h := range c.Hosts {
		if re.MatchString(h.Name) {
			out = append(out, h)
		}
	}
	if len(out) == 0 {
		return nil, &PatternError{Pattern: word, Message: "no host or group matches"}
	}
	return out, nil
}

func (c *Cluster) labelled(word string) ([]*Host, error) {
	label, value, _ := strings.Cut(word, "=")
	var out []*Host
	var labels, values []string
	for _, h := range c.Hosts {
		for k := range h.Labels {
			labels = append(labels, k)
		}
		got, ok := h.Labels[label]
		if !ok {
			continue
		}
		values = append(values, got)
		if got == value || globMatch(value, got) {
			out = append(out, h)
		}
	}
	switch {
	case len(out) > 0:
		return out, nil
	case len(values) == 0:
		return nil, &PatternError{Pattern: word, Message: fmt.Sprintf("no host has the label %q", label), Hint: didYouMean(label, labels)}
	}
	return nil, &PatternError{Pattern: word, Message: fmt.Sprintf("no host has %s=%s", label, value), Hint: didYouMean(value, values)}
}

// slice takes name[n] or name[from:to]; to is included, as in Ansible.
func slice(word string, hosts []*Host, from string, isRange bool, to string) ([]*Host, error) {
	n := len(hosts)
	at := func(s string, def int) int {
		if s == "" {
			return def
		}
		v, err := strconv.Atoi(s)
		if err != nil {
			return n
		}
		if v < 0 {
			v += n
		}
		return v
	}
	first := at(from, 0)
	last := first
	if isRange {
		last = min(at(to, n-1), n-1)
	}
	if first < 0 || first >= n || last < first {
		return nil, &PatternError{Pattern: word, Message: fmt.Sprintf("there are only %d hosts to choose from, counted from 0", n)}
	}
	return hosts[first : last+1], nil
}

// fromFile reads patterns from a file, one a line, as Ansible's --limit @file does.
func (c *Cluster) fromFile(name string, depth int) ([]*Host, error) {
	if depth > 0 {
		return nil, &PatternError{Pattern: "@" + name, Message: "a pattern file cannot name another one"}
	}
	data, err := localfile.Read(context.Background(), name, localfile.Small)
	switch {
	case os.IsNotExist(err):
		return nil, &PatternError{Pattern: "@" + name, Message: "there is no such file"}
	case err != nil:
		return nil, &PatternError{Pattern: "@" + name, Message: err.Error()}
	case localfile.IsPrivateKey(data):
		return nil, &PatternError{Pattern: "@" + name, Message: "the file is a private key, not a list of hosts"}
	}
	var parts []patternPart
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		parts = append(parts, splitPattern(line)...)
	}
	return c.selectParts("@"+name, parts, depth+1)
}
