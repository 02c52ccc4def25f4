package check

import (
	"bufio"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// lab connects to hosts of the running lab and keeps other tests off them.
func lab(t *testing.T, user string, names ...string) (*labtest.Lab, []fleet.Host) {
	t.Helper()
	l := labtest.Need(t, append(names, "svc")...)
	l.Lock(t, names...)
	// What an earlier test deployed would hold the ports.
	for _, name := range names {
		l.Sh(t, name, "systemctl disable -q --now grafana-server 2>/dev/null; rm -rf /etc/grafana /opt/grafana")
	}
	d := &remote.Dialer{ConfigFiles: []string{l.SSHConfig}}
	var hosts []fleet.Host
	for _, name := range names {
		target := remote.Target{Name: name, Address: name, User: user}
		if user == "opspw" {
			target.Password, target.Become.Password = "lab", "lab"
		}
		c, err := d.Dial(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		hosts = append(hosts, fleet.Host{Host: &inventory.Host{Name: name, Address: l.Host(name)}, Conn: c})
	}
	return l, hosts
}

// labCluster is cluster with the lab's services.
func labCluster(l *labtest.Lab, hosts ...fleet.Host) *inventory.Cluster {
	c := cluster(hosts...)
	c.Database.Host, c.Live.Redis.Address = l.Host("svc")+":5432", l.Host("svc")+":6379"
	return c
}

func labAddress(name string) string { return "10.0.0.1" + strings.TrimPrefix(name, "h") }

// cluster is an inventory in which nothing is wrong, of the hosts given.
func cluster(hosts ...fleet.Host) *inventory.Cluster {
	c := &inventory.Cluster{
		Name: "chk",
		Grafana: inventory.Grafana{
			Version: "10.3.1", RootURL: "https://grafana.example.com/",
			SecretKey: inventory.NewSecret("0123456789abcdef0123456789abcdef", "literal"),
			Admin:     inventory.Admin{User: "admin", Password: inventory.NewSecret("correct horse", "literal")},
			Artifact:  inventory.Artifact{SHA256: map[string]string{"": "00"}},
		},
		Database: inventory.Database{Type: "postgres", Host: "10.0.0.10:5432", Name: "grafana", User: "grafana",
			Password: inventory.NewSecret("grafana", "env:DB"), SSLMode: "disable", MaxOpenConn: 20, MaxIdleConn: 20},
		Alerting:     inventory.Alerting{HA: "gossip", Port: 9094},
		Live:         inventory.Live{Redis: inventory.Redis{Address: "10.0.0.10:6379"}},
		LoadBalancer: inventory.LoadBalancer{Type: "haproxy"},
		Paths: inventory.Paths{Root: "/opt/grafana", Data: "/var/lib/grafana", Logs: "/var/log/grafana", Etc: "/etc/grafana",
			State: "/var/lib/ghadeploy", Service: "grafana-server", User: "grafana"},
	}
	for _, h := range hosts {
		c.Hosts = append(c.Hosts, h.Host)
	}
	return c
}

func input(t *testing.T, c *inventory.Cluster, hosts []fleet.Host) Input {
	t.Helper()
	v, err := grafana.ParseVersion(c.Grafana.Version)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Cluster: c, Hosts: hosts, Version: v}
}

func onHost(t *testing.T, h fleet.Host, script string) string {
	t.Helper()
	res, err := h.Run(t.Context(), remote.Command{Script: script, Become: true, Step: "prepare the test"})
	if err != nil {
		t.Fatal(err)
	}
	return string(res.Stdout)
}

// only runs one check of the registry with its facts.
func only(t *testing.T, in Input, name string) []Finding {
	t.Helper()
	for _, u := range registry() {
		if u.name != name {
			in.Skip = append(in.Skip, u.name)
		}
	}
	all, err := Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	var found []Finding
	for _, f := range all {
		if f.Check == name {
			found = append(found, f)
		}
	}
	return found
}

// want finds one finding of a severity whose text has all the words.
func want(t *testing.T, found []Finding, severity Severity, host string, words ...string) Finding {
	t.Helper()
	for _, f := range found {
		matches := f.Severity == severity && f.Host == host
		for _, w := range words {
			matches = matches && strings.Contains(f.What+" "+f.Why+" "+f.Fix, w)
		}
		if matches {
			if severity != OK && severity != Skipped && (f.Why == "" || f.Fix == "") {
				t.Errorf("a finding without why or fix: %+v", f)
			}
			return f
		}
	}
	t.Errorf("no %s finding on %q with %q in:\n%s", severity, host, words, list(found))
	return Finding{}
}

func list(found []Finding) string {
	var b strings.Builder
	for _, f := range found {
		b.WriteString("  " + string(f.Severity) + " " + f.String() + "\n")
	}
	return b.String()
}

func TestLabAllIsWell(t *testing.T) {
	for _, user := range []string{"root", "ops", "opspw"} {
		t.Run(user, func(t *testing.T) {
			l, hosts := lab(t, user, "h1", "h2", "h3")
			before := treeHash(t, hosts)
			found, err := Run(t.Context(), input(t, labCluster(l, hosts...), hosts))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("\n%s", list(found))
			if bad := Failed(found); len(bad) > 0 {
				t.Errorf("failed:\n%s", list(bad))
			}
			for _, h := range hosts {
				want(t, found, OK, h.Name, "TCP and UDP 9094 reach")
				want(t, found, OK, h.Name, "postgres 15")
				want(t, found, OK, h.Name, "a message published came back")
			}
			if after := treeHash(t, hosts); after != before {
				t.Errorf("the check changed the hosts:\nbefore %s\nafter  %s", before, after)
			}
		})
	}
}

// treeHash covers what a check could leave: files, units and processes.
func treeHash(t *testing.T, hosts []fleet.Host) string {
	t.Helper()
	var all []string
	for _, h := range hosts {
		all = append(all, onHost(t, h, `{ find /etc /opt /var/lib /usr/local /root /home /tmp -xdev -path /var/lib/systemd -prune -o -printf '%p %m %s %T@\n' 2>/dev/null | sort
ls /run | grep ghadeploy; ls /run/systemd/transient 2>/dev/null | grep -v '^session-'; ss -Hltnu | awk '{print $1,$5}' | sort; } | sha256sum`))
	}
	return strings.Join(all, "")
}

func TestLabGossipFirewall55938(t *testing.T) {
	l, hosts := lab(t, "root", "h1", "h2", "h3")
	for _, tt := range []struct{ proto, from, to string }{{"tcp", "h1", "h2"}, {"udp", "h3", "h1"}} {
		t.Run(tt.proto, func(t *testing.T) {
			l.BlockPort(t, tt.from, tt.to, tt.proto, 9094)
			found := only(t, input(t, labCluster(l, hosts...), hosts), "gossip")
			want(t, found, Fail, tt.from, tt.from+" -> "+tt.to, strings.ToUpper(tt.proto)+" 9094")
			if n := len(Failed(found)); n != 1 {
				t.Errorf("%d ways are called blocked, 1 is:\n%s", n, list(found))
			}
		})
	}
}

func TestLabOccupiedPort(t *testing.T) {
	l, hosts := lab(t, "root", "h1", "h2")
	// sleep, because the lab's balancer connects to the port every second and what
	// it starts must go on holding it.
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := hosts[0].Run(ctx, remote.Command{Args: []string{"systemd-socket-activate", "-l", "3000", "sleep", "60"}, Stderr: in, Step: "hold the port"})
		_ = in.Close()
		ended <- err
	}()
	defer func() { cancel(); <-ended }()
	first, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(first, "Listening on") {
		t.Fatalf("the port is not held: %q, %v", first, err)
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	found := only(t, input(t, labCluster(l, hosts...), hosts), "ports")
	want(t, found, Fail, "h1", "HTTP port 3000/tcp is held by ", "ss -lnp")
	want(t, found, OK, "h2", "free")
}

func TestLabFullDisk(t *testing.T) {
	l, hosts := lab(t, "root", "h1", "h2")
	onHost(t, hosts[1], "mkdir -p /mnt/chk && mount -t tmpfs -o size=8m,nr_inodes=500,noexec tmpfs /mnt/chk")
	defer onHost(t, hosts[1], "umount /mnt/chk; rmdir /mnt/chk")
	c := labCluster(l, hosts...)
	c.Paths.Root = "/mnt/chk/grafana"
	found := only(t, input(t, c, hosts), "disk")
	want(t, found, Fail, "h2", "free for /mnt/chk/grafana", "needed")
	want(t, found, Fail, "h2", "inodes free")
	want(t, found, Fail, "h2", "noexec")
	want(t, found, OK, "h1")
}

// The folder of the releases may be a mount of its own, smaller than what it lies in.
func TestLabASmallMountForReleases(t *testing.T) {
	l, hosts := lab(t, "root", "h1", "h2")
	onHost(t, hosts[1], "mkdir -p /mnt/rel/releases && mount -t tmpfs -o size=8m tmpfs /mnt/rel/releases")
	defer onHost(t, hosts[1], "umount /mnt/rel/releases; rm -r /mnt/rel")
	c := labCluster(l, hosts...)
	c.Paths.Root = "/mnt/rel"
	found := only(t, input(t, c, hosts), "disk")
	want(t, found, Fail, "h2", "free for /mnt/rel/releases", "needed")
	want(t, found, OK, "h1")
}

// Rights to make users are not yet the right to see them.
func TestLabAnAdministratorWhoMayNotLook(t *testing.T) {
	l, hosts := lab(t, "root", "h1", "h2")
	c := labCluster(l, hosts...)
	c.Database = inventory.Database{Type: "mysql", Host: l.Host("svc") + ":3306", Name: "chk_look", User: "chk_look", Password: inventory.NewSecret("chk", "literal")}
	root := c.Database
	root.Create = &inventory.Credentials{User: "labadmin", Password: inventory.NewSecret("labadmin", "literal")}
	statements := func(all ...string) {
		t.Helper()
		db, err := database.Open(t.Context(), hosts[0], root, root.Create)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, s := range all {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	statements("DROP USER IF EXISTS chk_weak", "CREATE USER chk_weak IDENTIFIED BY 'weak'", "GRANT CREATE, CREATE USER ON *.* TO chk_weak")
	defer statements("DROP USER IF EXISTS chk_weak")
	c.Database.Create = &inventory.Credentials{User: "chk_weak", Password: inventory.NewSecret("weak", "literal")}
	found := only(t, input(t, c, hosts), "database")
	f := want(t, found, Fail, "h1", "look for database role chk_look", "denied")
	if !strings.Contains(f.Fix, "GRANT SELECT ON mysql.user TO chk_weak") {
		t.Errorf("the fix: %s", f.Fix)
	}
}

func TestLabDatabaseAndRedisTrouble(t *testing.T) {
	l, hosts := lab(t, "root", "h1", "h2")
	svc, nowhere := l.Host("svc"), strings.TrimSuffix(l.Host("svc"), "10")+"99:5432"
	for _, tt := range []struct {
		name, check string
		change      func(c *inventory.Cluster)
		words       []string
	}{
		{"wrong password", "database", func(c *inventory.Cluster) { c.Database.Password = inventory.NewSecret("wrong-canary", "env:DB") }, []string{"password authentication failed", "export DB"}},
		{"missing database", "database", func(c *inventory.Cluster) { c.Database.Name = "chk_missing" }, []string{"chk_missing", "does not exist"}},
		{"database down", "database", func(c *inventory.Cluster) { c.Database.Host = svc + ":5499" }, []string{"cannot reach the database at " + svc + ":5499", "refused"}},
		{"no route", "database", func(c *inventory.Cluster) { c.Database.Host = nowhere }, []string{"cannot reach the database at " + nowhere}},
		{"mariadb wrong password", "database", func(c *inventory.Cluster) {
			c.Database.Type, c.Database.Host, c.Database.Password = "mysql", svc+":3306", inventory.NewSecret("wrong-canary", "env:DB")
		}, []string{"Access denied", "1045"}},
		{"mariadb missing database", "database", func(c *inventory.Cluster) {
			c.Database.Type, c.Database.Host, c.Database.Name = "mysql", svc+":3306", "chk_missing"
		}, []string{"chk_missing"}},
		{"redis down", "redis-live", func(c *inventory.Cluster) { c.Live.Redis.Address = svc + ":6399" }, []string{"cannot reach Redis at " + svc + ":6399"}},
		{"redis password that is none", "redis-live", func(c *inventory.Cluster) { c.Live.Redis.Password = inventory.NewSecret("wrong-canary", "env:R") }, []string{"Redis at " + svc + ":6379 has no password"}},
		{"redis user that is none", "redis-alerting", func(c *inventory.Cluster) {
			c.Alerting.HA = "redis"
			c.Alerting.Redis = inventory.Redis{Address: svc + ":6379", Username: "nobody", Password: inventory.NewSecret("wrong-canary", "env:R")}
		}, []string{"refuses the password", "env:R"}},
		{"redis number that is none", "redis-live", func(c *inventory.Cluster) { c.Live.Redis.DB = 99 }, []string{"no database 99"}},
		{"redis without tls", "redis-live", func(c *inventory.Cluster) { c.Live.Redis.TLS = &inventory.RedisTLS{} }, []string{"TLS"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := labCluster(l, hosts...)
			tt.change(c)
			found := only(t, input(t, c, hosts), tt.check)
			for _, h := range hosts {
				want(t, found, Fail, h.Name, tt.words...)
			}
			if strings.Contains(list(found), "canary") {
				t.Error("a password shows")
			}
		})
	}
}

func TestLabBecomeFails(t *testing.T) {
	l, hosts := lab(t, "plain", "h1")
	found := only(t, input(t, labCluster(l, hosts...), hosts), "host-login")
	want(t, found, Fail, "h1", "become root", "sudo")
}

func TestLabForwardingOffIsSaid(t *testing.T) {
	l, hosts := lab(t, "root", "h1", "h2")
	// A second sshd, so that the lab's own stays as it is. It ends with its test.
	onHost(t, hosts[1], "/usr/sbin/sshd -p 2222 -o AllowTcpForwarding=no -o PidFile=/run/chk-sshd.pid")
	defer onHost(t, hosts[1], "kill $(cat /run/chk-sshd.pid); rm -f /run/chk-sshd.pid")
	d := &remote.Dialer{ConfigFiles: []string{}}
	c, err := d.Dial(t.Context(), remote.Target{Name: "h2", Address: l.Host("h2"), Port: 2222, User: "root",
		IdentityFiles: []string{l.Key}, Fingerprint: fingerprint(t, hosts[1])})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	hosts[1].Conn = c
	found, err := Run(t.Context(), input(t, labCluster(l, hosts...), hosts))
	if err != nil {
		t.Fatal(err)
	}
	want(t, found, OK, "h2", "postgres 15")
	want(t, found, OK, "h2", "a message published came back")
	want(t, found, OK, "h2", "TCP and UDP 9094 reach h1") // bash needs no forwarding
	want(t, found, OK, "h1", "postgres 15")
}

func fingerprint(t *testing.T, h fleet.Host) string {
	t.Helper()
	return strings.Fields(onHost(t, h, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub"))[1]
}
