package grafana

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Severity of a finding.
type Severity string

// The severities: an Error stops Grafana or freezes provisioning, a Warning
// does something that was hardly meant.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is something in a provisioning tree.
type Finding struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file"`
	Line     int      `json:"line,omitempty"` // 0: the whole file
	Message  string   `json:"message"`
}

// String is "file:line: message".
func (f Finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Message
	}
	return f.File + ":" + strconv.Itoa(f.Line) + ": " + f.Message
}

const maxProvisioned = 10 << 20

// LintProvisioning reads a provisioning tree (datasources/, dashboards/,
// alerting/, plugins/, notifiers/, access-control/) as Grafana would and reports
// what would stop it: provisioning errors are fatal at start. at are the paths
// at which the tree lies on a host; dashboard providers whose path is below one
// of them are followed. The error is that of reading tree.
func LintProvisioning(tree fs.FS, at ...string) ([]Finding, error) {
	l := &linter{tree: tree, at: at, seen: map[string]place{}}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return l.file(name)
	})
	if err == nil {
		err = l.dashboards()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the provisioning tree: %w", err)
	}
	slices.SortStableFunc(l.found, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Message, b.Message))
	})
	return l.found, nil
}

type place struct {
	file string
	line int
}

type linter struct {
	tree      fs.FS
	at        []string
	found     []Finding
	seen      map[string]place // "kind\0org\0name" -> where
	providers []dashboardProvider
}

// dashboardProvider is an entry of dashboards/*.yaml.
type dashboardProvider struct {
	name, path, folder string
	byFolder           bool // foldersFromFilesStructure
	place
}

