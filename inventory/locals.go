package inventory

import (
	"os"
	"strings"
)

// walk visits every value with its item and checks what needs the machine
// Load runs on: that local files exist, and that references stand only where a
// value is kept secret.
func (d *decoder) walk(n *node, it *item, what string) {
	if n == nil || d.bad[n] || n.shape == nullShape {
		return
	}
	switch it.kind {
	case textKind:
		d.plain(n, it, what)
		if it.local != notLocal && !d.opts.SkipFiles {
			d.local(n, it, what)
		}
	case listKind:
		for _, e := range n.items {
			d.walk(e, it.of, what)
		}
	case sectionKind:
		for _, e := range n.entries {
			if f := it.field(e.key); f != nil {
				d.walk(e.value, f, join(what, e.key))
			}
		}
	case mapKind:
		for _, e := range n.entries {
			d.walk(e.value, it.of, join(what, e.key))
		}
	case eitherKind:
		for _, alternative := range it.either {
			if alternative.takes(n) {
				d.walk(n, alternative, what)
				return
			}
		}
	}
}

// plain refuses references where the value is printed in plans and logs.
func (d *decoder) plain(n *node, it *item, what string) {
	if it.command {
		return
	}
	parts, err := splitReferences(n.text)
	if err != nil {
		return
	}
	for _, p := range parts {
		if p.kind != "" && contains(referenceKinds(), p.kind) {
			d.rep.hintf(n.pos, "references work for secrets, config: and env:", "%s is shown in plans and logs, so it cannot be a reference", what)
			d.bad[n] = true
			return
		}
	}
}

// local checks a file or folder on the operator's machine.
func (d *decoder) local(n *node, it *item, what string) {
	path := d.source(n)
	if it.local == localProgram {
		path, _, _ = strings.Cut(d.program(n), " ")
		if !strings.Contains(path, "/") {
			return
		}
	}
	if it.local == localPath || isURL(path) {
		return
	}
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		d.rep.errorf(n.pos, "%s: there is no %s", what, path)
	case err != nil:
		d.rep.errorf(n.pos, "%s: %s", what, err)
	case it.local == localDir && !info.IsDir():
		d.rep.errorf(n.pos, "%s: %s is not a directory", what, path)
	case it.local != localDir && info.IsDir():
		d.rep.errorf(n.pos, "%s: %s is a directory", what, path)
	}
}
