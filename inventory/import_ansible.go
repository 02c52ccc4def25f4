package inventory

import (
	"context"
	"fmt"
	"strings"
)

// FromAnsible turns an Ansible inventory that has our sections under all.vars.ghadeploy
// into a native one; of one without them it makes a skeleton from the hosts that pattern
// selects (see skeleton). Passwords in plain text are moved out: the YAML refers to
// secrets/NAME, and secrets holds what to write into each NAME. What was not taken over
// stands in a comment at its head.
func FromAnsible(path, pattern string) (yaml []byte, secrets map[string]string, err error) {
	src, err := readFile(context.Background(), path)
	if err != nil {
		return nil, nil, err
	}
	rep := newReporter(path, src)
	var inv *AnsibleInventory
	if !foreignFile(rep, src) {
		inv = readAnsible(rep, src)
	}
	if err := rep.err(); err != nil {
		return nil, nil, err
	}
	if _, ours := inv.Groups["all"].get(ansibleSection); !ours {
		return skeleton(rep, inv, pattern)
	}
	if pattern != "" {
		return nil, nil,
			Diagnostics{{Pos: Position{File: path}, Message: "ghadeploy.hosts of the inventory says which hosts are taken over, --limit does not"}}
	}
	root := nativeFromAnsible(rep, inv)
	if err := rep.err(); err != nil {
		return nil, nil, err
	}
	m := &secretMover{rep: rep, secrets: secretFiles{}, files: map[string]string{}}
	m.move(root, table(), "")
	if err := rep.err(); err != nil {
		return nil, nil, err
	}
	head := "# Made from an Ansible inventory. Look through it, then: ghadeploy check\n" + rep.notTaken()
	text, err := sheet{root.yaml()}.text(head)
	if err != nil {
		return nil, nil, fmt.Errorf("importing an Ansible inventory: %w", err)
	}
	return text, m.secrets, nil
}

// notTaken are the warnings as comments.
func (r *reporter) notTaken() string {
	var b strings.Builder
	for _, w := range r.finish(r.warnings) {
		b.WriteString("# " + strings.ReplaceAll(w.Error(), "\n", " ") + "\n")
	}
	return b.String()
}

// secretMover replaces literal secrets by references to files.
type secretMover struct {
	rep     *reporter
	secrets secretFiles
	files   map[string]string // name of its file by secret
}

// safeName is what a name of a file may be a part of: whatever else it is, it is no path.
func (m *secretMover) safeName(e entry, what string) bool {
	if !strings.ContainsAny(e.key, "/\\\x00") && !strings.Contains(e.key, "..") {
		return true
	}
	m.rep.errorf(e.pos, "%q%s has a part of a path in it, which no name may have", clip(e.key), inside(what))
	return false
}

func (m *secretMover) move(n *node, it *item, what string) {
	if n == nil || it == nil || n.shape == nullShape {
		return
	}
	switch it.kind {
	case secretKind:
		m.secret(n, what)
	case configKind:
		m.config(n, what)
	case sectionKind:
		for _, e := range n.entries {
			m.move(e.value, it.field(e.key), join(what, e.key))
		}
	case mapKind:
		for _, e := range n.entries {
			m.move(e.value, it.of, join(what, e.key))
		}
	case listKind:
		for i, e := range n.items {
			m.move(e, it.of, fmt.Sprintf("%s.%d", what, i))
		}
	}
}

// config moves the secrets of grafana.ini: section -> key.
func (m *secretMover) config(n *node, what string) {
	for _, s := range n.entries {
		for _, k := range s.value.entries {
			if secretName(s.key, k.key) && m.safeName(s, what) && m.safeName(k, join(what, s.key)) {
				m.secret(k.value, join(join(what, s.key), k.key))
			}
		}
	}
}

func (m *secretMover) secret(n *node, what string) {
	if n.shape != scalarShape || n.tag != "!!str" || n.text == "" || hasReference(n.text) || strings.HasPrefix(n.text, "$__") {
		return
	}
	// A group's password is one file, not one for each of its hosts.
	file, known := m.files[n.text]
	if !known {
		file = m.secrets.add(what, n.text)
		m.files[n.text] = file
	}
	n.text = "${file:secrets/" + file + "}"
}
