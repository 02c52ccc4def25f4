package inventory

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ansibleList is what ansible-inventory --list prints.
type ansibleList struct {
	hostVars map[string]map[string]any
	groups   map[string]*AnsibleGroup
}

func readAnsibleList(t *testing.T, path string) ansibleList {
	t.Helper()
	if _, err := exec.LookPath("ansible-inventory"); err != nil {
		t.Skip("needs ansible-inventory (apt-get install ansible-core)")
	}
	return ansibleListOf(t, ansibleOutput(t, path, "yaml"))
}

// ansibleOutput is what ansible-inventory --list prints, with one plugin alone.
func ansibleOutput(t *testing.T, path, plugin string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ansible-inventory", "-i", absPath(t, path), "--list")
	cmd.Dir = t.TempDir() // no ansible.cfg of the repository or the user
	cmd.Env = append(cmd.Environ(), "ANSIBLE_INVENTORY_ENABLED="+plugin, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED=1", "LC_ALL=C.UTF-8", "HOME="+t.TempDir())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ansible-inventory: %v", err)
	}
	return out
}

func TestAnsibleAgreesWithAnsibleInventory(t *testing.T) {
	if testing.Short() {
		t.Skip("starts Ansible some dozens of times")
	}
	files, _ := filepath.Glob("testdata/ansible/*.yaml")
	folders, _ := filepath.Glob("testdata/ansible/*/hosts.yaml")
	if files = append(files, folders...); len(files) < 7 {
		t.Fatalf("only %d fixtures", len(files))
	}
	for _, path := range files {
		t.Run(strings.TrimPrefix(path, "testdata/ansible/"), func(t *testing.T) {
			theirs := readAnsibleList(t, path)
			ours, err := ParseAnsible(path)
			if err != nil {
				t.Fatal(err)
			}
			// Ansible leaves hosts without variables out.
			vars := map[string]map[string]any{}
			for host, v := range ours.HostVars {
				if len(v) > 0 {
					vars[host] = v
				}
			}
			if diff := cmp.Diff(theirs.hostVars, throughJSON(t, vars)); diff != "" {
				t.Errorf("variables differ (- ansible, + ghadeploy):\n%s", diff)
			}
			if diff := cmp.Diff(membership(theirs.groups), membership(ours.Groups)); diff != "" {
				t.Errorf("groups differ (- ansible, + ghadeploy):\n%s", diff)
			}
		})
	}
}

// membership is the direct members of the groups that have any, sorted.
func membership(groups map[string]*AnsibleGroup) map[string][]string {
	out := map[string][]string{}
	for name, g := range groups {
		var members []string
		for _, child := range g.Children {
			members = append(members, "group "+child)
		}
		// ansible-inventory lists hosts of all in ungrouped, or not at all.
		if name != "all" {
			for _, h := range g.Hosts {
				members = append(members, "host "+h)
			}
		}
		if len(members) > 0 {
			slices.Sort(members)
			out[name] = members
		}
	}
	return out
}

