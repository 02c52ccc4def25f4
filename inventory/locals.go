package inventory

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
)

// walk visits every value with its item and checks what needs the machine that
// Load runs on: that the local files exist.
func (d *decoder) walk(n *node, it *item, what string) {
	if n == nil || d.bad[n] || n.shape == nullShape {
		return
	}
	switch it.kind {
	case textKind:
		if it.local != notLocal && !d.opts.SkipFiles {
			d.local(n, it, what)
		}
	case listKind:
		for _, e := range n.items {
			d.walk(e, it.of, what)
		}
	case sectionKind:
		d.walkSection(n, it, what)
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

func (d *decoder) walkSection(n *node, it *item, what string) {
	for _, e := range n.entries {
		if f := it.field(e.key); f != nil {
			d.walk(e.value, f, join(what, e.key))
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
	if isURL(path) {
		return
	}
	if it.local == localPath {
		// It need not be there; /dev/null says that there is none.
		if other, ok := errors.AsType[*localfile.NotRegularError](localfile.Check(path)); ok && path != os.DevNull {
			d.rep.errorf(n.pos, "%s: %s", what, other)
		}
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
	default:
		if err := readable(d.refs.ctx, it.local, path); err != nil {
			d.rep.errorf(n.pos, "%s: %s", what, err)
		}
	}
}

// readable tells whether what is there can be read as it will have to be: no pipe that
// nobody writes to, no device, no file without end.
func readable(ctx context.Context, kind localKind, path string) error {
	switch kind {
	case localDir:
		return localfile.CheckTree(ctx, path, localfile.Tree)
	case localFile:
		return localfile.CheckSize(path, localfile.Large)
	}
	return localfile.Check(path)
}
