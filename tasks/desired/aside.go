package desired

import (
	"maps"
	"path"
	"slices"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// Aside is the files of a Grafana on the side, below folder on its host: the host's own
// of the version to come, plugins and provisioning too, since a version that finds less
// there deletes what it had provisioned; with a grafana.ini that ties it to nothing.
func Aside(c *inventory.Cluster, h *inventory.Host, in Inputs, rel Release, folder string, a grafana.Aside) (*Generation, error) {
	v, err := grafana.ParseVersion(rel.Version)
	if err != nil {
		return nil, &Error{err.Error()}
	}
	node := nodeBelow(c, h, v, in.IPs, rel.Defaults, folder)
	node.Aside = &a
	node.Paths.Data, node.Paths.Logs = path.Join(folder, "data"), path.Join(folder, "logs")
	rendered, err := node.Render()
	if err != nil {
		return nil, &Error{h.Name + ": grafana.ini of a Grafana on the side: " + err.Error()}
	}
	g := &Generation{Version: rel.Version, Release: rel.Name(), Plugins: slices.Clone(in.Plugins)}
	g.add(File{Path: INIFile, Mode: 0o640, Content: rendered.INI})
	for _, name := range slices.Sorted(maps.Keys(rendered.Secrets)) {
		g.add(File{Path: path.Join(SecretsDir, name), Mode: 0o640, Content: rendered.Secrets[name]})
	}
	if err := g.addLocal(c, in, mask.For(c)); err != nil {
		return nil, err
	}
	env := maps.Clone(h.Env)
	maps.DeleteFunc(env, func(name string, _ inventory.Value) bool { return !grafana.AsideEnvironment(name) })
	text, err := environment(env, false)
	if err != nil {
		return nil, &Error{h.Name + ": env: " + err.Error()}
	}
	g.add(File{Path: EnvFile, Mode: 0o640, Content: text})
	for i := range g.Files {
		g.Files[i].Shown = nil // nobody is shown what is gone in a moment
	}
	return g, g.seal()
}
