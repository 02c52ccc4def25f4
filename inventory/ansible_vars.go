package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// varsExtensions of files of variables, in the order in which Ansible looks for them.
var varsExtensions = []string{"", ".yml", ".yaml", ".json"}

// readVars reads group_vars/ and host_vars/ beside the inventory, as Ansible's plugin
// host_group_vars does.
func (inv *AnsibleInventory) readVars(rep *reporter) {
	dir := filepath.Dir(rep.file)
	if groups := filepath.Join(dir, "group_vars"); isFolder(groups) {
		for _, name := range slices.Sorted(maps.Keys(inv.Groups)) {
			inv.Groups[name].files = varsOf(rep, groups, name)
		}
	}
	if hosts := filepath.Join(dir, "host_vars"); isFolder(hosts) {
		for _, name := range inv.Hosts {
			inv.own[name].files = varsOf(rep, hosts, name)
		}
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// varsOf reads the variables of one group or host; of a name in two files the later
// one counts.
func varsOf(rep *reporter, dir, name string) map[string]ansibleVar {
	out := map[string]ansibleVar{}
	if name == "" || name == "." || name == ".." || strings.ContainsRune(name, filepath.Separator) {
		return out
	}
	files, err := varsFiles(filepath.Join(dir, name))
	if err != nil {
		rep.errorf(Position{File: filepath.Join(dir, name)}, "reading variables: %s", err)
	}
	for _, f := range files {
		readVarsFile(rep, f, out)
	}
	return out
}

// varsFiles are the file at path, with the first extension that there is, or the
// files of the folder there, in the order in which they are merged.
func varsFiles(path string) ([]string, error) {
	for _, ext := range varsExtensions {
		info, err := os.Stat(path + ext)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case info.IsDir():
			return varsFolder(path+ext, 0)
		default:
			return []string{path + ext}, nil
		}
	}
	return nil, nil
}

// maxVarsDepth is how deep folders of variables may lie in each other.
const maxVarsDepth = 8

// varsFolder looks into folders without an extension too, but not at hidden files
// and backups.
func varsFolder(dir string, depth int) (files []string, err error) {
	if depth > maxVarsDepth {
		return nil, fmt.Errorf("%s: folders are nested more than %d deep (does a link lead to its own folder?)", dir, maxVarsDepth)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		name, path := e.Name(), filepath.Join(dir, e.Name())
		if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
			continue
		}
		switch ext := filepath.Ext(name); {
		case isFolder(path) && ext == "":
			below, err := varsFolder(path, depth+1)
			if err != nil {
				return nil, err
			}
			files = append(files, below...)
		case slices.Contains(varsExtensions, ext) && !isFolder(path):
			files = append(files, path)
		}
	}
	return files, nil
}

// vaulted begins a file that ansible-vault has encrypted.
var vaulted = []byte("$ANSIBLE_VAULT;")

// readVarsFile adds the variables of a file to vars.
func readVarsFile(rep *reporter, path string, vars map[string]ansibleVar) {
	src, err := readFile(context.Background(), path)
	if err != nil {
		rep.errorf(Position{File: path}, "%s", strings.TrimPrefix(err.Error(), path+": "))
		return
	}
	if bytes.HasPrefix(src, vaulted) {
		rep.warnf(Position{File: path}, "what ghadeploy needs of it can be written as ${cmd:...} or another reference",
			"encrypted with ansible-vault, which ghadeploy does not open: left out")
		return
	}
	own := rep.of(path, src)
	defer func() { rep.errors = append(rep.errors, own.errors...) }()
	doc, err := parseYAML(src)
	if err != nil {
		own.syntax(src, err)
		return
	}
	if doc.second > 0 {
		own.errorf(own.at(doc.second, 1), "a second YAML document starts here")
	}
	if doc.root == nil {
		return
	}
	b := &treeBuilder{rep: own, open: map[*yaml.Node]bool{}}
	root := b.build(doc.root, 0)
	if root.shape != mapShape && root.shape != nullShape {
		own.errorf(root.pos, "%s must be a map of variables, this is %s", filepath.Base(path), root.shape)
		return
	}
	for _, e := range root.entries {
		vars[e.key] = ansibleVar{e.value, e.pos}
	}
}

// get is a variable of the group itself: what group_vars/ says goes before what the
// inventory says.
func (g *AnsibleGroup) get(name string) (ansibleVar, bool) { return fileFirst(g.files, g.vars, name) }

// get is the same for a host and host_vars/.
func (h *ansibleHost) get(name string) (ansibleVar, bool) { return fileFirst(h.files, h.vars, name) }

func fileFirst(files, vars map[string]ansibleVar, name string) (ansibleVar, bool) {
	if v, ok := files[name]; ok {
		return v, true
	}
	v, ok := vars[name]
	return v, ok
}
