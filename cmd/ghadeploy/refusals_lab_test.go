package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// What somebody else put where ours goes is refused with what to type, skipped
// checks or not, and nothing of it is lost.
func TestLabWhatIsNotOursIsRefusedAndKept(t *testing.T) {
	c := newTrial(t, labtest.Options{Hosts: []string{"h1"}, Alerting: "none", NoLive: true})
	const unit = "/etc/systemd/system/grafana-server.service"
	c.Sh(t, "h1", `mkdir /etc/grafana && echo '[server]' >/etc/grafana/grafana.ini
		printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' >`+unit+`
		systemctl daemon-reload && systemctl enable -q --now grafana-server`)
	before, running := c.trees(t, ownedPlaces), c.processes(t)

	r := c.run(t, 2, "plan", "--detailed-exitcode")
	c.names(t, r, "mv /etc/grafana ", "mv "+unit)
	c.names(t, c.run(t, 7, "apply", "--yes"), "mv /etc/grafana ", "mv "+unit)
	sameTrees(t, "a refused apply", without(before, "/var/lib/ghadeploy"), without(c.trees(t, ownedPlaces), "/var/lib/ghadeploy"))
	c.names(t, c.run(t, 1, "apply", "--yes", "--skip-check", "all"), "mv /etc/grafana ", "mv "+unit)
	sameTrees(t, "a refused apply without checks", without(before, "/var/lib/ghadeploy"), without(c.trees(t, ownedPlaces), "/var/lib/ghadeploy"))
	if now := c.processes(t); now["h1"] != running["h1"] {
		t.Errorf("the other service was restarted: %q, then %q", running["h1"], now["h1"])
	}

	// what was printed is what helps
	c.Sh(t, "h1", `mv /etc/grafana /etc/grafana.before-ghadeploy; systemctl disable -q --now grafana-server; mv `+unit+` /root/`)
	c.run(t, 0, "apply", "--yes")
	c.serve(t)
	if kept := c.Sh(t, "h1", "cat /etc/grafana.before-ghadeploy/grafana.ini; tail -n 1 /root/grafana-server.service"); kept != "[server]\nWantedBy=multi-user.target" {
		t.Errorf("kept: %q", kept)
	}
}

func (c *trial) names(t *testing.T, r labtest.Ran, words ...string) {
	t.Helper()
	said := strings.Join(strings.Fields(r.Stdout+r.Stderr), " ") // lines are broken at the terminal's width
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("no word of %q in:\n%s", w, said)
		}
	}
}

// without leaves out what lies below a folder, in which the journal of a refused
// run is written, and the folder that it is in.
func without(trees map[string]string, dir string) map[string]string {
	out := map[string]string{}
	for h, tree := range trees {
		var kept []string
		for _, line := range strings.Split(tree, "\n") {
			if !strings.HasPrefix(line, dir) {
				kept = append(kept, line)
			}
		}
		out[h] = strings.Join(kept, "\n")
	}
	return out
}

// An inventory that cannot be right ends with exit 3 and its position, before any
// host hears of it.
func TestLabABrokenInventoryTouchesNoHost(t *testing.T) {
	c := newTrial(t, labtest.Options{Hosts: []string{"h1"}, Alerting: "none", NoLive: true})
	good, err := os.ReadFile(c.inv.Path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(good)
	from := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("the inventory has no %q", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	since, before := c.logins(t), c.trees(t, everything)
	for name, tt := range map[string]struct{ text, want string }{
		"not YAML":              {text + "\n  : [", "inventory.yaml:"},
		"an unknown section":    {text + "\ndatabse: {}\n", `did you mean`},
		"an unknown key":        {from("    user: grafana", "    usr: grafana"), `did you mean`},
		"a wrong type":          {from("    root_url:", "    root_url: [1]\n    x-was:"), "root_url"},
		"an unset variable":     {from("${file:secret_key}", "${env:GHADEPLOY_TEST_IS_NOT_SET}"), "GHADEPLOY_TEST_IS_NOT_SET"},
		"a secret not there":    {from("${file:secret_key}", "${file:no_such_file}"), "no_such_file"},
		"a duplicate address":   {from("    h1:\n", "    h2:\n        address: "+c.Host("h1")+"\n    h1:\n"), c.Host("h1")},
		"a bad range":           {from("    h1:\n", "    h[9:2]:\n"), "h[9:2]"},
		"no version":            {from("    version: 10.3.1\n", ""), "version"},
		"a bad version":         {from("version: 10.3.1", "version: latest"), "version"},
		"a key set two ways":    {text + "\ncluster: again\n", "cluster"},
		"sqlite on two hosts":   {strings.Replace(from("type: postgres", "type: sqlite3"), "    h1:\n", "    h2: {address: 10.255.255.1}\n    h1:\n", 1), "sqlite"},
		"the default key":       {from("${file:secret_key}", "SW2YcwTIb9zpOOhoPsMm"), "secret_key"},
		"too large":             {text + "#" + strings.Repeat("x", 11<<20) + "\n", "large"},
		"a document that grows": {bomb(text), "inventory.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(c.inv.Dir, "broken", "inventory.yaml")
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(strings.ReplaceAll(tt.text, "${file:", "${file:../")), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"apply", path, "--yes"}, {"plan", path}} {
				r := labtest.Ghadeploy(t, args...)
				if r.Code != 3 || !strings.Contains(r.Stdout+r.Stderr, tt.want) {
					t.Errorf("%s: exit %d, want 3 and %q:\n%.2000s", args[0], r.Code, tt.want, r.Stdout+r.Stderr)
				}
			}
		})
	}
	sameTrees(t, "a broken inventory", before, c.trees(t, everything))
	// one login for the trees before, one for those after, one for each count
	for h, n := range c.logins(t) {
		if n-since[h] != 3 {
			t.Errorf("%s was logged in to %d times, want the test's own 3", h, n-since[h])
		}
	}
}

// bomb is the billion laughs in YAML: small, and gigabytes when its aliases are
// followed.
func bomb(text string) string {
	var b strings.Builder
	b.WriteString("x-a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol]\n")
	for i := range 9 {
		fmt.Fprintf(&b, "x-a%d: &a%d [%s]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 9))
	}
	return b.String() + text
}
