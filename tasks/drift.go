package tasks

import (
	"context"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// Drift is one file on a host that is not what was deployed.
type Drift struct {
	Host    string `json:"host"`
	Path    string `json:"path"`
	What    string `json:"what"` // "changed", "missing", "unexpected"
	Unified string `json:"unified,omitempty"`
}

// textScript prints files as they are: length and path, then the text.
const textScript = `
cd "$1/current/" || exit 0
shift
for p; do [ -f "$p" ] && printf '%s\t%s\n' "$(wc -c <"$p" | tr -d ' ')" "$p" && cat "$p"; done
true
`

// Drift lists what on the hosts is not what the inventory would deploy there under the
// generation that is current: files that somebody changed, added or deleted by hand.
// When hosts do not answer it lists the others' and returns the errors too.
func (r *Runner) Drift(ctx context.Context) ([]Drift, error) {
	p := &picture{}
	var ipErr error
	var wg guard.Group
	wg.Go(func() { p.inputs.IPs, ipErr = r.addresses(ctx) })
	hosts, silent := r.observe(ctx, r.limited())
	wg.Wait()
	if ipErr != nil {
		return nil, fleet.Join(silent, ipErr)
	}
	for _, h := range hosts {
		if h.facts != nil {
			p.hosts = append(p.hosts, h)
		}
	}
	if err := r.readInputs(ctx, p, want{}, false); err != nil {
		return nil, fleet.Join(silent, err)
	}
	out := make([][]Drift, len(p.hosts))
	err := fleet.Each(p.connected(), func(i int, h fleet.Host) error {
		s, err := desired.Of(r.c, h.Host, p.inputs)
		if err != nil {
			return asUsage(err)
		}
		out[i], err = r.hostDrift(ctx, h, p.hosts[i].facts, s.Generation)
		return err
	})
	return slices.Concat(out...), fleet.Join(silent, err)
}

func (r *Runner) hostDrift(ctx context.Context, h fleet.Host, f *Facts, g *desired.Generation) (out []Drift, err error) {
	hide := mask.For(r.c)
	if f.Current != "" && f.Current != g.ID {
		out = append(out, Drift{Host: h.Name, Path: "generation", What: "changed",
			Unified: "current is " + f.Current + ", the inventory makes " + g.ID + ": see ghadeploy plan\n"})
	}
	var changed []string
	for _, path := range driftOf(f, g) {
		d := Drift{Host: h.Name, Path: path, What: "changed"}
		if g.File(path) == nil {
			d.What = "unexpected"
		} else if _, there := f.Files[path]; !there {
			d.What = "missing"
		} else {
			changed = append(changed, path)
		}
		out = append(out, d)
	}
	if u := g.File(desired.UnitFile); f.Current == g.ID && f.Unit.SHA256 != u.SHA256 {
		out = append(out, Drift{Host: h.Name, Path: "/etc/systemd/system/" + r.c.Paths.Service + ".service", What: "changed"})
	}
	if len(changed) == 0 {
		return out, nil
	}
	res, err := h.Run(ctx, remote.Command{Step: "read the changed files", Script: textScript,
		Args: append([]string{r.c.Paths.Root}, changed...), Become: true, Output: textsOutput})
	if err != nil {
		return out, err
	}
	texts, err := splitTexts(h.Name, res.Stdout)
	for i, d := range out {
		w := g.File(d.Path)
		if have, ok := texts[d.Path]; ok && w != nil && w.Shown != nil && !strings.HasPrefix(d.Path, desired.SecretsDir) {
			out[i].Unified = unified(d.Path, w.Shown, w.ShownOnHost(hide, have))
		}
	}
	return out, err
}
