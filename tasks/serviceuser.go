package tasks

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// Account is the service user as the host has it.
type Account struct {
	UID, GID int
	// Group is the name of its primary group; empty where that has none, or there is
	// no such user.
	Group string
	told  bool
}

// account takes "user NAME UID GID GROUP"; hosts of older recordings tell the name alone.
func (p *factsParser) account(v []string) error {
	p.f.User = true
	if len(v) < 3 {
		return nil
	}
	var err error
	if p.f.Account.UID, err = strconv.Atoi(v[1]); err != nil {
		return err
	}
	if p.f.Account.GID, err = strconv.Atoi(v[2]); err != nil {
		return err
	}
	p.f.Account.told = true
	if name := strings.Join(v[3:], " "); name != v[2] { // id prints the number where there is no name
		p.f.Account.Group = name
	}
	return nil
}

// group is the system group that Grafana runs with on a host.
type group struct {
	// name is for people; ref is how units and chown are told: the name where every
	// systemd takes it, else the number.
	name, ref string
	// missing: the host has no group by the name that paths.group says.
	missing bool
}

// groupOf is paths.group; without it the primary group of the user, as the host has it;
// and one that is named as the user where that is still to be made.
func groupOf(p inventory.Paths, f *Facts) group {
	switch {
	case p.Group != "" && f.GroupGID != nil:
		return named(p.Group, *f.GroupGID)
	case p.Group != "":
		return group{name: p.Group, ref: p.Group, missing: true}
	case f.Account.told:
		return named(f.Account.Group, f.Account.GID)
	}
	return group{name: p.User, ref: p.User}
}

func named(name string, gid int) group {
	if grafana.PlainGroup(name) {
		return group{name: name, ref: name}
	}
	return group{name: strings.TrimSpace(fmt.Sprintf("%s (gid %d)", name, gid)), ref: strconv.Itoa(gid)}
}

// wrong says why the group cannot be had; empty where it can.
func (g group) wrong() string {
	if g.missing && !grafana.PlainGroup(g.ref) {
		return fmt.Sprintf("there is no group %q, and a name like this can only come from a directory; name another one in paths.group: getent group", g.name)
	}
	return ""
}

// said is what a plan adds of a group that is not named as its user.
func (g group) said(user string) string {
	if g.name == user {
		return ""
	}
	return ", group " + g.name
}

// gidOf is the number of the group where the host has it.
func gidOf(p inventory.Paths, f *Facts) (int, bool) {
	switch {
	case p.Group != "" && f.GroupGID != nil:
		return *f.GroupGID, true
	case p.Group == "" && f.Account.told:
		return f.Account.GID, true
	}
	return 0, false
}

// runsAs says how the process differs from the user and group that its unit names now:
// a drop-in that said so is gone since.
func runsAs(p inventory.Paths, f *Facts) string {
	s := f.Service
	if s.UID != nil && f.Account.told && *s.UID != f.Account.UID {
		return fmt.Sprintf("the process runs as uid %d, and not as %s (uid %d)", *s.UID, p.User, f.Account.UID)
	}
	if gid, known := gidOf(p, f); s.GID != nil && known && *s.GID != gid {
		return fmt.Sprintf("the process runs with gid %d, and not with group %s (gid %d)", *s.GID, cmp.Or(groupOf(p, f).name, "?"), gid)
	}
	return ""
}
