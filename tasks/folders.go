package tasks

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
)

// Folder is a folder that Grafana needs, as it is on a host before we do anything.
type Folder struct {
	// State is "absent", "empty" (but for what a file system brings), "full", "file", or
	// "dangling": a link to what is not there.
	State string
	// Resolved is where it really lies; of a dangling link, what that says.
	Resolved string
	// UID, GID and Owner are whose it is; Owner is "UNKNOWN" for a number without a name.
	UID, GID, Owner string
	// Looked: somebody tried, as the service user, what follows.
	Looked bool
	// Writes: the service user may write there.
	Writes bool
	// Shut is the topmost folder on the way that the user may not enter, Open one on the
	// way that it may change itself; empty: none.
	Shut, Open string
}

// folder takes "folder KIND STATE RESOLVED UID GID OWNER".
func (p *factsParser) folder(v []string) error {
	if len(v) < 2 {
		return nil
	}
	at := p.folderAt(v[0])
	at.State = v[1]
	if len(v) > 2 {
		at.Resolved = v[2]
	}
	if len(v) > 3 {
		if w := strings.Fields(v[3]); len(w) == 3 {
			at.UID, at.GID, at.Owner = w[0], w[1], w[2]
		}
	}
	return nil
}

// way takes "way KIND writes|- SHUT OPEN".
func (p *factsParser) way(v []string) error {
	if len(v) != 4 {
		return nil
	}
	at := p.folderAt(v[0])
	at.Looked, at.Writes = true, v[1] == "writes"
	at.Shut, at.Open = strings.TrimPrefix(v[2], "-"), strings.TrimPrefix(v[3], "-")
	return nil
}

func (p *factsParser) folderAt(kind string) *Folder {
	if p.f.Folders == nil {
		p.f.Folders = map[string]*Folder{}
	}
	if p.f.Folders[kind] == nil {
		p.f.Folders[kind] = &Folder{}
	}
	return p.f.Folders[kind]
}

// written are the folders that Grafana writes to, in the order in which they are made.
func written(p inventory.Paths) []struct{ kind, path string } {
	return []struct{ kind, path string }{{"data", p.Data}, {"logs", p.Logs}}
}

// system is where nothing is given away, whatever link leads there.
var system = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/root", "/run/systemd", "/sbin", "/sys",
	"/usr", "/var/lib/systemd", "/var/spool"}

func inSystem(p string) bool {
	return slices.ContainsFunc(system, func(s string) bool { return p == s || strings.HasPrefix(p, s+"/") })
}

// gives tells whether an existing folder is given to the service user: it holds nothing,
// it is root's or nobody's, and the user has no hand in where its path leads.
func (f *Folder) gives() bool {
	return f.State == "empty" && f.Looked && !f.Writes && f.UID != "" && (f.UID == "0" || f.Owner == "UNKNOWN") && f.Open == "" &&
		f.Shut == "" && !inSystem(f.Resolved)
}

// given lists what is given to the service user.
func given(p inventory.Paths, f *Facts) (out []string) {
	for _, w := range written(p) {
		if at := f.Folders[w.kind]; at != nil && at.gives() {
			out = append(out, w.path)
		}
	}
	return out
}

// lostUser: a user that was lost comes back under another number, and gets what the old
// one had (prepare.sh).
func (f *Facts) lostUser() bool { return !f.User && len(f.Generations) > 0 }

// closed says which folders Grafana could not use, and what to type.
func closed(p inventory.Paths, f *Facts) (out []string) {
	for _, w := range written(p) {
		if at := f.Folders[w.kind]; at != nil {
			if why := closedFolder(p, f, at, w.path); why != "" {
				out = append(out, why)
			}
		}
	}
	if root := f.Folders["root"]; root != nil && root.Shut != "" && root.Shut != p.Root {
		out = append(out, shut(p, root.Shut, "paths.root"))
	}
	for _, kind := range slices.Sorted(maps.Keys(f.Folders)) {
		if name, below := strings.CutPrefix(kind, "below:"); below && !f.Folders[kind].Writes && f.User {
			out = append(out, fmt.Sprintf("%s is there, and %s cannot write in it; %s", name, p.User, chown(p, f, name)))
		}
	}
	return out
}

func shut(p inventory.Paths, folder, what string) string {
	return fmt.Sprintf("%s may not enter %s, which %s leads through; chmod o+x %s", p.User, folder, what, remote.Quote(folder))
}

// chown is what to type so that a folder is the service user's.
func chown(p inventory.Paths, f *Facts, folder string) string {
	make := ""
	if !f.User {
		make = "useradd -r -M -d " + remote.Quote(p.Data) + " " + remote.Quote(p.User) + " && "
	}
	// with the slash, so that a link is followed
	return make + "chown -R " + remote.Quote(p.User) + ": " + remote.Quote(strings.TrimSuffix(folder, "/")+"/")
}

// hidden are the folders that our unit hides from Grafana, or has read-only.
var hidden = []string{"/home", "/root", "/run/user", "/usr", "/boot", "/efi", "/etc"}

// hiddenBy is where a folder's path leads the unit astray; empty where it does not.
func hiddenBy(name, resolved string) string {
	for _, h := range hidden {
		if strings.HasPrefix(resolved+"/", h+"/") && !strings.HasPrefix(name+"/", h+"/") {
			return h
		}
	}
	return ""
}

func closedFolder(p inventory.Paths, f *Facts, at *Folder, name string) string {
	key := "paths.data"
	if name == p.Logs {
		key = "paths.logs"
	}
	switch {
	case at.State == "file":
		return fmt.Sprintf("%s is no folder; mv %s %s.before-ghadeploy", name, remote.Quote(name), remote.Quote(name))
	case at.State == "dangling":
		return fmt.Sprintf("%s is a link to %s, which is not there; mkdir -p %s", name, at.Resolved,
			remote.Quote(path.Join(path.Dir(name), relativeTo(at.Resolved))))
	case at.Shut != "" && at.Shut != name:
		return shut(p, at.Shut, key)
	case at.State == "absent" || at.State == "" || at.UID == "":
		return ""
	}
	if h := hiddenBy(name, at.Resolved); h != "" && f.User {
		return fmt.Sprintf("%s leads to %s, and the unit hides %s from Grafana; set %s to %s in the inventory", name, at.Resolved, h, key,
			at.Resolved)
	}
	switch {
	case at.Writes, at.gives(), f.lostUser():
		return ""
	case !at.Looked:
		return "" // nobody could try
	}
	return fmt.Sprintf("%s is %s's (uid %s)%s, and %s cannot write in it; %s", name, at.Owner, at.UID, whatIsIn(at), p.User, chown(p, f, name))
}

func whatIsIn(at *Folder) string {
	if at.State == "empty" {
		return ", empty, and not to be given away by itself"
	}
	return " and holds something"
}

// relativeTo makes what a link says one that path.Join takes from the link's folder.
func relativeTo(target string) string {
	if path.IsAbs(target) {
		return path.Join("/", strings.Repeat("../", 40), target)
	}
	return target
}
