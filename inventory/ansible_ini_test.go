package inventory

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// iniFixtures are inventories as people have them, with what ansible-inventory --list
// prints of each recorded beside it in NAME.json (-update records it anew).
func iniFixtures(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("testdata/ansible_ini/*")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range all {
		switch {
		case strings.HasSuffix(f, ".json"):
		case filepath.Base(f) == "folders":
			files = append(files, f+"/hosts")
		default:
			files = append(files, f)
		}
	}
	if len(files) < 20 {
		t.Fatalf("only %d fixtures", len(files))
	}
	return files
}

func TestAnINIInventoryReadsAsAnsibleReadsIt(t *testing.T) {
	_, noTool := exec.LookPath("ansible-inventory")
	for _, path := range iniFixtures(t) {
		t.Run(strings.TrimPrefix(path, "testdata/ansible_ini/"), func(t *testing.T) {
			recorded := filepath.Dir(path) + "/" + filepath.Base(path) + ".json"
			ours, err := ParseAnsible(path)
			if err != nil {
				t.Fatal(err)
			}
			vars := map[string]map[string]any{}
			for host, v := range ours.HostVars {
				if len(v) > 0 { // Ansible leaves hosts without variables out
					vars[host] = v
				}
			}
			compare := func(whose string, theirs ansibleList) {
				t.Helper()
				if diff := cmp.Diff(theirs.hostVars, throughJSON(t, vars)); diff != "" {
					t.Errorf("variables differ (- %s, + ghadeploy):\n%s", whose, diff)
				}
				if diff := cmp.Diff(membership(theirs.groups), membership(ours.Groups)); diff != "" {
					t.Errorf("groups differ (- %s, + ghadeploy):\n%s", whose, diff)
				}
			}
			if noTool == nil && !testing.Short() {
				raw := ansibleOutput(t, path, "ini")
				if *update {
					if err := os.WriteFile(recorded, raw, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				compare("ansible-inventory", ansibleListOf(t, raw))
			}
			raw, err := os.ReadFile(recorded)
			if err != nil {
				t.Fatal(err)
			}
			compare("recorded", ansibleListOf(t, raw))
		})
	}
}

const iniSettings = "ghadeploy: {cluster: p, hosts: grafana, grafana: {version: \"12.3.1\", artifact: {source: g.tgz}, secret_key: \"${env:K}\"}, database: {type: postgres, host: db}}\n"

// iniFile is an inventory and what lies beside it, in a folder of its own.
func iniFile(t *testing.T, name, text, groupVars string) string {
	t.Helper()
	dir := t.TempDir()
	if groupVars != "" {
		if err := os.Mkdir(filepath.Join(dir, "group_vars"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "group_vars/all.yml"), []byte(groupVars), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadINI(t *testing.T) {
	path := iniFile(t, "hosts", `web1
[grafana]
g1 ansible_host=127.0.0.2 ansible_user=admin
g[2:3] ansible_port=2222 ansible_become=False ; x=1
[grafana:vars]
ansible_user=ops
ansible_ssh_common_args='-o ProxyJump=jump@bastion'
`, iniSettings)
	if _, err := Load(t.Context(), path, Options{SkipFiles: true}); err == nil || !strings.Contains(err.Error(), "hosts:4:47: behind a host's name stand variables") {
		t.Fatalf("a semicolon behind a host is no comment to Ansible: %v", err)
	}
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), " ; x=1", " # x=1")), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(t.Context(), path, Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(hostNames(c.Hosts), " "); got != "g1 g2 g3" {
		t.Fatalf("hosts %s", got)
	}
	g1, g3 := c.Hosts[0], c.Hosts[2]
	if g1.Address != "127.0.0.2" || g1.SSH.User != "admin" || strings.Join(g1.SSH.ProxyJump, "") != "jump@bastion" {
		t.Errorf("g1 is reached at %s by %+v", g1.Address, g1.SSH)
	}
	if g3.SSH.Port != 2222 || g3.SSH.User != "ops" || g3.SSH.Become.Method != "none" {
		t.Errorf("g3 is reached by %+v", g3.SSH)
	}
}

// Sections of ours may stand in the INI file itself, as a literal.
func TestLoadINIWithSettingsOfItsOwn(t *testing.T) {
	path := iniFile(t, "hosts.ini", "[grafana]\ng[1:2]\n[all:vars]\n"+
		`ghadeploy={'cluster': 'p', 'hosts': 'grafana', 'grafana': {'version': '12.3.1', 'artifact': {'source': 'g.tgz'}, 'secret_key': '${env:K}'}, 'database': {'type': 'postgres', 'host': 'db'}}`+"\n", "")
	c, err := Load(t.Context(), path, Options{SkipFiles: true})
	if err != nil || len(c.Hosts) != 2 || c.Grafana.Version != "12.3.1" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestINIMistakesAreToldWithTheirPlace(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"no settings":          {"[grafana]\ng1\n", "hosts.ini:1:1: the Ansible inventory has no sections for ghadeploy (put cluster:, grafana:, database: ... under ghadeploy: into group_vars/all.yml beside it; or let `ghadeploy import "},
		"a closing quote":      {"[g]\nh x='a\n", "hosts.ini:2:1: the line has a quote ' that is not closed"},
		"a backslash":          {"[g]\nh x=a\\\n", "hosts.ini:2:1: the line ends with a backslash"},
		"a word":               {"[g]\nh  x=1  two words=2\n", "hosts.ini:2:9: behind a host's name stand variables"},
		"a section's kind":     {"[g]\nh\n[g:var]\nx=1\n", `hosts.ini:3:1: section [g:var] has the unknown kind "var" (did you mean "vars"?)`},
		"blanks in a section":  {"[my group]\nh\n", "hosts.ini:1:1: this is not a section"},
		"an address for one":   {"[::1]\n", "an IPv6 address without brackets"},
		"a semicolon":          {"[g] ; x\nh\n", "only # begins a comment behind it"},
		"an address":           {"[g]\n[fd00::1] x=1\n", "write the address without brackets"},
		"no such group":        {"[g]\nh\n[p:children]\ngg\n", `hosts.ini:4:1: there is no group "gg"`},
		"variables of none":    {"[h1:vars]\nx=1\n", `hosts.ini:1:1: there is no group "h1"`},
		"its own child":        {"[g:children]\ng\n", `hosts.ini:2:1: group "g" cannot be its own child`},
		"a circle":             {"[a:children]\nb\n[b:children]\na\n", "contain each other in a circle"},
		"a child with words":   {"[g]\nh\n[p:children]\ng x=1\n", "hosts.ini:4:1: below [p:children] stand names of groups"},
		"no variable":          {"[g]\nh\n[g:vars]\n  ansible_user: ops\n", "hosts.ini:4:3: below [g:vars] stands one variable a line (write key=value)"},
		"a setting":            {"[server]\nhttp_port = 3000\n", "hosts.ini:2:1: this is a setting, not a host"},
		"a range without end":  {"[g]\nh[1:]\n", "hosts.ini:2:1: range [1:] has no end"},
		"a range explosion":    {"[g]\nh[1:99999999]\n", "stands for more than 10000 hosts"},
		"ranges of ranges":     {"[g]\nh[1:1000][1:1000][1:1000]\n", "stands for more than 10000 hosts"},
		"a colon":              {"[g]\nh:\n", "ends with a colon"},
		"a port":               {"[g]\nh:99999\n", "99999 is not a port"},
		"yaml":                 {"[g]\n---\n", "--- begins a YAML file"},
		"a vault":              {"[g]\nh\n[g:vars]\nansible_password=!vault |\n$ANSIBLE_VAULT;1.1;AES256\n", "hosts.ini:4:18: ansible_password is encrypted with ansible-vault, which ghadeploy does not open"},
		"a vaulted value":      {"[g]\nh ansible_password='$ANSIBLE_VAULT;1.1;AES256 3031'\n", "hosts.ini:2:3: ansible_password is encrypted with ansible-vault"},
		"a vaulted file":       {"$ANSIBLE_VAULT;1.1;AES256\n3031\n", "hosts.ini:1:1: the file is encrypted with ansible-vault"},
		"a program":            {"#!/usr/bin/env python3\nprint()\n", "hosts.ini:1:1: this is a program, an Ansible inventory that is dynamic (ghadeploy reads static inventories: ansible-inventory -i "},
		"jinja":                {"[grafana]\ng1 ansible_host=\"{{ ip }}\"\n[all:vars]\nghadeploy={'cluster': 'p'}\n", "hosts.ini:2:4: ansible_host is a Jinja expression"},
		"not UTF-8":            {"[g]\n# \xff is fine here\nh\xff\n", "hosts.ini:3:1: the line is not UTF-8 text"},
		"a priority":           {"[g]\nh\n[g:vars]\nansible_group_priority=high\n", "hosts.ini:4:24: ansible_group_priority must be a number"},
		"a nest":               {"[g]\nh\n[g:vars]\nx=" + strings.Repeat("[", 150) + "\n", "nested more than 100 deep"},
		"a variable of no one": {"[g]\nh =x\n", "hosts.ini:2:3: a variable has no name before its ="},
	} {
		t.Run(name, func(t *testing.T) {
			path := iniFile(t, "hosts.ini", tt.text, "")
			_, err := Load(t.Context(), path, Options{SkipFiles: true})
			if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), filepath.Dir(path)+"/", ""), tt.want) {
				t.Errorf("error = %v, want %q in it", err, tt.want)
			}
		})
	}
}

