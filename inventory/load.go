package inventory

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// Options say how far [Load] goes.
type Options struct {
	// Resolve reads secret references. Without it every reference stands for a
	// placeholder, so that an inventory can be checked where its secrets are not.
	Resolve bool
	// SkipFiles leaves out the check that local files named in the inventory exist.
	SkipFiles bool
	// LookupEnv replaces os.LookupEnv for ${env:NAME}.
	LookupEnv func(string) (string, bool)
	// Home replaces the operator's home directory for ~.
	Home string
}

func (o Options) home() string {
	if o.Home != "" {
		return o.Home
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "/"
	}
	return home
}

// Load reads the inventory at path, native or Ansible's (YAML or static INI), and returns it with
// defaults filled in, ranges and groups resolved, secrets read and relative
// paths made absolute.
//
// Overrides are merged key by key: files that it extends, the nearest last < cluster <
// groups in file order < host.
//
// All mistakes of the file come at once as [Diagnostics]; any other error means
// that the file could not be read. What is questionable but not wrong is in
// [Cluster.Warnings].
func Load(ctx context.Context, path string, opts Options) (*Cluster, error) {
	src, err := readFile(ctx, path)
	if err != nil {
		return nil, err
	}
	return parseCluster(ctx, path, src, opts)
}

// Parse is [Load] for text that is in memory; path names it in errors, and
// relative paths are relative to its folder.
func Parse(ctx context.Context, path string, src []byte, opts Options) (*Cluster, error) {
	return parseCluster(ctx, path, src, opts)
}

func parseCluster(ctx context.Context, path string, src []byte, opts Options) (*Cluster, error) {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("reading inventory: %w", err)
	}
	rep := newReporter(path, src)
	root := readRoot(rep, src)
	if root == nil {
		return nil, rep.err()
	}
	root.trimBlocks()
	check := &checker{rep: rep, bad: map[*node]bool{}}
	root, files, ok := (&extender{ctx: ctx, rep: rep, home: opts.home()}).extend(root, check)
	if !ok {
		return nil, rep.err()
	}
	check.check(root, table(), "")
	d := &decoder{rep: rep, bad: check.bad, dir: dir, dirs: map[string]string{}, opts: opts,
		refs: &resolver{ctx: ctx, opts: opts, dir: dir, cache: map[string]resolved{}}}
	for _, f := range files {
		d.dirs[f.file] = f.dir
	}
	d.walk(root, table(), "")
	c := d.cluster(root)
	c.File, c.Dir, c.Unresolved = path, dir, !opts.Resolve
	c.place, c.finish = root.place, rep.finish
	c.References = len(d.refs.cache)
	for _, f := range files {
		c.Extends = append(c.Extends, f.file)
	}
	d.semantics(c, root)
	if err := rep.err(); err != nil {
		return nil, err
	}
	c.Warnings = rep.finish(rep.warnings)
	return c, nil
}

// readRoot is the tree of an inventory of any kind, as a native one; nil when there is
// nothing to go on with.
func readRoot(rep *reporter, src []byte) *node {
	if foreignFile(rep, src) {
		return nil
	}
	if isAnsibleINI(rep.file, src) {
		inv := parseINI(rep, src)
		if inv == nil {
			return nil
		}
		return nativeFromAnsible(rep, inv)
	}
	root := parse(rep, src)
	if root == nil || foreignRoot(rep, root) {
		return nil
	}
	if root.get("all") != nil {
		return nativeFromAnsible(rep, parseAnsible(rep, root))
	}
	return root
}
