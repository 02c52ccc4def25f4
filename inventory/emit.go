package inventory

import (
	"bytes"
	"fmt"
	"strconv"

	"gopkg.in/yaml.v3"
)

// sheet is a YAML map being written, keys in the order in which they are set.
type sheet struct{ y *yaml.Node }

func newSheet() sheet { return sheet{&yaml.Node{Kind: yaml.MappingNode}} }

// put sets a key. Empty strings, zeroes, false and empty maps and lists are
// left out: they mean the default.
func (s sheet) put(key string, value any) *yaml.Node {
	n := yamlOf(value)
	if n == nil {
		return nil
	}
	k := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}
	s.y.Content = append(s.y.Content, k, n)
	return k
}

// note puts a comment above a key; without a key it is dropped with it.
func note(key *yaml.Node, comment string) {
	if key != nil {
		key.HeadComment = comment
	}
}

func yamlOf(value any) *yaml.Node {
	switch v := value.(type) {
	case sheet:
		if len(v.y.Content) > 0 {
			return v.y
		}
	case *yaml.Node:
		return v
	case string:
		if v != "" {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v}
		}
	case int:
		if v != 0 {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
		}
	case bool:
		if v {
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"}
		}
	case []string:
		list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, word := range v {
			list.Content = append(list.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: word})
		}
		if len(v) > 0 {
			return list
		}
	}
	return nil
}

// empty is an entry without keys of its own: g1: {}.
func empty() *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle} }

// quoted is a string in double quotes, as references are written by hand.
func quoted(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Style: yaml.DoubleQuotedStyle}
}

// text writes the sheet below a comment and proves that the loader takes its shape.
func (s sheet) text(comment string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString(comment)
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(s.y); err != nil {
		return nil, fmt.Errorf("writing inventory: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("writing inventory: %w", err)
	}
	rep := newReporter("inventory.yaml", b.Bytes())
	root := parse(rep, b.Bytes())
	if root != nil {
		c := &checker{rep: rep, bad: map[*node]bool{}}
		c.check(root, table(), "")
	}
	return b.Bytes(), rep.err()
}

// node writes a value of ours as YAML again.
func (n *node) yaml() *yaml.Node {
	switch n.shape {
	case mapShape:
		out := &yaml.Node{Kind: yaml.MappingNode}
		if len(n.entries) == 0 {
			out.Style = yaml.FlowStyle
		}
		for _, e := range n.entries {
			out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.key}, e.value.yaml())
		}
		return out
	case listShape:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.items {
			if item.shape != scalarShape {
				out.Style = 0
			}
			out.Content = append(out.Content, item.yaml())
		}
		return out
	case nullShape:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}
	}
	out := &yaml.Node{Kind: yaml.ScalarNode, Tag: n.tag, Value: n.text}
	if n.tag == ageTag {
		out.Style = yaml.LiteralStyle | yaml.TaggedStyle
	}
	return out
}
