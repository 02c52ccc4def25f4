package check

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

func provisioningChecks() []unit {
	return []unit{{
		name: "provisioning", about: "provisioning files parse, and no uid or title is there twice",
		skip: func(r *run) string {
			if r.Cluster.Grafana.Provisioning == "" {
				return "grafana.provisioning is not set"
			}
			return ""
		},
		run: onCluster(func(r *run) []Finding { return lintProvisioning(os.DirFS(r.Cluster.Grafana.Provisioning)) }),
	}}
}

const (
	provisioningFatal = "Grafana stops on a broken provisioning file (#64595)"
	duplicateWhy      = "two of a kind overwrite each other in turn, or freeze their provider (#43530, #22777)"
)

// linter collects what a provisioning tree declares: kind and name to the places
// where it is declared.
type linter struct {
	tree   fs.FS
	places map[[2]string][]string
	found  []Finding
}

// lintProvisioning reads a whole tree. Names are compared within their scope:
// uids across the organisation, dashboard titles within a folder.
func lintProvisioning(tree fs.FS) []Finding {
	l := &linter{tree: tree, places: map[[2]string][]string{}}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch strings.ToLower(path.Ext(name)) {
		case ".yaml", ".yml":
			l.yamlFile(name)
		case ".json":
			l.jsonFile(name)
		}
		return nil
	})
	if err != nil {
		return []Finding{fail("read grafana.provisioning: "+err.Error(), "it could not be shipped", "correct the path in the inventory")}
	}
	l.duplicates()
	slices.SortFunc(l.found, func(a, b Finding) int { return cmp.Compare(a.What, b.What) })
	return l.found
}

func (l *linter) declare(kind, name, place string) {
	if name != "" {
		key := [2]string{kind, name}
		l.places[key] = append(l.places[key], place)
	}
}

func (l *linter) duplicates() {
	for key, places := range l.places {
		if len(places) > 1 {
			l.found = append(l.found, fail(fmt.Sprintf("%s %q is declared %d times: %s", key[0], key[1], len(places), strings.Join(places, ", ")), duplicateWhy, "rename or remove all but one"))
		}
	}
}

func (l *linter) broken(name string, err error) {
	l.found = append(l.found, fail(name+": "+err.Error(), provisioningFatal, "correct the file"))
}

// provisionFile is what the checks read of any provisioning file; its folder says
// which part is meant.
type provisionFile struct {
	Datasources []struct {
		Name, UID string
		OrgID     int  `yaml:"orgId"`
		IsDefault bool `yaml:"isDefault"`
	}
	Providers []struct {
		Name  string
		OrgID int `yaml:"orgId"`
	}
	Groups []struct {
		Name, Folder string
		OrgID        int `yaml:"orgId"`
		Rules        []struct{ UID, Title string }
	}
	ContactPoints []struct {
		Name      string
		OrgID     int `yaml:"orgId"`
		Receivers []struct{ UID string }
	} `yaml:"contactPoints"`
}

func (l *linter) yamlFile(name string) {
	text, err := fs.ReadFile(l.tree, name)
	if err != nil {
		l.broken(name, err)
		return
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	for {
		var f provisionFile
		err := decoder.Decode(&f)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			l.broken(name, err)
			return
		}
		l.declared(name, f)
	}
}

func (l *linter) declared(name string, f provisionFile) {
	org := func(id int) string { return fmt.Sprintf(" in organisation %d", max(id, 1)) }
	for _, d := range f.Datasources {
		l.declare("data source"+org(d.OrgID), d.Name, name)
		l.declare("data source uid"+org(d.OrgID), d.UID, name)
		if d.IsDefault {
			l.declare("data source"+org(d.OrgID)+" marked", "isDefault", name)
		}
	}
	for _, p := range f.Providers {
		l.declare("dashboard provider"+org(p.OrgID), p.Name, name)
	}
	for _, g := range f.Groups {
		l.declare("rule group"+org(g.OrgID), g.Folder+"/"+g.Name, name)
		for _, rule := range g.Rules {
			l.declare("alert rule uid"+org(g.OrgID), rule.UID, name)
			l.declare("alert rule"+org(g.OrgID), g.Folder+"/"+rule.Title, name)
		}
	}
	for _, c := range f.ContactPoints {
		for _, receiver := range c.Receivers {
			l.declare("contact point uid"+org(c.OrgID), receiver.UID, name)
		}
	}
}

// jsonFile is a dashboard when it has panels or rows, or is a file of dashboards.
func (l *linter) jsonFile(name string) {
	text, err := fs.ReadFile(l.tree, name)
	if err != nil {
		l.broken(name, err)
		return
	}
	var d struct {
		UID, Title string
		Panels     json.RawMessage
		Rows       json.RawMessage
		Version    json.RawMessage `json:"schemaVersion"`
	}
	if err := json.Unmarshal(text, &d); err != nil {
		l.broken(name, err)
		return
	}
	if d.Panels == nil && d.Rows == nil && d.Version == nil {
		return
	}
	l.declare("dashboard uid", d.UID, name)
	if d.Title == "" {
		l.broken(name, errors.New("the dashboard has no title"))
	}
	// Titles must differ within a folder; providers map folders on disk to them.
	l.declare("dashboard title in "+filepath.ToSlash(path.Dir(name)), d.Title, name)
}
