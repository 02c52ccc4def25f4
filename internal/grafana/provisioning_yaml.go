package grafana

import "gopkg.in/yaml.v3"

// resolve follows an alias. Aliases are followed, never expanded: a bomb of
// them costs nothing here.
func resolve(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// child is the value of a key, looked up in merged mappings too; nil when absent.
func child(n *yaml.Node, key string) *yaml.Node {
	return childWithin(n, key, 8)
}

func childWithin(n *yaml.Node, key string, depth int) *yaml.Node {
	n = resolve(n)
	if n == nil || n.Kind != yaml.MappingNode || depth == 0 {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolve(n.Content[i+1])
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		for _, m := range append(items(n.Content[i+1]), n.Content[i+1]) {
			if c := childWithin(m, key, depth-1); c != nil {
				return c
			}
		}
	}
	return nil
}

// value is a key's scalar; "" when absent or no scalar.
func value(n *yaml.Node, key string) string {
	c := child(n, key)
	if c == nil || c.Kind != yaml.ScalarNode || c.Tag == "!!null" {
		return ""
	}
	return c.Value
}

// items are the elements of a list; none when it is no list.
func items(n *yaml.Node) []*yaml.Node {
	n = resolve(n)
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	all := make([]*yaml.Node, len(n.Content))
	for i, c := range n.Content {
		all[i] = resolve(c)
	}
	return all
}

// org is the organisation that something belongs to, 1 by default.
func org(n *yaml.Node) string {
	if o := value(n, "orgId"); o != "" {
		return o
	}
	return "1"
}
