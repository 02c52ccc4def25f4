package inventory

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// RemoveHosts returns the inventory without some hosts: without their entries, and without
// their names in groups. Comments, layout and all other bytes stay. What is written in a
// way that cannot be cut out (a range, an alias) is an error, and is changed by hand.
func RemoveHosts(src []byte, hosts []string) ([]byte, error) {
	out := src
	for _, h := range hosts {
		var err error
		if out, err = removeHost(out, h); err != nil {
			return nil, fmt.Errorf("taking %s out of the inventory: %w", h, err)
		}
	}
	return out, nil
}

func removeHost(src []byte, host string) ([]byte, error) {
	found := false
	// One cut at a time, since each moves what comes after it.
	for range maxDepth {
		places, err := placesOf(src, host)
		if err != nil {
			return nil, err
		}
		if len(places) == 0 {
			break
		}
		found = true
		if src, err = cutElement(src, places[0]); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, errors.New("it has no entry of its own (it stands in a range?), change it by hand")
	}
	// That the text is still an inventory was proved by each cut; one of Ansible may have its
	// sections elsewhere.
	if root, err := sectionsOf(src); err == nil {
		if on := lookup(lookup(lookup(root, "database"), "backup"), "on"); on != nil && on.Value == host {
			return nil, errors.New("database.backup.on names it, change that first")
		}
	}
	return src, nil
}

// element is the n-th entry of a list, or of a map, where its key is the n-th.
type element struct {
	of *yaml.Node
	n  int
}

// placesOf finds a host in the maps and lists called hosts.
func placesOf(src []byte, host string) ([]element, error) {
	doc, err := parseYAML(src)
	if err != nil {
		return nil, err
	}
	var out []element
	if all := lookup(doc.root, "all"); all != nil {
		ansibleGroup(all, host, 0, &out)
		return out, nil
	}
	out = append(out, elementOf(lookup(doc.root, "hosts"), host)...)
	if groups := lookup(doc.root, "groups"); groups != nil {
		for i := 1; i < len(groups.Content); i += 2 {
			out = append(out, elementOf(lookup(groups.Content[i], "hosts"), host)...)
		}
	}
	return out, nil
}

func ansibleGroup(group *yaml.Node, host string, depth int, out *[]element) {
	if depth > maxDepth {
		return
	}
	*out = append(*out, elementOf(lookup(group, "hosts"), host)...)
	if children := lookup(group, "children"); children != nil {
		for i := 1; i < len(children.Content); i += 2 {
			ansibleGroup(target(children.Content[i]), host, depth+1, out)
		}
	}
}

func elementOf(n *yaml.Node, host string) []element {
	if n == nil {
		return nil
	}
	step := 1
	if n.Kind == yaml.MappingNode {
		step = 2
	}
	for i := 0; i < len(n.Content); i += step {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == host {
			return []element{{n, i / step}}
		}
	}
	return nil
}

func (e element) step() int {
	if e.of.Kind == yaml.MappingNode {
		return 2
	}
	return 1
}

func (e element) count() int { return len(e.of.Content) / e.step() }

// cutElement cuts an element out and proves, by reading both texts, that nothing else changed.
func cutElement(src []byte, e element) ([]byte, error) {
	if e.count() < 2 {
		return nil, fmt.Errorf("it is the only host on line %d, change it by hand", e.of.Line)
	}
	var out []byte
	if e.of.Style&yaml.FlowStyle != 0 {
		out = cutFlow(src, e)
	} else {
		out = cutLines(src, e)
	}
	byHand := fmt.Errorf("it is written on line %d in a way that cannot be cut out, change it by hand", e.of.Content[e.n*e.step()].Line)
	if out == nil {
		return nil, byHand
	}
	var was, is yaml.Node
	if yaml.Unmarshal(src, &was) != nil || yaml.Unmarshal(out, &is) != nil {
		return nil, byHand
	}
	if !sameBut(&was, &is, e) {
		return nil, byHand
	}
	return out, nil
}

// sameBut tells whether two texts say the same but for one element of the first.
func sameBut(was, is *yaml.Node, e element) bool {
	cut := nodeAt(was, e.of.Line, e.of.Column, e.of.Kind)
	if cut == nil {
		return false
	}
	cut.Content = slices.Delete(slices.Clone(cut.Content), e.n*e.step(), (e.n+1)*e.step())
	var a, b any
	return was.Decode(&a) == nil && is.Decode(&b) == nil && reflect.DeepEqual(a, b)
}

func nodeAt(n *yaml.Node, line, column int, kind yaml.Kind) *yaml.Node {
	if n.Line == line && n.Column == column && n.Kind == kind {
		return n
	}
	for _, c := range n.Content {
		if found := nodeAt(c, line, column, kind); found != nil {
			return found
		}
	}
	return nil
}

// cutLines cuts the lines of an element out, with the comments right above it; those
// above the first element may be about all of them, and stay.
func cutLines(src []byte, e element) []byte {
	lines := bytes.SplitAfter(src, []byte("\n"))
	at := func(i int) int { return e.of.Content[i*e.step()].Line - 1 }
	first := at(e.n)
	var end int
	if e.n+1 < e.count() {
		end = at(e.n + 1)
		for end > first+1 && isRemark(lines[end-1]) {
			end--
		}
	} else {
		end = deepest(e.of.Content[(e.n+1)*e.step()-1])
	}
	if e.n > 0 {
		for first > at(e.n-1)+1 && isRemark(lines[first-1]) && len(bytes.TrimSpace(lines[first-1])) > 0 {
			first--
		}
	}
	if first >= end || end > len(lines) {
		return nil
	}
	return bytes.Join(slices.Concat(lines[:first:first], lines[end:]), nil)
}

// isRemark tells whether a line is empty or a comment.
func isRemark(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}

// deepest is the last line of a node, from 1.
func deepest(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, deepest(c))
	}
	return last
}

// cutFlow cuts an element out of {a: 1, b: 2} or [a, b].
func cutFlow(src []byte, e element) []byte {
	key := e.of.Content[e.n*e.step()]
	start := offset(src, key.Line, key.Column)
	if e.n+1 < e.count() {
		next := e.of.Content[(e.n+1)*e.step()]
		end := offset(src, next.Line, next.Column)
		if start >= end || end > len(src) {
			return nil
		}
		return slices.Concat(src[:start], src[end:])
	}
	comma := bytes.LastIndexByte(src[:min(start, len(src))], ',')
	end := flowEnd(src, start)
	if comma < 0 || end < 0 {
		return nil
	}
	return slices.Concat(src[:comma], src[end:])
}

// flowEnd is where the last element of a flow map or list that begins at start ends.
func flowEnd(src []byte, start int) int {
	depth, quote := 0, byte(0)
	for i := start; i < len(src); i++ {
		switch c := src[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case strings.IndexByte("{[", c) >= 0:
			depth++
		case strings.IndexByte("}]", c) >= 0:
			if depth == 0 {
				return i
			}
			depth--
		}
	}
	return -1
}