func throughJSON(t *testing.T, v map[string]map[string]any) map[string]map[string]any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]map[string]any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLoadAnsible(t *testing.T) {
	c, err := Load(t.Context(), "testdata/ansible/connection.yaml", Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := hostNames(c.Hosts), []string{"g1.example.com", "g2.example.com", "g3.example.com"}; !slices.Equal(got, want) {
		t.Fatalf("hosts = %v, want %v", got, want)
	}
	g1, g3 := c.Hosts[0], c.Hosts[2]
	if g1.SSH.Port != 2222 || g1.SSH.User != "ops" || !slices.Equal(g1.SSH.ProxyJump, []string{"jump@bastion.example.com:2222"}) {
		t.Errorf("g1 is reached by %+v", g1.SSH)
	}
	if g3.Address != "10.0.0.13" || g3.SSH.Become.Method != "doas" || !g3.SSH.Become.Password.IsSet() || g3.SSH.ConnectTimeout.Seconds() != 3 || !strings.HasSuffix(g3.SSH.IdentityFiles[0], "/testdata/ansible/keys/g3") {
		t.Errorf("g3 is %+v", g3)
	}
	for _, want := range []struct{ host, section, key, value string }{
		{"g1.example.com", "server", "http_port", "3001"},
		{"g3.example.com", "server", "http_port", "3003"},
		{"g3.example.com", "log", "level", "debug"},
		{"g1.example.com", "smtp", "host", "mx:25"},
	} {
		if v, _ := c.Host(want.host).Config.Get(want.section, want.key); v.Reveal() != want.value {
			t.Errorf("%s: %s.%s = %q, want %q", want.host, want.section, want.key, v.Reveal(), want.value)
		}
	}
	if lb := c.LoadBalancer.Hosts; len(lb) != 1 || lb[0].Address != "10.0.0.5" || lb[0].SSH.Become.Method != "none" || lb[0].SSH.User != "root" {
		t.Errorf("balancers = %+v", lb)
	}
	if got, _ := c.Select("rack_b"); len(got) != 1 || got[0].Labels["rack"] != "b" {
		t.Errorf("rack_b = %v", got)
	}
}

// What Ansible is told about ssh is taken over, or named; never dropped in silence.
func TestAnsibleSSHArguments(t *testing.T) {
	const head = "all:\n  vars:\n    ghadeploy: {cluster: p, grafana: {version: \"12.3.1\", artifact: {source: g.tgz}, secret_key: \"${env:K}\"}, database: {type: postgres, host: db}}\n"
	for name, tt := range map[string]struct {
		vars       string
		knownHosts []string // their base names
		acceptNew  bool
		jump       string
		warns      []string // one warning each
	}{
		"known hosts":       {vars: `ansible_ssh_common_args: "-o UserKnownHostsFile=/etc/ansible/known_hosts -o StrictHostKeyChecking=yes"`, knownHosts: []string{"known_hosts"}},
		"two files, quoted": {vars: `ansible_ssh_extra_args: "-o 'UserKnownHostsFile /a/one /b/two'"`, knownHosts: []string{"one", "two"}},
		"accept new":        {vars: `ansible_ssh_common_args: -oStrictHostKeyChecking=accept-new`, acceptNew: true},
		"no verification": {vars: `ansible_ssh_common_args: "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"`,
			warns: []string{"StrictHostKeyChecking=no is not taken over (ghadeploy verifies host keys, always", "UserKnownHostsFile=/dev/null is not taken over"}},
		"a variable":      {vars: `ansible_host_key_checking: no`, warns: []string{"ansible_host_key_checking: no is not taken over"}},
		"our own way":     {vars: `ansible_ssh_args: "-C -o ControlMaster=auto -o ControlPersist=60s"`},
		"what else":       {vars: `ansible_ssh_args: "-o IdentitiesOnly=yes -i ~/.ssh/key"`, warns: []string{"-o IdentitiesOnly is not taken over (write it as ~/.ssh/config", "-i is not taken over (write it as ansible_ssh_private_key_file"}},
		"the first wins":  {vars: `{ansible_ssh_args: "-J one", ansible_ssh_common_args: "-o ProxyJump=two"}`, jump: "one"},
		"jump of a quote": {vars: `ansible_ssh_common_args: "-o \"ProxyJump=ops@bastion:2222\""`, jump: "ops@bastion:2222"},
	} {
		t.Run(name, func(t *testing.T) {
			vars := "{" + strings.Trim(tt.vars, "{}") + "}"
			c, err := Parse(t.Context(), "inv.yaml", []byte(head+"  hosts: {h: "+vars+"}\n"), Options{SkipFiles: true})
			if err != nil {
				t.Fatal(err)
			}
			ssh := c.Hosts[0].SSH
			var files []string
			for _, f := range ssh.KnownHosts {
				files = append(files, filepath.Base(f))
			}
			if !slices.Equal(files, tt.knownHosts) || ssh.AcceptNew != tt.acceptNew || strings.Join(ssh.ProxyJump, ",") != tt.jump {
				t.Errorf("reached by %+v", ssh)
			}
			var told []string
			for _, w := range c.Warnings {
				if strings.Contains(w.Message, "is not taken over") {
					told = append(told, w.Error())
				}
			}
			if len(told) != len(tt.warns) {
				t.Errorf("%d warnings, want %d: %q", len(told), len(tt.warns), told)
			}
			for _, want := range tt.warns {
				if !strings.Contains(strings.Join(told, "\n"), want) {
					t.Errorf("no warning with %q: %q", want, told)
				}
			}
		})
	}
}

// Our sections may stand in group_vars, and a group's override too.
func TestLoadAnsibleWithVarsFolders(t *testing.T) {
	c, err := Load(t.Context(), "testdata/ansible/vars_folders/hosts.yaml", Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := hostNames(c.Hosts); !slices.Equal(got, []string{"g1.example.com", "g2.example.com"}) {
		t.Fatalf("hosts = %v", got)
	}
	g1 := c.Hosts[0]
	if g1.SSH.Port != 2222 || g1.SSH.User != "ops" || g1.Address != "10.0.0.11" {
		t.Errorf("g1 is reached at %s by %+v", g1.Address, g1.SSH)
	}
	if v, _ := g1.Config.Get("log", "level"); v.Reveal() != "debug" {
		t.Errorf("log.level = %q", v.Reveal())
	}
}

// A mistake in a file beside the inventory is told with that file's line; a vault is
// left out and named.
func TestAnsibleVarsFolderMistakes(t *testing.T) {
	const inventory = "all:\n  vars:\n    ghadeploy: {cluster: p, grafana: {version: \"12.3.1\", artifact: {source: g.tgz}, secret_key: \"${env:K}\"}, database: {type: postgres, host: db}}\n  hosts: {h: }\n"
	for name, tt := range map[string]struct {
		text    string
		want    []string
		warning bool
	}{
		"no yaml": {text: "a: [\n", want: []string{"group_vars/all.yml:", "not valid YAML"}},
		"a list":  {text: "- a\n", want: []string{"group_vars/all.yml:1:1", "all.yml must be a map of variables, this is a list"}},
		"section": {text: "# first line\nghadeploy: {cluster: p, alertin: {}, grafana: {version: \"12.3.1\", artifact: {source: g.tgz}, secret_key: \"${env:K}\"}, database: {type: postgres, host: db}}\n",
			want: []string{"group_vars/all.yml:2:25", `did you mean "alerting"?`, "\n    ghadeploy: {cluster: p, alertin"}},
		"vault": {text: "$ANSIBLE_VAULT;1.1;AES256\n3031\n", want: []string{"group_vars/all.yml: encrypted with ansible-vault"}, warning: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for path, text := range map[string]string{"hosts.yaml": inventory, "group_vars/all.yml": tt.text} {
				path = filepath.Join(dir, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c, err := Load(t.Context(), filepath.Join(dir, "hosts.yaml"), Options{SkipFiles: true})
			var said string
			switch {
			case tt.warning && err == nil:
				said = c.Warnings.Error()
			case err != nil:
				said = err.Error()
			}
			for _, want := range tt.want {
				if !strings.Contains(said, want) {
					t.Errorf("said %q, want %q in it", said, want)
				}
			}
		})
	}
}

func TestLoadAnsibleMistakes(t *testing.T) {
	const head = "all:\n  vars:\n    ghadeploy: {cluster: p, grafana: {version: \"12.3.1\", artifact: {source: g.tgz}, secret_key: \"${env:K}\"}, database: {type: postgres, host: db}}\n"
	for name, test := range map[string]struct{ src, want string }{
		"jinja address":   {head + "  hosts: {h: {ansible_host: \"{{ ip }}\"}}\n", "4:29: ansible_host is a Jinja expression"},
		"vault":           {head + "  hosts: {h: {ansible_password: !vault abc}}\n", "ansible-vault"},
		"local":           {head + "  hosts: {h: {ansible_connection: local}}\n", "ansible_connection local is not SSH"},
		"become user":     {head + "  hosts: {h: {ansible_become_user: bob}}\n", "has to become root"},
		"no section":      {"all:\n  hosts: {h: }\n", "no sections for ghadeploy"},
		"circle":          {"all: {children: {a: {children: {b: {children: {a: }}}}}}\n", "contain each other"},
		"self":            {"all: {children: {a: {children: {a: }}}}\n", "its own child"},
		"list of hosts":   {"all: {hosts: [a, b]}\n", "end each name with a colon"},
		"unknown pattern": {strings.Replace(head, "cluster: p,", "cluster: p, hosts: grafna,", 1) + "  children: {grafana: {hosts: {h: }}}\n", `did you mean "grafana"?`},
		"unknown key":     {strings.Replace(head, "cluster: p,", "cluster: p, alertin: {},", 1) + "  hosts: {h: }\n", `did you mean "alerting"?`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(t.Context(), "inv.yaml", []byte(test.src), Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want %q in it", err, test.want)
			}
		})
	}
}

func absPath(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// A ProxyCommand among Ansible's arguments is that of the host.
func TestAnsibleProxyCommand(t *testing.T) {
	for args, want := range map[string]string{
		`-o ProxyCommand="ssh -W %h:%p -q bastion.example.com"`:  "ssh -W %h:%p -q bastion.example.com",
		`-o 'ProxyCommand ssh -W %h:%p b' -o ControlMaster=auto`: "ssh -W %h:%p b",
		`-o ProxyCommand=none`: "none",
		`-oProxyCommand='ssh -i ~/k -W [%h]:%p -l ops b' -o ProxyJump=other`: "ssh -i ~/k -W [%h]:%p -l ops b",
	} {
		src := "all:\n  vars:\n    ghadeploy: {cluster: p, hosts: all, grafana: {version: \"12.4.0\", artifact: {source: g.tgz}, secret_key: \"${env:K}\"}, " +
			"database: {type: postgres, host: db, password: \"${env:K}\"}, alerting: {ha: none}}\n" +
			"  hosts:\n    h:\n      ansible_ssh_common_args: " + strconv.Quote(args) + "\n"
		c, err := Parse(t.Context(), "i.yaml", []byte(src), Options{SkipFiles: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Hosts[0].SSH.ProxyCommand; got != want && len(c.Hosts[0].SSH.ProxyJump) == 0 {
			t.Errorf("%s: %q", args, got)
		}
	}
}
