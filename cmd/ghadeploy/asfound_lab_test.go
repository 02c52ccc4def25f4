package main_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// asFound is one host that is left as others left it: no user of ours, no folders.
func asFound(t *testing.T, edit func(map[string]any)) *trial {
	t.Helper()
	labtest.Slow(t)
	c := newTrial(t, labtest.Options{Hosts: []string{"h1"}, Alerting: "none", NoLive: true, Edit: edit})
	const bare = `for d in /var/lib/grafana /var/log/grafana; do umount $d 2>/dev/null; rm -rf $d; done
		rm -rf /srv/found /etc/systemd/system/grafana-server.service.d /run/systemd/system/service.d; systemctl daemon-reload
		for u in grafana svc-grafana; do userdel $u 2>/dev/null; groupdel $u 2>/dev/null; done; groupdel readers 2>/dev/null
		sed -i '/^domain users@corp:/d' /etc/group; true`
	c.Sh(t, "h1", bare)
	t.Cleanup(func() {
		_, _ = c.Run(context.Background(), "h1", "systemctl disable --now grafana-server; "+bare+`; useradd -r -U -d /var/lib/grafana -M grafana
			install -d -o grafana -g grafana -m 750 /var/lib/grafana /var/log/grafana`)
	})
	return c
}

// The group that Grafana runs with is one that the host has, whatever the user is called.
func TestLabGrafanaRunsWithTheGroupOfItsUser(t *testing.T) {
	paths := func(p map[string]any) func(map[string]any) {
		return func(doc map[string]any) { doc["paths"] = p }
	}
	for _, tt := range []struct {
		name, before string
		edit         func(map[string]any)
		says         string // of check and plan
		ini          string // owner of grafana.ini
	}{
		{"another primary group, and one of its name besides", "groupadd grafana; useradd -r -g users -M grafana", nil, "group users", "root:users"},
		{"a name that only a directory has", "echo 'domain users@corp:x:5555:' >>/etc/group; useradd -r -g 5555 -M grafana", nil, "group domain users@corp (gid 5555)", "root:domain users@corp"},
		{"another user, and a group of the inventory's", "useradd -r -g users -M svc-grafana", paths(map[string]any{"user": "svc-grafana", "group": "readers"}), "group readers", "root:readers"},
		{"nothing is there", "true", nil, "group grafana", "root:grafana"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := asFound(t, tt.edit)
			c.Sh(t, "h1", tt.before)
			c.names(t, c.run(t, 0, "check", "-v"), tt.says)
			if r := c.run(t, 0, "plan"); !strings.HasSuffix(tt.says, " grafana") {
				c.names(t, r, tt.says)
			}
			c.run(t, 0, "apply", "--yes")
			c.serve(t)
			got := c.Sh(t, "h1", `stat -c %U:%G /etc/grafana/grafana.ini; stat -c %G /opt/grafana/generations
				stat -c %G /proc/$(systemctl show -p MainPID --value grafana-server)`)
			group := strings.TrimPrefix(tt.ini, "root:")
			if want := tt.ini + "\n" + group + "\n" + group; got != want {
				t.Errorf("owner, folder's and process's group: %q, want %q", got, want)
			}
			c.run(t, 0, "plan", "--detailed-exitcode")
		})
	}
}

// A folder that is there is Grafana's to write in before its first start: an empty one is
// given to the user, and any other is named with what to type, which helps.
func TestLabFoldersThatAreThereBecomeGrafanas(t *testing.T) {
	t.Run("given", func(t *testing.T) {
		c := asFound(t, nil)
		c.Sh(t, "h1", `mkdir -p /var/lib/grafana /srv/found/logs && mount -t tmpfs -o mode=755 tmpfs /var/lib/grafana && mkdir -m 700 /var/lib/grafana/lost+found
			ln -s /srv/found/logs /var/log/grafana`)
		c.names(t, c.run(t, 0, "check", "-v"), "apply gives it to grafana")
		c.names(t, c.run(t, 0, "plan"), "give /var/lib/grafana and /var/log/grafana", "to grafana:grafana")
		c.run(t, 0, "apply", "--yes")
		c.serve(t)
		if got := c.Sh(t, "h1", "stat -L -c %U:%G /var/lib/grafana /var/log/grafana; stat -c %U /var/lib/grafana/lost+found /var/log/grafana"); got != "grafana:grafana\ngrafana:grafana\nroot\nroot" {
			t.Errorf("owners: %q", got)
		}
		c.run(t, 0, "plan", "--detailed-exitcode")
	})
	for _, tt := range []struct{ name, before, says, help string }{
		{"full", "useradd -r -M grafana; mkdir /var/lib/grafana && touch /var/lib/grafana/old", "chown -R grafana: /var/lib/grafana/", "chown -R grafana: /var/lib/grafana/"},
		{"a folder below", "useradd -r -M grafana; install -d -o grafana /var/lib/grafana; mkdir /var/lib/grafana/png", "chown -R grafana: /var/lib/grafana/png/", "chown -R grafana: /var/lib/grafana/png/"},
		{"the way is shut", "mkdir -p -m 700 /srv/found/data; chmod 700 /srv/found; ln -s /srv/found/data /var/lib/grafana", "chmod o+x /srv/found", "chmod o+x /srv/found"},
		{"a link to nowhere", "ln -s ../../srv/found/nowhere /var/lib/grafana", "mkdir -p /srv/found/nowhere", "mkdir -p /srv/found/nowhere"},
		{"the user turned the link", "useradd -r -M grafana; install -d -o grafana /srv/found; mkdir /srv/found/data; ln -s /srv/found/data /var/lib/grafana", "not to be given away by itself", "chown grafana: /srv/found/data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := asFound(t, nil)
			c.Sh(t, "h1", tt.before)
			c.names(t, c.run(t, 7, "check"), tt.says)
			c.names(t, c.run(t, 0, "plan"), "apply will refuse", tt.says)
			c.names(t, c.run(t, 7, "apply", "--yes"), tt.says)
			c.names(t, c.run(t, 1, "apply", "--yes", "--skip-check", "all"), tt.says)
			if got := c.Sh(t, "h1", "ls /opt/grafana/releases 2>/dev/null | head -n 1"); got != "" {
				t.Errorf("a refused apply left %q", got)
			}
			c.Sh(t, "h1", tt.help)
			c.run(t, 0, "apply", "--yes")
			c.serve(t)
			c.run(t, 0, "plan", "--detailed-exitcode")
		})
	}
}

