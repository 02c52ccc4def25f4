package inventory

import (
	"path"
	"slices"
	"strings"
)

// systemFolders belong to the system as a whole: what ghadeploy owns or Grafana may write
// must not be one of them. Folders of their own below most of them are fine.
func systemFolders() []string {
	return []string{"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/lost+found", "/media", "/mnt",
		"/nix", "/opt", "/proc", "/root",
		"/run", "/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/usr/local", "/usr/share", "/usr/src", "/var/backups", "/var/cache",
		"/var/empty", "/var/lib",
		"/var/local", "/var/lock", "/var/log", "/var/mail", "/var/opt", "/var/run", "/var/spool", "/var/tmp", "/var/www"}
}

// systemTrees hold nothing but what the system put there, however deep.
func systemTrees() []string {
	return []string{"/bin", "/boot", "/dev", "/lib", "/lib32", "/lib64", "/libx32", "/proc", "/sbin", "/sys", "/usr/bin", "/usr/include",
		"/usr/lib", "/usr/lib32",
		"/usr/lib64", "/usr/libexec", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/usr/local/lib", "/run/systemd", "/var/lib/dpkg",
		"/var/lib/rpm",
		"/var/lib/systemd", "/var/log/journal", "/var/spool/cron", "/root/.ssh"}
}

// systemConfigs are well-known below /etc, where only paths.etc has business.
func systemConfigs() []string {
	return []string{"alternatives", "apparmor.d", "apt", "audit", "cron.d", "cron.daily", "cron.hourly", "cron.monthly", "cron.weekly",
		"default", "dbus-1", "fstab", "group",
		"gshadow", "haproxy", "init.d", "ld.so.conf.d", "logrotate.d", "modprobe.d", "mysql", "network", "nginx", "pam.d", "passwd", "pki",
		"polkit-1", "postgresql",
		"profile.d", "rc.d", "security", "selinux", "shadow", "ssh", "ssl", "sudoers", "sudoers.d", "sysctl.d", "sysconfig", "systemd",
		"tmpfiles.d", "udev", "yum.repos.d"}
}

// systemServices are not Grafana's, whatever an inventory says: a unit of that name in
// /etc/systemd/system would take the place of the system's own.
func systemServices() []string {
	return []string{"atd", "auditd", "containerd", "cron", "crond", "dbus", "dbus-broker", "docker", "firewalld", "haproxy", "mariadb",
		"mysql", "mysqld", "network",
		"networking", "NetworkManager", "nftables", "nginx", "polkit", "postgresql", "redis", "redis-server", "rsyslog", "ssh", "sshd", "sssd",
		"sudo", "udev"}
}

// pathRules refuse places and names that a run as root must not take over.
func (d *decoder) pathRules(c *Cluster, root *node) {
	n := root.get("paths")
	p := c.Paths
	places := []place{{n.get("root"), "paths.root", p.Root}, {n.get("data"), "paths.data", p.Data}, {n.get("logs"), "paths.logs", p.Logs},
		{n.get("etc"), "paths.etc", p.Etc}, {n.get("state"), "paths.state", p.State},
		{root.find("database", "backup", "dir"), "database.backup.dir", c.Database.Backup.Dir}}
	for _, at := range places {
		if at.node != nil && !d.bad[at.node] {
			d.placeRule(at)
		}
	}
	d.ownerRules(places, positionOf(n, Position{File: d.rep.file}))
	if user := n.get("user"); user != nil && !d.bad[user] && contains([]string{"root", "0", "toor"}, p.User) {
		d.rep.hintf(user.pos, "leave it out, or name a user of its own",
			"paths.user: Grafana must not run as %s: whoever takes it over would have the host", p.User)
	}
	if group := n.get("group"); group != nil && !d.bad[group] && contains([]string{"root", "wheel", "shadow", "sudo", "disk", "0"}, p.Group) {
		d.rep.hintf(group.pos, "leave it out, or name a group of its own",
			"paths.group: Grafana must not run with group %s, which may read or do what Grafana has no business with", p.Group)
	}
	if service := n.get("service"); service != nil && !d.bad[service] &&
		(strings.HasPrefix(p.Service, "systemd-") || contains(systemServices(), p.Service)) {
		d.rep.hintf(service.pos, "leave it out, or name one of its own", "paths.service: %s is a service of the system", p.Service)
	}
}

// place is a path on a host: where it stands in the file (nil: it is the default), how it
// is called there, and the path.
type place struct {
	node       *node
	what, path string
}

func (d *decoder) placeRule(at place) {
	clean := path.Clean(at.path)
	below := strings.HasPrefix(clean, "/etc/")
	name, _, _ := strings.Cut(strings.TrimPrefix(clean, "/etc/"), "/")
	why := ""
	switch {
	case slices.Contains(strings.Split(at.path, "/"), ".."):
		why = "leads back with .."
	case slices.Contains(systemFolders(), clean):
		why = "is a folder of the system"
	case slices.ContainsFunc(systemTrees(), func(tree string) bool { return within(clean, tree) }):
		why = "belongs to the system"
	case below && at.what != "paths.etc":
		why = "lies in /etc, which belongs to the system"
	case below && (contains(systemConfigs(), name)):
		why = "is a configuration of the system"
	default:
		return
	}
	d.rep.hintf(at.node.pos, "name a folder of its own, such as /srv/grafana", "%s: %s %s", at.what, at.path, why)
}

// ownerRules keep what root relies on out of what the service user owns: it could put
// something else in its place.
func (d *decoder) ownerRules(places []place, otherwise Position) {
	for _, at := range places {
		if at.what == "paths.data" || at.what == "paths.logs" {
			continue
		}
		for _, owned := range places {
			if owned.what != "paths.data" && owned.what != "paths.logs" || !within(path.Clean(at.path), path.Clean(owned.path)) {
				continue
			}
			pos := otherwise
			if at.node != nil {
				pos = at.node.pos
			} else if owned.node != nil {
				pos = owned.node.pos
			}
			d.rep.hintf(pos, "let neither lie in the other", "%s (%s) lies in %s (%s), which Grafana's user may change", at.what, at.path,
				owned.what, owned.path)
		}
	}
}

// within tells whether a clean path is a folder or lies below it.
func within(name, folder string) bool {
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}

// fileRules refuse names below grafana.files that ghadeploy writes itself.
func (d *decoder) fileRules(c *Cluster, n *node) {
	if n == nil || n.shape != mapShape {
		return
	}
	for _, e := range n.entries {
		own := contains([]string{"grafana.ini", "environment", "tls/http.crt", "tls/http.key", "tls/database-ca.crt", "tls/database.crt",
			"tls/database.key"}, e.key) ||
			within(e.key, "secrets") || within(e.key, "tls") && strings.Contains(e.key, "-redis")
		if own || e.key == "ldap.toml" && c.Grafana.LDAP != "" {
			d.rep.hintf(e.pos, "choose another name", "grafana.files: %s is written by ghadeploy itself", e.key)
		}
	}
}
