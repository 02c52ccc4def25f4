package tasks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// inTheWay is all on a host that apply refuses before its first write, each with what to
// type: what is not ours where ours goes, folders that Grafana could not use, a group
// that is not there, and what would go before the inventory.
func inTheWay(p inventory.Paths, f *Facts, want *desired.Host) []string {
	out := append(foreign(f, p), closed(p, f)...)
	if why := groupOf(p, f).wrong(); why != "" {
		out = append(out, why)
	}
	return append(out, overrides(p, f, generationOf(want))...)
}

func generationOf(want *desired.Host) *desired.Generation {
	if want == nil {
		return nil
	}
	return want.Generation
}

// aboutHost is what a plan says of a host besides, though it stops nothing.
func aboutHost(p inventory.Paths, host string, f *Facts, want *desired.Host) (out []string) {
	for _, w := range followedDropIns(p, f, generationOf(want)) {
		out = append(out, host+": "+w)
	}
	if f.LogClosed != "" {
		out = append(out,
			fmt.Sprintf("%s: %s cannot write %s, so Grafana writes no log file; %s", host, p.User, f.LogClosed, chown(p, f, p.Logs)))
	}
	return out
}

// staleProcess says why a process that was started from the right generation has to be
// started anew all the same: its environment, or who it runs as, is not what the unit
// says by now.
func staleProcess(p inventory.Paths, h *inventory.Host, f *Facts, g *desired.Generation) (why []string) {
	if !f.Service.Running() || f.Service.Generation != g.ID {
		return nil
	}
	if env := staleEnvironment(f, h.Env); env != "" {
		why = append(why, env)
	}
	if who := runsAs(p, f); who != "" {
		why = append(why, who)
	}
	return why
}

// regroups tells whether the generations belong to another group than Grafana runs with.
func regroups(p inventory.Paths, f *Facts) bool {
	at := f.Folders["generations"]
	gid, known := gidOf(p, f)
	return at != nil && at.GID != "" && known && at.GID != fmt.Sprint(gid)
}

// prepareAction makes the user, its group and the folders, and gives the user the folders
// that are there and empty.
func prepareAction(p inventory.Paths, f *Facts) []Action {
	g, give := groupOf(p, f), given(p, f)
	regroup := regroups(p, f)
	lost := !f.User || len(f.Releases) == 0 || !f.DataFolders
	if !lost && !regroup && len(give) == 0 {
		return nil
	}
	a := Action{Kind: ActionPrepare, Reason: "first deploy to this host", Paths: give,
		Summary: fmt.Sprintf("create user %s, %s, %s and %s%s", p.User, p.Root, p.Data, p.Logs, g.said(p.User))}
	switch {
	case lost && f.Current != "":
		a.Reason = "something of it was lost"
	case !lost && regroup:
		a.Summary, a.Reason = fmt.Sprintf("have group %s read %s", g.name, p.Root), "it belongs to gid "+f.Folders["generations"].GID
	case !lost:
		a.Summary, a.Reason = "", "Grafana could not write there"
	}
	if len(give) > 0 {
		a.Summary = strings.TrimPrefix(a.Summary+"; ", "; ") + fmt.Sprintf("give %s, which is empty and root's, to %s:%s",
			strings.Join(give, " and "), p.User, g.name)
	}
	return []Action{a}
}

// unitReason names the settings in which the unit differs from the host's: a unit alone may
// be what restarts a healthy cluster, after an upgrade of ghadeploy for example.
func unitReason(old map[string][]byte, g *desired.Generation) []string {
	have, known := old[desired.UnitFile]
	want := g.File(desired.UnitFile)
	if !known || want == nil || string(have) == string(want.Content) {
		return nil
	}
	var keys []string
	for _, pair := range [][2]string{{string(have), string(want.Content)}, {string(want.Content), string(have)}} {
		lines := strings.Split(pair[1], "\n")
		for _, l := range strings.Split(pair[0], "\n") {
			if key, _, is := strings.Cut(l, "="); is && !strings.HasPrefix(l, "#") && !slices.Contains(lines, l) {
				keys = append(keys, key)
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return []string{"in the unit: " + keyList(keys)}
}