// What changes our unit is named; what goes before the inventory is refused before anything
// is touched, and a process that still has what is gone is started anew.
func TestLabDropInsAreNamedAndDecideWhatIsStale(t *testing.T) {
	c := asFound(t, nil)
	write := func(path, text string) {
		c.Sh(t, "h1", "mkdir -p $(dirname "+path+") && printf '%b' '"+text+"' >"+path+" && systemctl daemon-reload")
	}
	const over = "/etc/systemd/system/grafana-server.service.d/override.conf"
	for name, tt := range map[string]struct{ path, text, says string }{
		"port":         {over, `[Service]\nEnvironment="GF_SERVER_HTTP_PORT=3001" GF_LOG_LEVEL=debug\n`, "sets GF_SERVER_HTTP_PORT over"},
		"whole type":   {"/run/systemd/system/service.d/all.conf", `[Service]\nEnvironment=GF_DATABASE_PASSWORD=canary-secret\n`, "sets GF_DATABASE_PASSWORD over"},
		"a file of it": {over, `[Service]\nEnvironmentFile=-/srv/found/env\n`, "/srv/found/env sets GF_DATABASE_HOST over"},
		"another user": {over, `[Service]\nUser=root\n`, "sets User over"},
	} {
		c.Sh(t, "h1", "mkdir -p /srv/found && echo GF_DATABASE_HOST=elsewhere >/srv/found/env")
		write(tt.path, tt.text)
		for _, r := range []labtest.Ran{c.run(t, 7, "check"), c.run(t, 0, "plan"), c.run(t, 7, "apply", "--yes"), c.run(t, 1, "apply", "--yes", "--skip-check", "all")} {
			c.names(t, r, tt.path, tt.says)
			if strings.Contains(r.Stdout+r.Stderr, "canary-secret") {
				t.Errorf("%s: a value is shown", name)
			}
		}
		if got := c.Sh(t, "h1", "ls -d /opt/grafana/releases/* 2>/dev/null || true"); got != "" {
			t.Errorf("%s: a refused apply left %q", name, got)
		}
		c.Sh(t, "h1", "rm "+tt.path+"; systemctl daemon-reload")
	}
	c.run(t, 0, "apply", "--yes")
	pid := func() string { return c.Sh(t, "h1", "systemctl show -p MainPID --value grafana-server") }

	// what the inventory does not manage is followed, and said
	write(over, `[Service]\nLimitNOFILE=20000\nEnvironment=GF_DASHBOARDS_VERSIONS_TO_KEEP=30\n`)
	c.names(t, c.run(t, 2, "plan", "--detailed-exitcode"), "GF_DASHBOARDS_VERSIONS_TO_KEEP, LimitNOFILE", "after the process began")
	was := pid()
	c.run(t, 0, "apply", "--yes")
	if pid() == was {
		t.Error("the process was not restarted for its drop-in")
	}
	c.run(t, 0, "plan", "--detailed-exitcode")
	// and gone again
	c.Sh(t, "h1", "rm "+over+"; systemctl daemon-reload")
	c.names(t, c.run(t, 2, "plan", "--detailed-exitcode"), "GF_DASHBOARDS_VERSIONS_TO_KEEP in its environment, which nothing sets any more")
	was = pid()
	c.run(t, 0, "apply", "--yes")
	if pid() == was {
		t.Error("the process still has the old environment")
	}
	c.run(t, 0, "plan", "--detailed-exitcode")
	// the port of old: the process listens there until apply starts it anew
	write(over, `[Service]\nEnvironment=GF_SERVER_HTTP_PORT=3001\n`)
	c.Sh(t, "h1", "systemctl restart grafana-server; rm "+over+"; systemctl daemon-reload")
	c.run(t, 0, "apply", "--yes")
	c.serve(t)
	c.run(t, 0, "plan", "--detailed-exitcode")
}
