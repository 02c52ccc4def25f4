package inventory

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// SetVersion returns the inventory with another grafana.version. Only the
// version itself changes: comments, quotes and all other bytes stay. A version
// behind an anchor is changed at the anchor, in Ansible inventories under
// all.vars.ghadeploy, in a file of group_vars/ under ghadeploy. When [PinnedChecksum] says so, the checksum has to
// follow with [SetChecksum].
func SetVersion(src []byte, version string) ([]byte, error) {
	version = strings.TrimPrefix(version, "v")
	if f := newFormats().version; !f.re.MatchString(version) {
		return nil, fmt.Errorf("setting the version: %q is not %s", version, f.want)
	}
	out, err := setScalar(src, func(old string) string {
		if strings.HasPrefix(old, "v") {
			return "v" + version
		}
		return version
	}, "grafana", "version")
	if err != nil {
		return nil, fmt.Errorf("setting grafana.version: %w", err)
	}
	return out, nil
}

// PinnedChecksum tells whether the inventory pins the checksum of the release,
// which then belongs to one version only, and under which architectures: ""
// when there is one for all.
func PinnedChecksum(src []byte) (architectures []string, err error) {
	root, err := sectionsOf(src)
	if err != nil {
		return nil, fmt.Errorf("looking for grafana.artifact.sha256: %w", err)
	}
	sums := lookup(lookup(lookup(root, "grafana"), "artifact"), "sha256")
	switch {
	case sums == nil || sums.ShortTag() == "!!null":
		return nil, nil
	case sums.Kind == yaml.ScalarNode:
		return []string{""}, nil
	case sums.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(sums.Content); i += 2 {
			architectures = append(architectures, sums.Content[i].Value)
		}
	}
	return architectures, nil
}

// SetChecksum changes grafana.artifact.sha256 as [SetVersion] changes the
// version; architecture is one that [PinnedChecksum] returned.
func SetChecksum(src []byte, architecture, sha256 string) ([]byte, error) {
	if f := newFormats().sha256; !f.re.MatchString(sha256) {
		return nil, fmt.Errorf("setting the checksum: %q is not %s", sha256, f.want)
	}
	path := []string{"grafana", "artifact", "sha256"}
	if architecture != "" {
		path = append(path, architecture)
	}
	out, err := setScalar(src, func(string) string { return sha256 }, path...)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", strings.Join(path, "."), err)
	}
	return out, nil
}

// sectionsOf finds our sections in a native or an Ansible inventory.
func sectionsOf(src []byte) (*yaml.Node, error) {
	if len(src) > MaxSize {
		return nil, errors.New("the inventory is too large")
	}
	doc, err := parseYAML(src)
	if err != nil {
		return nil, err
	}
	root := doc.root
	if all := lookup(root, "all"); all != nil {
		root = lookup(lookup(all, "vars"), ansibleSection)
	} else if ours := lookup(root, ansibleSection); ours != nil && lookup(root, "grafana") == nil {
		root = ours // a file of variables: group_vars/all.yml
	}
	if root == nil {
		return nil, errors.New("the inventory has no sections")
	}
	return root, nil
}

// lookup is the value of a key with aliases and merge keys followed.
func lookup(n *yaml.Node, key string) *yaml.Node { return lookupDepth(n, key, 0) }

func lookupDepth(n *yaml.Node, key string, depth int) *yaml.Node {
	n = target(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > maxDepth {
		return nil
	}
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch {
		case n.Content[i].Value == key:
			return target(n.Content[i+1])
		case n.Content[i].ShortTag() == "!!merge":
			merges = append(merges, target(n.Content[i+1]))
		}
	}
	for _, m := range merges {
		from := []*yaml.Node{m}
		if m != nil && m.Kind == yaml.SequenceNode {
			from = m.Content
		}
		for _, f := range from {
			if found := lookupDepth(f, key, depth+1); found != nil {
				return found
			}
		}
	}
	return nil
}

func target(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n == nil || n.Kind != yaml.AliasNode {
			return n
		}
		n = n.Alias
	}
	return nil
}

// setScalar replaces one scalar in the text and proves by reading the result
// that it is there.
func setScalar(src []byte, change func(old string) string, path ...string) ([]byte, error) {
	root, err := sectionsOf(src)
	if err != nil {
		return nil, err
	}
	n := root
	for _, key := range path {
		n = lookup(n, key)
	}
	if n == nil || n.Kind != yaml.ScalarNode {
		return nil, errors.New("there is no such key in the inventory")
	}
	start, end, err := token(src, n)
	if err != nil {
		return nil, err
	}
	value := change(n.Value)
	written := value
	if q := src[start]; q == '"' || q == '\'' {
		written = string(q) + value + string(q)
	}
	out := make([]byte, 0, len(src)+len(written))
	out = append(out, src[:start]...)
	out = append(out, written...)
	out = append(out, src[end:]...)
	check, err := sectionsOf(out)
	if err != nil {
		return nil, fmt.Errorf("the change would break the file: %w", err)
	}
	for _, key := range path {
		check = lookup(check, key)
	}
	if check == nil || check.Value != value {
		return nil, errors.New("it is written in a way that cannot be changed in place, change it by hand")
	}
	return out, nil
}

// token finds the bytes of a scalar, quotes included, anchor and tag not.
func token(src []byte, n *yaml.Node) (start, end int, err error) {
	start = offset(src, n.Line, n.Column)
	for start < len(src) && (src[start] == '&' || src[start] == '!') {
		for start < len(src) && src[start] > ' ' {
			start++
		}
		for start < len(src) && (src[start] == ' ' || src[start] == '\t') {
			start++
		}
	}
	raw := n.Value
	switch n.Style &^ yaml.TaggedStyle {
	case yaml.DoubleQuotedStyle:
		raw = `"` + raw + `"`
	case yaml.SingleQuotedStyle:
		raw = "'" + raw + "'"
	}
	end = start + len(raw)
	if end > len(src) || string(src[start:end]) != raw || raw == "" {
		return 0, 0, fmt.Errorf("the value on line %d is written in a way that cannot be changed in place, change it by hand", n.Line)
	}
	return start, end, nil
}

// offset is the byte at a line and column, which yaml counts in characters.
func offset(src []byte, line, column int) int {
	at := 0
	if strings.HasPrefix(string(src[:min(3, len(src))]), "\uFEFF") {
		at = 3
	}
	for ; line > 1 && at < len(src); at++ {
		if src[at] == '\n' {
			line--
		}
	}
	for ; column > 1 && at < len(src); column-- {
		_, size := utf8.DecodeRune(src[at:])
		at += size
	}
	return at
}
