package inventory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxExtends is how many files may stand behind an inventory, one extended by the other.
const maxExtends = 8

// extendsKey names the file whose values an inventory takes where it says nothing itself.
const extendsKey = "extends"

// ownKeys are what makes an inventory one cluster. In a file that several extend they would
// give two clusters the same hosts, the same lock or the same Redis prefixes.
func ownKeys() []string { return []string{"cluster", "hosts", "groups"} }

// wholeMaps are maps that the nearer file replaces: entries of two files side by side would
// be balancers of somebody else's, and checksums of another release.
func wholeMaps() []string { return []string{"load_balancer.hosts", "grafana.artifact.sha256"} }

// extended is a file that an inventory extends, or one that such a file extends.
type extended struct {
	file string // as diagnostics name it
	dir  string // absolute; what relative paths in it are relative to
	info os.FileInfo
	root *node
}

// extender follows extends: from file to file.
type extender struct {
	ctx  context.Context
	rep  *reporter
	home string
}

// extend puts root over the files that it extends and checks each by itself, so that a
// mistake is found also where a nearer file says something else. The files are nearest
// first; without any, root stays as it is. ok is false where there is nothing to go on with.
func (x *extender) extend(root *node, check *checker) (merged *node, files []extended, ok bool) {
	if root.get(extendsKey) == nil {
		return root, nil, true
	}
	files, ok = x.chain(root)
	check.partial = true
	check.check(root, table(), "")
	for _, f := range files {
		check.check(f.root, table(), "")
		for _, e := range f.root.entries {
			if contains(ownKeys(), e.key) {
				x.rep.hintf(e.pos, "move it into the inventory",
					"%s makes one cluster of an inventory, it cannot stand in a file that inventories extend", e.key)
				ok = false
			}
		}
	}
	check.partial = false
	if !ok {
		return nil, nil, false
	}
	for _, f := range files {
		root = over(root, f.root, "")
	}
	return root, files, true
}

// chain reads the files, nearest first; what could not be read is in the reporter.
func (x *extender) chain(root *node) (files []extended, ok bool) {
	from := x.rep.file
	own, _ := os.Stat(from) // a text in memory has none
	for at := root.get(extendsKey); at != nil; at = root.get(extendsKey) {
		if at.shape != scalarShape || at.tag != "!!str" || hasReference(at.text) {
			return files, false // the checker says so
		}
		f, err := x.read(from, at.text)
		switch {
		case err != nil:
			x.rep.hintf(at.pos, err.Hint, "%s", err.Message)
			return files, false
		case os.SameFile(own, f.info) || slices.ContainsFunc(files, func(o extended) bool { return os.SameFile(o.info, f.info) }):
			x.rep.hintf(at.pos, "remove one of them", "%s extends itself: %s", f.file, circle(x.rep.file, files, f.file))
			return files, false
		case len(files) == maxExtends:
			x.rep.errorf(at.pos, "more than %d files extend each other", maxExtends)
			return files, false
		}
		if f.root == nil {
			return files, false
		}
		files, from, root = append(files, f), f.file, f.root
	}
	return files, true
}

// circle names the files from the inventory to the one that is met again.
func circle(first string, files []extended, last string) string {
	names := []string{first}
	for _, f := range files {
		names = append(names, f.file)
	}
	return strings.Join(append(names, last), " -> ")
}

