package desired

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// Host is what one host shall be.
type Host struct {
	Host       string
	Release    Release
	Generation *Generation
	// Group is how chown is told the group that Grafana runs with.
	Group string
	// Warnings are what rendering found questionable.
	Warnings []string
}

// Error is what the inventory asks of a host and cannot be had: exit code 3.
type Error struct{ Message string }

// Error is the message.
func (e *Error) Error() string { return e.Message }

// Inputs are what Of needs from outside the inventory, read beforehand so
// that it stays pure.
type Inputs struct {
	// Version replaces the inventory's (an upgrade); empty: the inventory's.
	Version string
	// Releases by architecture, and the architecture of each host.
	Releases map[string]Release
	Arch     map[string]string
	// IPs are the resolved addresses of all hosts.
	IPs map[string]string
	// Systemd is each host's version; 0 when unknown.
	Systemd map[string]int
	// Groups are how each host's unit names the group that Grafana runs with; without one
	// it is named as the user.
	Groups map[string]string
	// Files are the contents of the local files that the inventory names.
	Files map[string][]byte
	// Provisioning is the tree of grafana.provisioning: slash path to content.
	Provisioning map[string][]byte
	Plugins      []Plugin
}

// Of says what one host shall be. The same inventory and inputs give the
// same generation, byte for byte, wherever it is called.
func Of(c *inventory.Cluster, h *inventory.Host, in Inputs) (*Host, error) {
	version := in.Version
	if version == "" {
		version = c.Grafana.Version
	}
	v, err := grafana.ParseVersion(version)
	if err != nil {
		return nil, &Error{err.Error()}
	}
	rel, ok := in.Releases[in.Arch[h.Name]]
	if !ok {
		return nil, &Error{fmt.Sprintf("%s: no release for the architecture %q", h.Name, in.Arch[h.Name])}
	}
	node := Node(c, h, v, in.IPs, rel.Defaults)
	rendered, err := node.Render()
	if err != nil {
		return nil, &Error{fmt.Sprintf("%s: grafana.ini: %v", h.Name, err)}
	}
	s := &Host{Host: h.Name, Release: rel, Group: cmp.Or(in.Groups[h.Name], c.Paths.Group, c.Paths.User), Warnings: rendered.Warnings}
	if len(rel.Defaults) > 0 {
		warnings, errs := grafana.CheckKeys(node.Extra, rel.Defaults, v)
		s.Warnings = append(s.Warnings, warnings...)
		if len(errs) > 0 {
			return nil, &Error{fmt.Sprintf("%s: grafana.ini: %v", h.Name, joinErrors(errs))}
		}
	}
	g := &Generation{Version: version, Release: rel.Name(), Plugins: slices.Clone(in.Plugins)}
	hide := mask.For(c)
	g.add(File{Path: INIFile, Mode: 0o640, Content: rendered.INI, Shown: hide.INI(rendered.Shown)})
	for _, name := range slices.Sorted(maps.Keys(rendered.Secrets)) {
		g.add(File{Path: path.Join(SecretsDir, name), Mode: 0o640, Content: rendered.Secrets[name]})
	}
	if err := g.addLocal(c, in, hide); err != nil {
		return nil, err
	}
	env, err := environment(h.Env, false)
	if err != nil {
		return nil, &Error{fmt.Sprintf("%s: env: %v", h.Name, err)}
	}
	shown, err := environment(h.Env, true)
	if err != nil {
		return nil, err
	}
	g.add(File{Path: EnvFile, Mode: 0o640, Content: env, Shown: shown})
	unit, err := unitOf(c, h, rel, v, in.Systemd[h.Name], in.Groups[h.Name])
	if err != nil {
		return nil, &Error{fmt.Sprintf("%s: unit: %v", h.Name, err)}
	}
	g.add(File{Path: UnitFile, Mode: 0o644, Content: unit, Shown: unit})
	s.Generation = g
	return s, g.seal()
}

func (g *Generation) add(f File) { g.Files = append(g.Files, f) }

// addLocal takes in the files of the operator's machine.
func (g *Generation) addLocal(c *inventory.Cluster, in Inputs, hide mask.Masker) error {
	for _, l := range localFiles(c) {
		b, ok := in.Files[l.source]
		if !ok {
			return &Error{fmt.Sprintf("%s was not read", l.source)}
		}
		f := File{Path: l.path, Mode: 0o640, Content: b, Owned: l.owned, unknown: l.unknown}
		if l.owned {
			f.Mode = 0o600
		}
		switch {
		case l.secret:
		case l.unknown:
			f.Shown = mask.Fingerprint(b)
		default:
			f.Shown = hide.Text(l.path, b)
		}
		g.add(f)
	}
	for _, p := range slices.Sorted(maps.Keys(in.Provisioning)) {
		b := in.Provisioning[p]
		g.add(File{Path: path.Join(Provisioning, p), Mode: 0o640, Content: b, Shown: hide.Text(p, b)})
	}
	return nil
}

// environment renders what systemd hands to the process; with show, secrets masked.
func environment(env map[string]inventory.Value, show bool) ([]byte, error) {
	plain := map[string]string{}
	for name, v := range env {
		plain[name] = v.Reveal()
		if show && v.IsSecret() {
			plain[name] = mask.Secret(v.Reveal())
		}
	}
	return grafana.RenderEnvironment(plain)
}

func joinErrors(errs []error) string {
	out := make([]string, len(errs))
	for i, e := range errs {
		out[i] = e.Error()
	}
	return strings.Join(out, "; ")
}