func (l *linter) report(s Severity, file string, line int, format string, args ...any) {
	l.found = append(l.found, Finding{Severity: s, File: file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// unique reports the second of two equal names.
func (l *linter) unique(s Severity, kind, org, name string, at place) {
	if name == "" {
		return
	}
	id := kind + "\x00" + org + "\x00" + name
	if first, dup := l.seen[id]; dup {
		l.report(s, at.file, at.line, "duplicate %s %q; the first is at %s:%d", kind, name, first.file, first.line)
		return
	}
	l.seen[id] = at
}

var lintedFolders = []string{"datasources", "dashboards", "alerting", "plugins", "notifiers", "access-control"}

func (l *linter) file(name string) error {
	folder, rest, ok := strings.Cut(name, "/")
	ext := path.Ext(name)
	isYAML := ext == ".yaml" || ext == ".yml"
	if !isYAML && (ext != ".json" || folder != "alerting") {
		return nil
	}
	if !ok || !slices.Contains(lintedFolders, folder) {
		l.report(Warning, name, 0, "Grafana reads provisioning only from %s", strings.Join(lintedFolders, ", "))
		return nil
	}
	if strings.Contains(rest, "/") {
		l.report(Warning, name, 0, "Grafana does not read %s files in folders below %s", ext, folder)
		return nil
	}
	b, err := l.read(name)
	if err != nil || b == nil {
		return err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		line, text := yamlError(err, b)
		l.report(Error, name, line, "%s", text)
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	l.document(folder, name, doc.Content[0])
	return nil
}

func (l *linter) read(name string) ([]byte, error) {
	info, err := fs.Stat(l.tree, name)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			l.report(Error, name, 0, "a link that leads nowhere")
			return nil, nil
		}
		return nil, err
	}
	if info.Size() > maxProvisioned {
		l.report(Error, name, 0, "has %d bytes; more than %d is not provisioning", info.Size(), maxProvisioned)
		return nil, nil
	}
	return fs.ReadFile(l.tree, name)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\s+)?line (\d+): (.*)`)

// yamlError finds the line, and says "tab" where the parser says "character
// that cannot start any token".
func yamlError(err error, b []byte) (int, string) {
	m := yamlLine.FindStringSubmatch(err.Error())
	if m == nil {
		return 0, strings.TrimPrefix(err.Error(), "yaml: ")
	}
	line, convErr := strconv.Atoi(m[1])
	if convErr != nil {
		return 0, m[2]
	}
	lines := strings.Split(string(b), "\n")
	// The parser counts from the end of the last token: the tab may be one line on.
	for _, i := range []int{line - 1, line} {
		if i >= 0 && i < len(lines) {
			indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " \t"))]
			if strings.Contains(indent, "\t") {
				return i + 1, "a tab in the indentation; YAML wants spaces"
			}
		}
	}
	return line, m[2]
}

func (l *linter) document(folder, name string, root *yaml.Node) {
	if root.Kind != yaml.MappingNode {
		if folder == "dashboards" && root.Kind == yaml.SequenceNode {
			l.report(Warning, name, root.Line, "the format of Grafana 4: write apiVersion: 1 and providers:")
			l.providerList(name, root)
			return
		}
		l.report(Error, name, root.Line, "want keys at the top, like apiVersion: 1")
		return
	}
	if v := value(root, "apiVersion"); v == "" {
		l.report(Warning, name, root.Line, "no apiVersion; write apiVersion: 1")
	}
	switch folder {
	case "datasources":
		l.datasources(name, root)
	case "dashboards":
		l.providerList(name, child(root, "providers"))
	case "alerting":
		l.alerting(name, root)
	case "plugins":
		for _, app := range items(child(root, "apps")) {
			l.require(name, app, "type")
			l.unique(Error, "app", org(app), value(app, "type"), place{name, app.Line})
		}
	case "notifiers":
		for _, n := range items(child(root, "notifiers")) {
			l.require(name, n, "name", "type")
			l.unique(Error, "notifier uid", org(n), value(n, "uid"), place{name, n.Line})
			l.unique(Error, "notifier", org(n), value(n, "name"), place{name, n.Line})
		}
	}
}

func (l *linter) require(file string, n *yaml.Node, keys ...string) {
	for _, k := range keys {
		if value(n, k) == "" {
			l.report(Error, file, n.Line, "%s is missing", k)
		}
	}
}

// literalDollar finds what Grafana would take for a variable in the middle of a
// secret: "pa$word" becomes "pa".
var literalDollar = regexp.MustCompile(`(^|[^$])\$[A-Za-z_{]`)
var wholeVariable = regexp.MustCompile(`^\$(\w+|\{\w+\}|__\w+\{.*\})$`)

func (l *linter) datasources(name string, root *yaml.Node) {
	for _, d := range items(child(root, "datasources")) {
		at := place{name, d.Line}
		l.require(name, d, "name", "type")
		l.unique(Error, "data source uid", org(d), value(d, "uid"), at)
		l.unique(Error, "data source", org(d), value(d, "name"), at)
		if value(d, "isDefault") == "true" {
			l.unique(Error, "default data source of organisation", "", org(d), at)
		}
		if value(d, "uid") == "" {
			l.report(Warning, name, d.Line, "data source %q has no uid; dashboards can only refer to it by a random one", value(d, "name"))
		}
		secure := child(d, "secureJsonData")
		if secure == nil || secure.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(secure.Content); i += 2 {
			v := resolve(secure.Content[i+1])
			if literalDollar.MatchString(v.Value) && !wholeVariable.MatchString(v.Value) {
				l.report(Warning, name, v.Line, "secureJsonData.%s holds a $, which Grafana expands as a variable; write $$ for a literal one",
					secure.Content[i].Value)
			}
		}
	}
}

func (l *linter) alerting(name string, root *yaml.Node) {
	for _, g := range items(child(root, "groups")) {
		l.require(name, g, "name", "folder", "interval")
		l.unique(Error, "rule group", org(g)+"/"+value(g, "folder"), value(g, "name"), place{name, g.Line})
		for _, r := range items(child(g, "rules")) {
			l.require(name, r, "uid", "title", "condition")
			l.unique(Error, "rule uid", org(g), value(r, "uid"), place{name, r.Line})
			l.unique(Error, "rule title", org(g)+"/"+value(g, "folder"), value(r, "title"), place{name, r.Line})
		}
	}
	for _, c := range items(child(root, "contactPoints")) {
		l.require(name, c, "name")
		for _, r := range items(child(c, "receivers")) {
			l.require(name, r, "uid", "type")
			l.unique(Error, "receiver uid", org(c), value(r, "uid"), place{name, r.Line})
		}
	}
	for _, kind := range []string{"muteTimes", "templates"} {
		for _, m := range items(child(root, kind)) {
			l.require(name, m, "name")
			l.unique(Error, kind, org(m), value(m, "name"), place{name, m.Line})
		}
	}
	for _, p := range items(child(root, "policies")) {
		l.unique(Error, "notification policy tree of organisation", "", org(p), place{name, p.Line})
	}
}
