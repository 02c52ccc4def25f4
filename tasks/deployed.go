package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// deployed is a generation as a host has it, with its secrets: what the host runs, or shall
// go back to. It lives in memory only, and nothing of it is shown but what package reach
// names.
type deployed struct {
	root, id string
	files    map[string][]byte
}

// deployedScript prints, of generation $2 in root $1, what its settings are made of, and of
// what is current in root $3 the texts of the files that follow, as people may see them.
const deployedScript = `
show() { printf '%s\t%s\n' "$(wc -c <"$1" | tr -d ' ')" "$2"; cat "$1"; }
(
	cd "$1/generations/$2/" 2>/dev/null || exit 0
	for p in manifest.json unit etc/grafana.ini etc/environment etc/secrets/* etc/tls/database*; do
		[ -f "$p" ] && [ ! -L "$p" ] && show "$p" "own/$p"
	done
)
cd "$3/current/" 2>/dev/null || exit 0
shift 3
for p; do
	f=$p; [ -f "shown/$p" ] && f=shown/$p
	[ -f "$f" ] && show "$f" "shown/$p"
done
exit 0
`

// readDeployed reads a generation of a host. One that is not there has no files. shown are
// the texts that were asked for, of what is current.
func readDeployed(ctx context.Context, h fleet.Host, root, id string, p inventory.Paths, ask ...string) (d deployed,
	shown map[string][]byte, err error) {
	d = deployed{root: root, id: id, files: map[string][]byte{}}
	res, err := h.Run(ctx, remote.Command{
		Step: "read the current files", Script: deployedScript, Args: append([]string{root, id, p.Root}, ask...), Become: true,
		Output: textsOutput,
	})
	if err != nil {
		return d, nil, err
	}
	all, err := splitTexts(h.Name, res.Stdout)
	shown = map[string][]byte{}
	for name, text := range all {
		if own, ok := strings.CutPrefix(name, "own/"); ok {
			d.files[own] = text
		} else if s, ok := strings.CutPrefix(name, "shown/"); ok {
			shown[s] = text
		}
	}
	return d, shown, err
}

// runsFrom is the generation that a host's process was started from, or would be, and the
// root that it lies in, which the inventory may have changed since.
func runsFrom(f *Facts, p inventory.Paths) (root, id string) {
	root, id = p.Root, f.Service.Generation
	if id == "" && f.Service.Running() && f.Service.OtherGeneration != "" {
		return f.Service.OtherRoot, f.Service.OtherGeneration
	}
	if id == "" {
		id = f.Current
	}
	return root, id
}

// otherRoot finds a generation of ours in a command line, whatever its root.
var otherRoot = regexp.MustCompile(`(/[A-Za-z0-9._/-]*)/generations/([0-9a-f]+)/`)

// wantedFiles are those of a generation that is still to be written.
func wantedFiles(g *desired.Generation) map[string][]byte {
	out := map[string][]byte{}
	for _, f := range g.Files {
		out[f.Path] = f.Content
	}
	if m, err := json.Marshal(g.Manifest()); err == nil {
		out["manifest.json"] = m
	}
	return out
}

// state is what package reach compares.
func (d deployed) state() (reach.State, error) {
	s := reach.State{Root: d.root, User: unitUser(d.files[desired.UnitFile])}
	settings, err := grafana.EntriesOf(d.files[desired.INIFile])
	if err != nil {
		return s, fmt.Errorf("generation %s: %w", d.id, err)
	}
	environment := grafana.EnvironmentOf(d.files[desired.EnvFile])
	for name, value := range settings {
		settings[name] = d.resolved(value)
	}
	for _, name := range reach.Keys() {
		if v, there := environment[grafana.EnvironmentName(cutKey(name))]; there {
			settings[name] = v
		}
	}
	s.Settings = settings
	var m desired.Manifest
	if json.Unmarshal(d.files["manifest.json"], &m) == nil {
		for _, p := range m.Plugins[:min(len(m.Plugins), mostPlugins)] {
			s.Plugins = append(s.Plugins, p.ID)
		}
	}
	slices.Sort(s.Plugins)
	return s, nil
}

// mostPlugins bounds what a host tells of its plugins.
const mostPlugins = 200

// cutKey takes "auth.github.enabled" apart at its last point.
func cutKey(name string) (section, key string) {
	i := strings.LastIndexByte(name, '.')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// resolved is a value with what stands in a file of the generation.
func (d deployed) resolved(value string) string {
	p, ok := grafana.FileOf(value)
	if !ok {
		return value
	}
	if i := strings.Index(p, "/"+desired.SecretsDir+"/"); i >= 0 {
		if text, there := d.files[p[i+1:]]; there {
			return strings.TrimSpace(string(text))
		}
	}
	return value
}

var unitUserLine = regexp.MustCompile(`(?m)^User=([A-Za-z0-9._-]+)$`)

func unitUser(unit []byte) string {
	if m := unitUserLine.FindSubmatch(unit); m != nil {
		return string(m[1])
	}
	return ""
}

// database is the login that a generation has. Its certificates are put into dir, which the
// caller removes.
func (d deployed) database(s reach.State, dir string) (inventory.Database, error) {
	get := func(key string) string { return s.Settings["database."+key] }
	if get("url") != "" { // nothing of ours writes it, and it is not taken apart
		return inventory.Database{Type: "database.url"}, nil
	}
	user, password := get("user"), get("password")
	if get("type") == "postgres" {
		user, password = grafana.FromPostgresValue(user), grafana.FromPostgresValue(password)
	}
	out := inventory.Database{
		Type: get("type"), Host: get("host"), Name: get("name"), User: user, Password: inventory.NewSecret(password, "generation"),
		SSLMode: get("ssl_mode"), ServerName: get("server_cert_name"),
	}
	for name, to := range map[string]*string{"database-ca.crt": &out.CACert, "database.crt": &out.ClientCert, "database.key": &out.ClientKey} {
		text, there := d.files[path.Join(desired.TLSDir, name)]
		if !there {
			continue
		}
		*to = filepath.Join(dir, name)
		if err := os.WriteFile(*to, text, 0o600); err != nil {
			return out, fmt.Errorf("keep the certificates of generation %s: %w", d.id, err)
		}
	}
	return out, nil
}
