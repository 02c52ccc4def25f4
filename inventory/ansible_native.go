package inventory

import (
	"slices"
	"strings"
)

// ansibleSection is the variable that holds our own sections.
const ansibleSection = "ghadeploy"

// nativeFromAnsible turns an Ansible inventory into the tree of a native one,
// positions kept, so that everything after it is the same for both. Our
// sections are under all.vars.ghadeploy, whose hosts: is a pattern; groups and
// hosts may have a variable ghadeploy with config, env, labels and ssh.
// nil stands for an inventory with mistakes, which are in the reporter.
func nativeFromAnsible(rep *reporter, inv *AnsibleInventory) *node {
	if len(rep.errors) > 0 {
		return nil
	}
	all := inv.Groups["all"]
	ours, ok := all.get(ansibleSection)
	if !ok {
		rep.hintf(all.pos, noSections(rep), "the Ansible inventory has no sections for ghadeploy")
		return nil
	}
	if ours.value.shape != mapShape {
		rep.errorf(ours.value.pos, "ghadeploy must be a map of sections, this is %s", ours.value.shape)
		return nil
	}
	a := &ansibleToNative{rep: rep, inv: inv, cluster: inv.asCluster(), jinja: map[Position]bool{}}
	out := a.sections(ours.value)
	a.noJinja(out, "")
	return out
}

// noSections says what to do with an inventory that holds hosts alone.
func noSections(rep *reporter) string {
	where := "under all: vars: ghadeploy:, or into group_vars/all"
	if rep.ini {
		where = "under ghadeploy: into group_vars/all.yml beside it"
	}
	return "put cluster:, grafana:, database: ... " + where + "; or let `ghadeploy import " + rep.file + "` make an inventory from its hosts"
}

type ansibleToNative struct {
	rep     *reporter
	inv     *AnsibleInventory
	cluster *Cluster
	jinja   map[Position]bool
}

// sections copies ours and puts hosts and groups in.
func (a *ansibleToNative) sections(ours *node) *node {
	out := &node{shape: mapShape, pos: ours.pos}
	pattern, pos := "all", ours.pos
	for _, e := range ours.entries {
		switch {
		case e.key == "hosts" && e.value.shape == scalarShape:
			pattern, pos = e.value.text, e.value.pos
		case e.key == "hosts":
			a.rep.hintf(e.value.pos, "write hosts: grafana", "hosts must be a pattern over the Ansible inventory, this is %s", e.value.shape)
		case e.key == "groups":
			a.rep.errorf(e.pos, "groups come from the Ansible inventory, remove this section")
		case e.key == "load_balancer" && e.value.shape == mapShape:
			e.value = a.balancer(e.value)
			out.entries = append(out.entries, e)
		default:
			out.entries = append(out.entries, e)
		}
	}
	selected := a.selected(pattern, pos)
	out.set("hosts", pos, a.hosts(selected, pos, true))
	if groups := a.groups(selected, pos); len(groups.entries) > 0 {
		out.set("groups", pos, groups)
	}
	return out
}

// set appends a key.
func (n *node) set(key string, pos Position, value *node) {
	n.entries = append(n.entries, entry{key: key, pos: pos, value: value})
}

// balancer lets load_balancer.hosts be a pattern too.
func (a *ansibleToNative) balancer(n *node) *node {
	out := *n
	out.entries = slices.Clone(n.entries)
	for i, e := range out.entries {
		if e.key == "hosts" && e.value.shape == scalarShape {
			out.entries[i].value = a.hosts(a.selected(e.value.text, e.value.pos), e.value.pos, false)
		}
	}
	return &out
}

func (a *ansibleToNative) selected(pattern string, pos Position) []string {
	hosts, err := a.cluster.Select(pattern)
	if err != nil {
		a.rep.errorf(pos, "%s", err)
		return nil
	}
	return hostNames(hosts)
}

func (a *ansibleToNative) hosts(names []string, pos Position, overrides bool) *node {
	out := &node{shape: mapShape, pos: pos}
	for _, name := range names {
		h := a.inv.own[name]
		out.set(name, h.pos, a.host(name, h, overrides))
	}
	return out
}

// host is the connection variables of a host in our words, under what its own
// ghadeploy variable says.
func (a *ansibleToNative) host(name string, h *ansibleHost, overrides bool) *node {
	vars := a.inv.vars[name]
	out := &node{shape: mapShape, pos: h.pos}
	if v, ok := a.variable(vars, "ansible_host", "ansible_ssh_host"); ok {
		out.set("address", v.pos, v.value)
	}
	if v, ok := vars["ansible_connection"]; ok && !slices.Contains([]string{"ssh", "smart", "paramiko", "paramiko_ssh"}, v.value.text) {
		a.rep.errorf(v.value.pos, "host %q: ansible_connection %s is not SSH", name, clip(v.value.text))
	}
	ssh := a.ssh(vars, h.pos)
	own, ok := h.get(ansibleSection)
	if ok && overrides && own.value.shape == mapShape {
		for _, e := range own.value.entries {
			if e.key == "ssh" && e.value.shape == mapShape {
				ssh = overlay(ssh, e.value)
				continue
			}
			out.set(e.key, e.pos, e.value)
		}
	} else if ok && overrides && own.value.shape != nullShape {
		a.rep.errorf(own.value.pos, "ghadeploy of host %q must be a map, this is %s", name, own.value.shape)
	}
	if len(ssh.entries) > 0 {
		out.set("ssh", ssh.pos, ssh)
	}
	return out
}

// overlay puts the keys of upper over those of lower.
func overlay(lower, upper *node) *node {
	out := &node{shape: mapShape, pos: upper.pos, entries: slices.Clone(upper.entries)}
	for _, e := range lower.entries {
		if upper.get(e.key) == nil {
			out.entries = append(out.entries, e)
		}
	}
	return out
}

