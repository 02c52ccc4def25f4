package inventory

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// shape is what a value looks like in the file.
type shape int

const (
	scalarShape shape = iota
	mapShape
	listShape
	nullShape
)

// String names the shape as an operator would.
func (s shape) String() string {
	return [...]string{"a single value", "a map", "a list", "nothing"}[s]
}

// node is one value of the file with aliases followed and merge keys applied.
// It keeps the place where the value was really written, so that a mistake in
// an anchor is reported at the anchor.
type node struct {
	shape   shape
	pos     Position
	tag     string // "!!str", "!!int", ..., "!age"
	text    string // of a scalar, as written but unquoted
	quoted  bool   // the scalar was written in quotes or as a block
	block   bool   // it was written as a block, whose last line end is still there
	entries []entry
	items   []*node
}

// entry is one key of a map.
type entry struct {
	key    string
	pos    Position // of the key
	value  *node
	merged bool // came through <<, so a later key of the same name replaces it
}

// trimBlocks takes the line end that a block adds off all texts: it is YAML's and not the
// operator's, as that of a file is not (see resolver.file). Ansible's variables keep it.
func (n *node) trimBlocks() {
	if n.block {
		n.text, n.block = strings.TrimSuffix(n.text, "\n"), false
	}
	for _, e := range n.entries {
		e.value.trimBlocks()
	}
	for _, item := range n.items {
		item.trimBlocks()
	}
}

// get returns the value of a key; nil when it is missing or null.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key && e.value.shape != nullShape {
			return e.value
		}
	}
	return nil
}

// find is get for a path of keys.
func (n *node) find(path ...string) *node {
	for _, key := range path {
		n = n.get(key)
	}
	return n
}

// The limits that keep a hostile file from eating the machine: an alias is a
// few bytes in the file and may stand for any number of values.
const (
	maxAliasValues = 100_000
	maxDepth       = 100
)

// treeBuilder turns yaml nodes into our own and collects what is wrong.
type treeBuilder struct {
	rep     *reporter
	aliased int                 // values built below an alias
	inAlias int                 // depth of aliases being followed
	open    map[*yaml.Node]bool // anchors being followed, to refuse cycles
	full    bool                // a limit was hit and reported
}

func (b *treeBuilder) at(y *yaml.Node) Position { return b.rep.at(y.Line, y.Column) }

func (b *treeBuilder) build(y *yaml.Node, depth int) *node {
	n := &node{shape: nullShape, pos: b.at(y), tag: y.ShortTag()}
	if b.full {
		return n
	}
	if b.inAlias > 0 {
		b.aliased++
	}
	switch {
	case b.aliased > maxAliasValues:
		b.full = true
		b.rep.errorf(n.pos, "aliases expand to more than %d values", maxAliasValues)
		return n
	case depth > maxDepth:
		b.full = true
		b.rep.errorf(n.pos, "values are nested more than %d deep", maxDepth)
		return n
	}
	switch y.Kind {
	case yaml.AliasNode:
		return b.alias(y, depth)
	case yaml.MappingNode:
		n.shape = mapShape
		b.entries(n, y, depth)
	case yaml.SequenceNode:
		n.shape = listShape
		for _, item := range y.Content {
			n.items = append(n.items, b.build(item, depth+1))
		}
	case yaml.ScalarNode:
		if n.tag != "!!null" {
			n.shape, n.text = scalarShape, y.Value
			n.block = y.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0
			n.quoted = y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
		}
	}
	return n
}

func (b *treeBuilder) alias(y *yaml.Node, depth int) *node {
	if b.open[y.Alias] {
		b.full = true
		b.rep.errorf(b.at(y), "the anchor %q contains itself", y.Value)
		return &node{shape: nullShape, pos: b.at(y)}
	}
	b.open[y.Alias] = true
	b.inAlias++
	n := b.build(y.Alias, depth+1)
	b.inAlias--
	delete(b.open, y.Alias)
	return n
}

// entries fills a map: its own keys first win over merged ones, and of several
// merged maps the first wins, as YAML's merge key says.
func (b *treeBuilder) entries(n *node, y *yaml.Node, depth int) {
	index := make(map[string]int, len(y.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		k, v := y.Content[i], y.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge" {
			merges = append(merges, v)
			continue
		}
		if k.Kind != yaml.ScalarNode {
			b.rep.errorf(b.at(k), "a key must be a single value")
			continue
		}
		if first, dup := index[k.Value]; dup {
			b.rep.hintf(b.at(k), "remove one of the two", "key %q is given twice (first on line %d)", k.Value, n.entries[first].pos.Line)
			continue
		}
		index[k.Value] = len(n.entries)
		n.entries = append(n.entries, entry{key: k.Value, pos: b.at(k), value: b.build(v, depth+1)})
	}
	for _, m := range merges {
		for _, from := range b.merged(m, depth) {
			for _, e := range from.entries {
				if _, own := index[e.key]; own {
					continue
				}
				e.merged = true
				index[e.key] = len(n.entries)
				n.entries = append(n.entries, e)
			}
		}
	}
}

// merged returns the maps behind one merge key, in order of precedence.
func (b *treeBuilder) merged(y *yaml.Node, depth int) []*node {
	n := b.build(y, depth+1)
	switch n.shape {
	case mapShape:
		return []*node{n}
	case nullShape:
		return nil
	case listShape:
		for _, item := range n.items {
			if item.shape != mapShape {
				b.rep.errorf(item.pos, "<< merges maps only, this is %s", item.shape)
				return nil
			}
		}
		return n.items
	}
	b.rep.errorf(n.pos, "<< merges maps only, this is %s", n.shape)
	return nil
}

// reporter collects the diagnostics of one file.
type reporter struct {
	file     string
	lines    []string
	errors   Diagnostics
	warnings Diagnostics
	hidden   map[int][]int // columns of literal secrets, by line
	blank    map[int]bool  // lines that are not shown at all
	ini      bool          // the file is read as an INI inventory
	stranger bool          // the file has nothing to do with inventories: it is not shown
	// others are further files that belong to the inventory, by path.
	others map[string]*reporter
}

func newReporter(file string, src []byte) *reporter {
	return &reporter{file: file, lines: strings.Split(string(src), "\n")}
}

// of is the reporter of a further file; its lines are shown with what is said of them.
func (r *reporter) of(file string, src []byte) *reporter {
	if r.others == nil {
		r.others = map[string]*reporter{}
	}
	r.others[file] = newReporter(file, src)
	return r.others[file]
}

func (r *reporter) at(line, column int) Position {
	return Position{File: r.file, Line: line, Column: column}
}
