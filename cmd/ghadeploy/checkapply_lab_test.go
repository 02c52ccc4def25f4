package main_test

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// situation is a host, or an inventory, as people have them; heal undoes what a wiped
// host would keep.
type situation struct {
	name, before, heal string
	edit               func(map[string]any)
	// passes: apply copes with it, and check must not be in the way.
	passes bool
	// says is what check says of it, where apply does not cope.
	says string
	// settled: on a host that was deployed to before.
	settled bool
}

func situations() []situation {
	ssh := func(key string, v any) func(map[string]any) {
		return func(doc map[string]any) { doc["ssh"].(map[string]any)[key] = v }
	}
	ops := ssh("user", "ops")
	return []situation{
		{name: "noexec under the root", before: "mkdir -p /opt/grafana && mount -t tmpfs -o noexec,size=2g tmpfs /opt/grafana", heal: "umount /opt/grafana", says: "noexec"},
		{name: "no space under the root", before: "mkdir -p /opt/grafana && mount -t tmpfs -o size=1m tmpfs /opt/grafana", heal: "umount /opt/grafana", says: "needed"},
		{name: "state read-only", before: "mkdir -p /var/lib/ghadeploy && mount -t tmpfs -o ro tmpfs /var/lib/ghadeploy", heal: "umount /var/lib/ghadeploy", says: "read-only"},
		{name: "a tiny noexec /tmp", before: "mount -t tmpfs -o noexec,size=64k tmpfs /tmp", heal: "umount /tmp", passes: true},
		{name: "umask 077", before: "echo 'umask 077' >>/root/.bashrc; echo 'umask 077' >>/etc/profile; echo 'session optional pam_umask.so umask=077' >>/etc/pam.d/sshd", passes: true},
		{name: "a foreign unit", before: `printf '[Service]\nExecStart=/bin/sleep inf\n' >/etc/systemd/system/grafana-server.service`, says: "grafana-server.service"},
		{name: "a foreign folder", before: "mkdir -p /etc/grafana && touch /etc/grafana/grafana.ini", says: "/etc/grafana"},
		{name: "a drop-in", before: `mkdir -p /etc/systemd/system/grafana-server.service.d && printf '[Service]\nEnvironment=GF_PATHS_DATA=/x\n' >/etc/systemd/system/grafana-server.service.d/a.conf`, says: "GF_PATHS_DATA"},
		{name: "data of somebody else", before: "rm -rf /var/lib/grafana; install -d -o nobody /var/lib/grafana; touch /var/lib/grafana/x", says: "chown -R"},
		{name: "the port is taken", before: "systemd-run -q --unit taker --property=Type=exec python3 -m http.server 3000 2>/dev/null || systemd-run -q --unit taker perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new(LocalPort=>3000,Listen=>5,ReuseAddr=>1);sleep 1e6'; for i in $(seq 300); do ss -Hltn sport = :3000 | grep -q . && exit; sleep .1; done; exit 1", heal: "systemctl stop taker", says: "3000"},
		{name: "no flock", before: "mv /usr/bin/flock /usr/bin/flock.away", heal: "mv /usr/bin/flock.away /usr/bin/flock", says: "flock"},
		{name: "one session a connection", before: "echo 'MaxSessions 1' >/etc/ssh/sshd_config.d/one.conf; systemctl restart ssh", heal: "rm /etc/ssh/sshd_config.d/one.conf; systemctl restart ssh", passes: true},
		{name: "no SFTP", before: "sed -i 's/^Subsystem/#Subsystem/' /etc/ssh/sshd_config; systemctl restart ssh", heal: "sed -i 's/^#Subsystem/Subsystem/' /etc/ssh/sshd_config; systemctl restart ssh", passes: true},
		{name: "a shell that talks", before: "echo 'echo WELCOME; echo to you >&2' >>/root/.bashrc", passes: true},
		{name: "a login without sudo", edit: ssh("user", "plain"), says: "sudo asks user plain for a password"},
		{name: "no home folder", before: "mv /home/ops /home/ops.away; mkdir -p /etc/ssh/keys; cp /home/ops.away/.ssh/authorized_keys /etc/ssh/keys/ops; chmod 644 /etc/ssh/keys/ops; echo 'AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/keys/%u' >/etc/ssh/sshd_config.d/keys.conf; systemctl restart ssh",
			heal: "mv /home/ops.away /home/ops; rm /etc/ssh/sshd_config.d/keys.conf; systemctl restart ssh", edit: ops, says: "home folder"},
		{name: "a home of root's", before: "chown root: /home/ops && chmod 755 /home/ops", heal: "chown ops: /home/ops", edit: ops, says: "may not write"},
		{name: "root by its number", before: "mv /usr/bin/sudo /usr/bin/sudo.away; sed -i 's/^ops:\\([^:]*\\):[0-9]*:/ops:\\1:0:/' /etc/passwd; chown -R 0 /home/ops",
			heal: "mv /usr/bin/sudo.away /usr/bin/sudo", edit: ops, passes: true},
		{name: "the wrong password of the database", edit: func(doc map[string]any) { doc["database"].(map[string]any)["password"] = "not-this-one" }, says: "database"},
		{name: "frozen", before: `mkdir -p -m 700 /var/lib/ghadeploy; echo '{"user":"ann","from":"desk","message":"move of the rack"}' >/var/lib/ghadeploy/freeze.json`, heal: "rm -f /var/lib/ghadeploy/freeze.json", says: "move of the rack"},
		{name: "the lock is held", before: "mkdir -p -m 700 /var/lib/ghadeploy; systemd-run -q --unit holder flock /var/lib/ghadeploy/lock sleep 1000; sleep .3", heal: "systemctl stop holder", says: "holds the lock"},
		{name: "a version back", settled: true, edit: func(doc map[string]any) { doc["grafana"].(map[string]any)["version"] = "10.2.0" }, says: "10.2.0"},
	}
}