// Whatever a line holds, no diagnostic shows the secrets on it.
func TestINIMistakesShowNoSecrets(t *testing.T) {
	for _, text := range []string{
		"[g]\nh ansible_password=canary two\n", "[g]\nh ansible_become_pass='canary\n", "[g]\nh:99999 api_token=canary\n",
		"[g]\nh ansible_password=pre canary\n", "[g]\nh\n[g:vars]\nansible_password canary\n", "canary\n", "[g]\nh x=1\n[g:vars]\npassword=$ANSIBLE_VAULT canary\n",
		"[g]\nh grafana_admin_pwd=canary ansible_host=\"{{ x }}\"\n[all:vars]\nghadeploy={'admin': {'password': 'canary'}}\n",
	} {
		_, err := Load(t.Context(), iniFile(t, "hosts.ini", text, ""), Options{SkipFiles: true})
		if err == nil || strings.Contains(err.Error(), "canary") && !strings.Contains(text, "ansible_password canary") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A few lines stand for any number of hosts, groups and variables, and none takes long.
func TestInventoriesThatExplodeAreRefusedSoon(t *testing.T) {
	var groups, chain, vars, deep strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&groups, "[g%d]\nh[1:9999]\n", i)
	}
	for i := range 20000 {
		fmt.Fprintf(&chain, "[c%d:children]\nc%d\n", i, i+1)
	}
	chain.WriteString("[c20000]\nh[1:9999]\n")
	vars.WriteString("[g]\nh[1:9999]\n[all:vars]\n")
	for i := range 20000 {
		fmt.Fprintf(&vars, "v%d=%d\n", i, i)
	}
	deep.WriteString("[g]\nh x=\"" + strings.Repeat("[", 500000) + "\"\n")
	for name, text := range map[string]string{
		"hosts in groups": groups.String(), "groups in groups": chain.String(), "variables of hosts": vars.String(), "brackets": deep.String(),
		"a line": "h" + strings.Repeat("[1:2]", 50000) + " x=1\n", "lines": strings.Repeat("h[1:9999]\n", 90000),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			_, err := Load(t.Context(), iniFile(t, "hosts.ini", text, iniSettings), Options{SkipFiles: true})
			if err == nil {
				t.Error("it is taken")
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// Files that make an inventory, or were made by one, are named for what they are.
func TestDynamicInventoriesAreNamed(t *testing.T) {
	for name, tt := range map[string]struct{ file, text, want string }{
		"a plugin":  {"aws.yml", "plugin: amazon.aws.aws_ec2\nregions: [eu-west-1]\n", "aws.yml:1:9: this configures the inventory plugin amazon.aws.aws_ec2 of Ansible, which is dynamic (ghadeploy reads static"},
		"a listing": {"list.json", `{"_meta": {"hostvars": {"h": {"x": 1}}}, "all": {"children": ["g"]}}`, "list.json:1:1: this is what ansible-inventory --list prints as JSON"},
		"a script":  {"hosts", "#!/bin/sh\necho\n", "hosts:1:1: this is a program"},
	} {
		path := iniFile(t, tt.file, tt.text, "")
		_, err := Load(t.Context(), path, Options{SkipFiles: true})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// What is no INI stays what it was.
func TestKindsOfInventories(t *testing.T) {
	for name, tt := range map[string]struct {
		file, text   string
		ini, grafana bool
	}{
		"native":                {"prod.yaml", "cluster: p\nhosts: {g1: }\n", false, false},
		"native, other name":    {"prod.conf", "cluster: p\n", false, false},
		"Ansible's YAML":        {"hosts", "all:\n  hosts: {h: }\n", false, false},
		"INI":                   {"hosts", "[g]\nh\n", true, false},
		"INI behind comments":   {"hosts.cfg", "# x\n; y\n\n[g]\nh\n", true, false},
		"INI, ungrouped first":  {"inventory", "h1 x=1\nh2\n[g]\nh3\n", true, false},
		"INI named yaml":        {"hosts.yml", "[g:vars]\na=1\n", true, false},
		"hosts alone":           {"inventory", "h1\nh2\n", true, false},
		"hosts of any name":     {"prod", "h1 ansible_host=1.2.3.4\n", true, false},
		"one word":              {"prod", "word\n", false, false},
		"prose":                 {"README", "This is a text of words.\n", false, false},
		"Grafana's":             {"grafana.ini", "; x\n[server]\n;http_port = 3000\nroot_url = x\n", true, true},
		"Grafana's, no section": {"grafana.ini", "instance_name = x\n[server]\nhttp_port=1\n", true, true},
		"a group of variables":  {"hosts.ini", "[all:vars]\na = 1\n", true, false},
		"empty":                 {"x.ini", "", true, true},
		"JSON":                  {"x.json", "{\n\"cluster\": \"p\"\n}\n", false, false},
		"JSON in lines":         {"x.json", "{\n\"hosts\":\n[\"g1\"]\n}\n", false, false},
		"document":              {"x", "--- # ours\ncluster: p\n", false, false},
		"a list":                {"x.yaml", "[a, b]\n", false, false},
	} {
		if ini, grafana := isAnsibleINI(tt.file, []byte(tt.text)), IsGrafanaINI(tt.file, []byte(tt.text)); ini != tt.ini || grafana != tt.grafana {
			t.Errorf("%s: INI %v, Grafana's %v", name, ini, grafana)
		}
	}
}

// An inventory of hosts alone becomes a skeleton that loads, with hosts, logins and groups.
func TestImportOfAPlainInventoryMakesASkeleton(t *testing.T) {
	const hosts = "[db]\ndb1\n[rack_a]\ng1\n[rack_b]\ng2\ng3\n[grafana]\ng1 ansible_host=10.0.0.1 ansible_password=canary\ng2 ansible_host=10.0.0.2 ansible_port=2222\ng3\n[grafana:vars]\nansible_user=ops\n"
	for name, tt := range map[string]struct {
		pattern, want string
		hosts         string
	}{
		"the group":  {"", `those of "grafana"`, "g1 g2 g3"},
		"a pattern":  {"rack_b", `those of "rack_b"`, "g2 g3"},
		"all but db": {"all:!db", "all:!db", "g1 g2 g3"},
	} {
		text, secrets, err := FromAnsible(iniFile(t, "hosts", hosts, ""), tt.pattern)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c, err := Parse(t.Context(), "x.yaml", text, Options{SkipFiles: true})
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, text)
		}
		if got := strings.Join(hostNames(c.Hosts), " "); got != tt.hosts || !strings.Contains(string(text), tt.want) {
			t.Errorf("%s: hosts %s\n%s", name, got, text)
		}
		if strings.Contains(string(text), "canary") {
			t.Errorf("%s: a password stands in it:\n%s", name, text)
		}
		if name == "the group" && (c.Hosts[0].Address != "10.0.0.1" || c.Hosts[1].SSH.Port != 2222 || c.Hosts[2].SSH.User != "ops" || len(secrets) != 1) {
			t.Errorf("%s: %d secrets\n%s", name, len(secrets), text)
		}
		if got, err := c.Select("rack_b"); tt.pattern != "rack_b" && (err != nil || len(got) != 2) {
			t.Errorf("%s: rack_b is %v, %v", name, got, err)
		}
	}
	if _, _, err := FromAnsible(iniFile(t, "hosts", hosts, ""), "nobody"); err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("an unknown pattern: %v", err)
	}
	if _, _, err := FromAnsible(iniFile(t, "hosts.ini", "[g]\n", ""), ""); err == nil || !strings.Contains(err.Error(), "has no hosts") {
		t.Errorf("no hosts: %v", err)
	}
}

func ansibleListOf(t *testing.T, out []byte) ansibleList {
	t.Helper()
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(out, &raw); err != nil {
		t.Fatal(err)
	}
	list := ansibleList{groups: map[string]*AnsibleGroup{}}
	for name, body := range raw {
		if name == "_meta" {
			var meta struct {
				HostVars map[string]map[string]any `json:"hostvars"`
			}
			if err := json.Unmarshal(body, &meta); err != nil {
				t.Fatal(err)
			}
			list.hostVars = meta.HostVars
			continue
		}
		g := &AnsibleGroup{Name: name}
		if err := json.Unmarshal(body, g); err != nil {
			t.Fatal(err)
		}
		list.groups[name] = g
	}
	return list
}