// variable is the first of several names that is set; Ansible has old and new
// names for the same thing.
func (a *ansibleToNative) variable(vars map[string]ansibleVar, names ...string) (ansibleVar, bool) {
	for _, name := range names {
		v, ok := vars[name]
		if !ok || v.value.shape == nullShape {
			continue
		}
		if !a.usable(name, v.value) {
			return ansibleVar{}, false
		}
		return v, true
	}
	return ansibleVar{}, false
}

// usable reports what only Ansible itself could evaluate.
func (a *ansibleToNative) usable(name string, n *node) bool {
	switch {
	case n.tag == "!vault":
		if !a.jinja[n.pos] {
			a.rep.hintf(n.pos, "use ${cmd:ansible-vault view FILE} or another reference",
				"%s is encrypted with ansible-vault, which ghadeploy does not open", name)
		}
	case strings.Contains(n.text, "{{") || strings.Contains(n.text, "{%"):
		if !a.jinja[n.pos] {
			a.rep.hintf(n.pos, "write the value, or a reference like ${env:NAME}", "%s is a Jinja expression, which ghadeploy does not evaluate",
				name)
		}
	default:
		return true
	}
	a.jinja[n.pos] = true
	return false
}

// noJinja looks for expressions anywhere in our sections.
func (a *ansibleToNative) noJinja(n *node, name string) {
	for _, e := range n.entries {
		a.noJinja(e.value, join(name, e.key))
	}
	for _, item := range n.items {
		a.noJinja(item, name)
	}
	if n.shape == scalarShape {
		a.usable(name, n)
	}
}

func (a *ansibleToNative) ssh(vars map[string]ansibleVar, pos Position) *node {
	out := &node{shape: mapShape, pos: pos}
	text := func(to *node, key string, names ...string) {
		if v, ok := a.variable(vars, names...); ok && v.value.text != "" {
			n := *v.value
			n.tag = "!!str"
			to.set(key, v.pos, &n)
		}
	}
	text(out, "user", "ansible_user", "ansible_ssh_user")
	if v, ok := a.variable(vars, "ansible_port", "ansible_ssh_port"); ok {
		n := *v.value
		if decimal.MatchString(n.text) {
			n.tag = "!!int"
		}
		out.set("port", v.pos, &n)
	}
	if v, ok := a.variable(vars, "ansible_ssh_private_key_file", "ansible_private_key_file"); ok && v.value.text != "" {
		out.set("identity_files", v.pos, &node{shape: listShape, pos: v.value.pos, items: []*node{v.value}})
	}
	text(out, "password", "ansible_password", "ansible_ssh_password", "ansible_ssh_pass")
	a.sshArguments(vars, out)
	a.hostKeyChecking(vars)
	become := &node{shape: mapShape, pos: pos}
	a.becomeMethod(vars, become)
	text(become, "password", "ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
	if len(become.entries) > 0 {
		out.set("become", become.pos, become)
	}
	return out
}

// hostKeyChecking tells of the variables that switch host keys off.
func (a *ansibleToNative) hostKeyChecking(vars map[string]ansibleVar) {
	for _, name := range []string{"ansible_host_key_checking", "ansible_ssh_host_key_checking"} {
		if v, ok := a.variable(vars, name); ok && falsehood(v.value.text) {
			a.rep.warnf(v.value.pos, verifiedAlways, "%s: %s is not taken over", name, clip(v.value.text))
		}
	}
}

// falsehood is what Ansible reads as false.
func falsehood(text string) bool {
	return slices.Contains([]string{"false", "no", "off", "0", "n", "f"}, strings.ToLower(text))
}

func (a *ansibleToNative) becomeMethod(vars map[string]ansibleVar, become *node) {
	if v, ok := a.variable(vars, "ansible_become_user", "ansible_sudo_user"); ok && v.value.text != "root" {
		a.rep.errorf(v.value.pos, "ansible_become_user is %s, ghadeploy has to become root", clip(v.value.text))
	}
	if v, ok := a.variable(vars, "ansible_become"); ok && falsehood(v.value.text) {
		become.set("method", v.pos, &node{shape: scalarShape, tag: "!!str", text: "none", pos: v.value.pos})
		return
	}
	if v, ok := a.variable(vars, "ansible_become_method"); ok {
		n := *v.value
		// Ansible 2.10 and later also take the full name of a plugin.
		n.text = n.text[strings.LastIndexByte(n.text, '.')+1:]
		become.set("method", v.pos, &n)
	}
}

// groups are the groups of the selected hosts, lowest precedence first.
func (a *ansibleToNative) groups(selected []string, pos Position) *node {
	chosen := map[string]bool{}
	for _, name := range selected {
		chosen[name] = true
	}
	out := &node{shape: mapShape, pos: pos}
	for _, g := range a.cluster.Groups {
		hosts := &node{shape: listShape, pos: pos}
		for _, name := range g.Hosts {
			if chosen[name] {
				hosts.items = append(hosts.items, &node{shape: scalarShape, tag: "!!str", text: name, pos: a.inv.Groups[g.Name].pos})
			}
		}
		if len(hosts.items) == 0 || g.Name == "ungrouped" || chosen[g.Name] {
			continue
		}
		from := a.inv.Groups[g.Name]
		group := &node{shape: mapShape, pos: from.pos}
		if own, ok := from.get(ansibleSection); ok && own.value.shape == mapShape {
			group.entries = slices.Clone(own.value.entries)
		}
		group.set("hosts", from.pos, hosts)
		out.set(g.Name, from.pos, group)
	}
	return out
}