// What check passes, apply can start; and whatever stops apply before its first write was
// named by check.
func TestLabWhatStopsApplyWasNamedByCheck(t *testing.T) {
	labtest.Slow(t)
	c := newTrial(t, labtest.Options{Hosts: []string{"h1"}, Alerting: "none", NoLive: true})
	for _, s := range situations() {
		t.Run(s.name, func(t *testing.T) {
			c.Wipe(t, "h1")
			c.inv = c.Inventory(t, labtest.Options{Hosts: []string{"h1"}, Alerting: "none", NoLive: true})
			if s.settled {
				c.run(t, 0, "apply", "--yes")
			}
			if s.edit != nil {
				c.inv.Edit(t, s.edit)
			}
			if s.before != "" {
				c.Sh(t, "h1", s.before)
			}
			if s.heal != "" {
				t.Cleanup(func() { c.Sh(t, "h1", s.heal) })
			}
			const left = "ls /opt/grafana/releases 2>/dev/null | wc -l"
			had := c.Sh(t, "h1", left)
			checked := labtest.Ghadeploy(t, "check", c.inv.Path)
			applied := labtest.Ghadeploy(t, "apply", c.inv.Path, "--yes")
			if checked.Code == 0 && applied.Code != 0 {
				t.Errorf("check passed, and apply ended with %d:\n%s%s", applied.Code, applied.Stdout, applied.Stderr)
			}
			if s.passes {
				if checked.Code != 0 {
					t.Errorf("apply copes, and check ends with %d:\n%s%s", checked.Code, checked.Stdout, checked.Stderr)
				}
				return
			}
			if applied.Code == 0 || checked.Code == 0 {
				t.Errorf("check %d, apply %d: the situation is none", checked.Code, applied.Code)
			}
			if said := strings.Join(strings.Fields(checked.Stdout+checked.Stderr), " "); !strings.Contains(said, s.says) {
				t.Errorf("check does not say %q:\n%s", s.says, said)
			}
			if now := c.Sh(t, "h1", left); now != had {
				t.Errorf("apply wrote before it was stopped: %s releases, then %s", had, now)
			}
		})
	}
}
