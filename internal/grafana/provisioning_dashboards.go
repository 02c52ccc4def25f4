package grafana

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

func (l *linter) providerList(file string, list *yaml.Node) {
	for _, p := range items(list) {
		at := place{file, p.Line}
		dir := value(child(p, "options"), "path")
		if dir == "" {
			dir = value(child(p, "options"), "folder") // the name in Grafana 4
		}
		if dir == "" {
			l.report(Error, file, p.Line, "provider %q has no options.path", value(p, "name"))
		}
		// Two providers with one name or one path keep undoing each other (#43530).
		l.unique(Error, "dashboard provider", org(p), value(p, "name"), at)
		l.unique(Error, "dashboard path", org(p), path.Clean(dir), at)
		l.providers = append(l.providers, dashboardProvider{
			name: value(p, "name"), path: dir, folder: org(p) + "/" + value(p, "folder") + "/" + value(p, "folderUid"),
			byFolder: value(child(p, "options"), "foldersFromFilesStructure") == "true", place: at,
		})
	}
}

// dashboards reads the files of every provider whose path lies inside the tree.
func (l *linter) dashboards() error {
	for _, p := range l.providers {
		dir, ok := l.inside(p.path)
		if !ok {
			if p.path != "" {
				l.report(Warning, p.file, p.line, "the path %s of provider %q is not part of the tree: every host must have the same files there",
					p.path, p.name)
			}
			continue
		}
		err := fs.WalkDir(l.tree, dir, func(name string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && name == dir {
				l.report(Error, p.file, p.line, "the path %s of provider %q does not exist in the tree", p.path, p.name)
				return nil
			}
			if err != nil || d.IsDir() || path.Ext(name) != ".json" {
				return err
			}
			return l.dashboard(p, name)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// inside maps a path on the host to one in the tree.
func (l *linter) inside(p string) (string, bool) {
	p = path.Clean(p)
	for _, at := range l.at {
		at = path.Clean(at)
		if p == at {
			return ".", true
		}
		if rest, ok := strings.CutPrefix(p, at+"/"); ok {
			return rest, true
		}
	}
	return "", false
}

func (l *linter) dashboard(p dashboardProvider, name string) error {
	b, err := l.read(name)
	if err != nil || b == nil {
		return err
	}
	// UID and title stand at the top, or under metadata and spec in the format of 12.
	var d struct {
		ID       any
		UID      string
		Title    string
		Metadata struct{ Name string }
		Spec     struct{ Title string }
	}
	if err := json.Unmarshal(b, &d); err != nil {
		var syntax *json.SyntaxError
		line := 0
		if errors.As(err, &syntax) {
			line = 1 + bytes.Count(b[:min(int(syntax.Offset), len(b))], []byte("\n"))
		}
		l.report(Error, name, line, "not a dashboard: %v", err)
		return nil
	}
	uid, title := d.UID, d.Title
	if uid == "" {
		uid = d.Metadata.Name
	}
	if title == "" {
		title = d.Spec.Title
	}
	if title == "" {
		l.report(Error, name, 0, "the dashboard has no title (exported through the API? then move what is under \"dashboard\" to the top)")
	}
	if uid == "" {
		l.report(Warning, name, 0, "the dashboard has no uid; each node would make one up")
	}
	folder := p.folder
	if p.byFolder {
		folder += "/" + path.Dir(name)
	}
	at := place{name, 1}
	l.unique(Error, "dashboard uid", "", uid, at)
	l.unique(Error, "dashboard title in one folder", folder, title, at)
	return nil
}