// read reads the file that name is in the file from. A file without a root has mistakes
// that are in the reporter; an error is about the name.
func (x *extender) read(from, name string) (f extended, err *Diagnostic) {
	if isURL(name) {
		return f, &Diagnostic{Message: "extends must be a local file, nothing is fetched", Hint: "keep the file beside the inventories"}
	}
	f.file = filepath.Join(filepath.Dir(from), name)
	if filepath.IsAbs(name) || strings.HasPrefix(name, "~") {
		f.file = absolute("", x.home, name)
	}
	var cause error
	if f.dir, cause = filepath.Abs(filepath.Dir(f.file)); cause == nil {
		f.info, cause = os.Stat(f.file)
	}
	var src []byte
	if cause == nil {
		src, cause = readFile(x.ctx, f.file)
	}
	if errors.Is(cause, fs.ErrNotExist) {
		return f, &Diagnostic{Message: fmt.Sprintf("extends: there is no %s", f.file), Hint: "the path is relative to " + from}
	}
	if ds, ok := errors.AsType[Diagnostics](cause); ok {
		return f, &Diagnostic{Message: fmt.Sprintf("extends: %s: %s", f.file, ds[0].Message)}
	}
	if cause != nil {
		return f, &Diagnostic{Message: fmt.Sprintf("extends: %s", cause)}
	}
	rep := x.rep.of(f.file, src)
	rep.stranger = !rep.speaksOfUs()
	f.root = defaultsRoot(rep, src)
	x.rep.errors = append(x.rep.errors, rep.errors...)
	rep.errors = nil
	if f.root != nil {
		f.root.trimBlocks()
	}
	return f, nil
}

// defaultsRoot is the tree of a file that inventories extend. Of one that has nothing to do
// with inventories (a mistyped path, or one that somebody else's inventory names) nothing is shown.
func defaultsRoot(rep *reporter, src []byte) *node {
	if isAnsibleINI(rep.file, src) {
		rep.errorf(rep.at(1, 1), "this is an INI file, extends takes YAML with the sections of an inventory")
		return nil
	}
	root := parse(rep, src)
	switch {
	case !rep.stranger:
	case root == nil:
		for i := range rep.errors {
			rep.errors[i].Message, rep.errors[i].Hint = "this cannot be extended: it is not YAML with sections of an inventory", ""
		}
	default:
		rep.errorf(rep.at(1, 1), "this cannot be extended: none of its keys is a section of an inventory")
	}
	if root == nil || rep.stranger {
		return nil
	}
	if all := root.get("all"); all != nil {
		rep.errorf(all.pos, "this is an Ansible inventory, extends takes YAML with the sections of an inventory")
		return nil
	}
	return root
}

// speaksOfUs tells whether a line of a file begins with a section of an inventory.
func (r *reporter) speaksOfUs() bool {
	// Other tools have hosts and groups too.
	sections := slices.DeleteFunc(Sections(), func(s string) bool { return contains(ownKeys(), s) })
	return slices.ContainsFunc(r.lines, func(line string) bool {
		key, _, found := strings.Cut(strings.TrimPrefix(line, "\ufeff"), ":")
		return found && contains(sections, strings.Trim(key, `"'`))
	})
}

// over puts upper over lower: maps merge key by key, anything else of upper replaces what
// lower has, and an empty key of upper takes it away. what names both.
func over(upper, lower *node, what string) *node {
	out := &node{shape: mapShape, pos: upper.pos, tag: upper.tag, entries: slices.Clone(upper.entries)}
	index := make(map[string]int, len(upper.entries))
	for i, e := range upper.entries {
		index[e.key] = i
	}
	for _, e := range lower.entries {
		if what == "" && (e.key == extendsKey || strings.HasPrefix(e.key, "x-")) {
			continue
		}
		i, there := index[e.key]
		if !there {
			out.entries = append(out.entries, e)
			continue
		}
		mine := out.entries[i].value
		if at := join(what, e.key); mine.shape == mapShape && e.value.shape == mapShape && !contains(wholeMaps(), at) {
			out.entries[i].value = over(mine, e.value, at)
		}
	}
	return out
}

// Extended tells whether a place is in a file that the inventory extends, which others may
// extend too: what is written there is not this cluster's alone.
func (c *Cluster) Extended(p Position) bool { return contains(c.Extends, p.File) }

// Files are all that the inventory is read from besides secrets and what it ships: itself,
// and then what it extends.
func (c *Cluster) Files() []string { return append([]string{c.File}, c.Extends...) }
