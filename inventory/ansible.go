package inventory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// AnsibleInventory is a static Ansible inventory, YAML or INI, as `ansible-inventory
// --list` shows it, with group_vars/ and host_vars/ beside the file.
type AnsibleInventory struct {
	// Hosts in the order in which they are first named.
	Hosts []string
	// Groups by name; "all" and "ungrouped" always exist.
	Groups map[string]*AnsibleGroup
	// HostVars are the variables of each host, merged: all < parent group <
	// child group < group_vars/all < group_vars of the groups in the same order <
	// host < host_vars; groups of equal depth by ansible_group_priority, then by
	// name. Values are nil, bool, int, float64, string, []any and map[string]any.
	HostVars map[string]map[string]any

	vars map[string]map[string]ansibleVar // HostVars before conversion
	own  map[string]*ansibleHost
	// parents of each group; filled by reconcile.
	parents map[string][]string
	// named counts how often hosts were named, ranges expanded.
	named int
}

// The limits that keep an inventory from eating the machine: a few bytes of a range, of a
// group in many groups or of a variable of all hosts stand for any number of entries.
const (
	maxNamed  = 100_000   // hosts in groups
	maxMerged = 1_000_000 // groups and variables of all hosts together
)

// AnsibleGroup is a group with its direct members.
type AnsibleGroup struct {
	Name     string
	Hosts    []string
	Children []string

	has             map[string]bool // Children
	depth, priority int
	vars            map[string]ansibleVar
	files           map[string]ansibleVar // of group_vars/
	pos             Position
}

// ansibleVar is a variable and where its key stands.
type ansibleVar struct {
	value *node
	pos   Position
}

type ansibleHost struct {
	pos    Position
	vars   map[string]ansibleVar
	files  map[string]ansibleVar // of host_vars/
	groups []string              // direct
}

// ParseAnsible reads a static Ansible inventory, YAML or INI. Mistakes come all at once
// as [Diagnostics].
func ParseAnsible(path string) (*AnsibleInventory, error) {
	src, err := readFile(context.Background(), path)
	if err != nil {
		return nil, err
	}
	rep := newReporter(path, src)
	inv := readAnsible(rep, src)
	if err := rep.err(); err != nil {
		return nil, err
	}
	inv.HostVars = map[string]map[string]any{}
	for host, vars := range inv.vars {
		values := map[string]any{}
		for name, v := range vars {
			values[name] = v.value.native()
		}
		inv.HostVars[host] = values
	}
	return inv, nil
}

// readAnsible reads either kind; nil when there is nothing to go on with.
func readAnsible(rep *reporter, src []byte) *AnsibleInventory {
	if isAnsibleINI(rep.file, src) {
		return parseINI(rep, src)
	}
	root := parse(rep, src)
	if root == nil {
		return nil
	}
	return parseAnsible(rep, root)
}

func newAnsible(pos Position) *AnsibleInventory {
	inv := &AnsibleInventory{Groups: map[string]*AnsibleGroup{}, own: map[string]*ansibleHost{}, vars: map[string]map[string]ansibleVar{}}
	inv.group("all", pos)
	inv.group("ungrouped", pos)
	return inv
}

func parseAnsible(rep *reporter, root *node) *AnsibleInventory {
	inv := newAnsible(root.pos)
	p := ansibleParser{rep: rep, inv: inv}
	for _, e := range root.entries {
		p.group(e)
	}
	inv.finish(rep, root.pos)
	return inv
}

// finish gives groups and hosts their places in each other, reads group_vars/ and
// host_vars/, and merges the variables.
func (inv *AnsibleInventory) finish(rep *reporter, pos Position) {
	if len(rep.errors) > 0 {
		return
	}
	if !inv.depths() {
		rep.errorf(pos, "groups contain each other in a circle")
		return
	}
	inv.reconcile()
	inv.depths()
	inv.readVars(rep)
	merged := 0
	for _, host := range inv.Hosts {
		groups := inv.ancestors(host)
		for _, g := range groups {
			merged += 1 + len(g.vars) + len(g.files)
		}
		if merged > maxMerged {
			rep.errorf(pos, "the groups and variables of all hosts are more than %d", maxMerged)
			return
		}
		inv.vars[host] = inv.merge(host, groups)
	}
}

func (inv *AnsibleInventory) group(name string, pos Position) *AnsibleGroup {
	g := inv.Groups[name]
	if g == nil {
		g = &AnsibleGroup{Name: name, priority: 1, vars: map[string]ansibleVar{}, pos: pos}
		inv.Groups[name] = g
	}
	return g
}

// ansibleParser walks a YAML file as Ansible's yaml inventory plugin does.
type ansibleParser struct {
	rep *reporter
	inv *AnsibleInventory
}

func (p *ansibleParser) group(e entry) {
	g := p.inv.group(e.key, e.pos)
	switch e.value.shape {
	case nullShape:
		return
	case mapShape:
	default:
		p.rep.errorf(e.value.pos, "group %q must be a map of hosts, children and vars, this is %s", e.key, e.value.shape)
		return
	}
	for _, s := range e.value.entries {
		body := s.value
		if body.shape == scalarShape && (s.key == "hosts" || s.key == "children" || s.key == "vars") {
			// Ansible reads hosts: name as hosts: {name: }.
			body = &node{shape: mapShape, pos: body.pos,
				entries: []entry{{key: body.text, pos: body.pos, value: &node{shape: nullShape, pos: body.pos}}}}
		}
		switch {
		case body.shape == nullShape:
		case s.key == "hosts" || s.key == "children" || s.key == "vars":
			if body.shape != mapShape {
				p.rep.hintf(body.pos, "end each name with a colon", "%s of group %q must be a map, this is %s", s.key, e.key, body.shape)
				continue
			}
			p.section(g, s.key, body)
		default:
			p.rep.warnf(s.pos, didYouMean(s.key, []string{"hosts", "children", "vars"}), "group %q: Ansible skips the unexpected key %q", e.key,
				clip(s.key))
		}
	}
}

func (p *ansibleParser) section(g *AnsibleGroup, key string, body *node) {
	switch key {
	case "vars":
		for _, v := range body.entries {
			if v.key == "ansible_group_priority" {
				g.priority = p.number(v, g.priority)
				continue
			}
			g.vars[v.key] = ansibleVar{v.value, v.pos}
		}
	case "children":
		for _, child := range body.entries {
			p.group(child)
			p.addChild(g, child.key, child.pos)
		}
	case "hosts":
		for _, h := range body.entries {
			p.hosts(g, h)
		}
	}
}

func (p *ansibleParser) addChild(g *AnsibleGroup, child string, pos Position) {
	if child == g.Name {
		p.rep.errorf(pos, "group %q cannot be its own child", g.Name)
		return
	}
	if g.has == nil {
		g.has = map[string]bool{}
	}
	if !g.has[child] {
		g.has[child] = true
		g.Children = append(g.Children, child)
	}
}

func (p *ansibleParser) number(e entry, def int) int {
	n, err := strconv.Atoi(e.value.text)
	if err != nil {
		p.rep.errorf(e.value.pos, "%s must be a number", e.key)
		return def
	}
	return n
}

// ansiblePort is name:port; a range's own colons are inside brackets.
var ansiblePort = regexp.MustCompile(`^([^:]*(?:\[[^\]]*\][^:\[]*)*):([0-9]+)$`)

func (p *ansibleParser) hosts(g *AnsibleGroup, e entry) {
	pattern, port := e.key, ""
	if _, err := netip.ParseAddr(pattern); err != nil {
		if m := ansiblePort.FindStringSubmatch(pattern); m != nil {
			pattern, port = m[1], m[2]
		}
	}
	if p.inv.named > maxNamed {
		return
	}
	names, err := ExpandRange(pattern)
	if err != nil {
		p.rep.errorf(e.pos, "%s", err)
		return
	}
	if e.value.shape != mapShape && e.value.shape != nullShape {
		p.rep.errorf(e.value.pos, "variables of host %q must be a map, this is %s", e.key, e.value.shape)
		return
	}
	vars := map[string]ansibleVar{}
	for _, v := range e.value.entries {
		vars[v.key] = ansibleVar{v.value, v.pos}
	}
	var given *node
	if port != "" {
		// The port of a name is decimal, whatever it begins with.
		given = &node{shape: scalarShape, tag: "!!int", text: cmp.Or(strings.TrimLeft(port, "0"), "0"), pos: e.pos}
	}
	p.add(g, names, given, vars, e.pos)
}

// add puts hosts into a group and gives them variables. A port counts where the host is
// named for the first time, as in Ansible.
func (p *ansibleParser) add(g *AnsibleGroup, names []string, port *node, vars map[string]ansibleVar, pos Position) {
	if p.inv.named += len(names); p.inv.named > maxNamed {
		if p.inv.named-len(names) <= maxNamed {
			p.rep.errorf(pos, "hosts are named more than %d times", maxNamed)
		}
		return
	}
	for _, name := range names {
		h := p.inv.own[name]
		if h == nil {
			h = &ansibleHost{pos: pos, vars: map[string]ansibleVar{}}
			p.inv.own[name] = h
			p.inv.Hosts = append(p.inv.Hosts, name)
			if len(p.inv.Hosts) > MaxRange {
				p.rep.errorf(pos, "more than %d hosts", MaxRange)
				p.inv.named = maxNamed + 1
				return
			}
			if port != nil {
				h.vars["ansible_port"] = ansibleVar{port, pos}
			}
		}
		if !slices.Contains(h.groups, g.Name) {
			h.groups = append(h.groups, g.Name)
			g.Hosts = append(g.Hosts, name)
		}
		if same := p.inv.Groups[name]; same != nil {
			maps.Copy(same.vars, vars) // as Ansible does with a host that is named like a group
		} else {
			maps.Copy(h.vars, vars)
		}
	}
}

// reconcile gives every group a parent and every host a group.
func (inv *AnsibleInventory) reconcile() {
	inv.parents = map[string][]string{"all": nil}
	for _, g := range inv.Groups {
		for _, child := range g.Children {
			inv.parents[child] = append(inv.parents[child], g.Name)
		}
	}
	all, ungrouped := inv.Groups["all"], inv.Groups["ungrouped"]
	for _, name := range slices.Sorted(maps.Keys(inv.Groups)) {
		if _, has := inv.parents[name]; !has {
			inv.parents[name] = []string{"all"}
			all.Children = append(all.Children, name)
		}
	}
	for _, name := range inv.Hosts {
		h := inv.own[name]
		rest := slices.DeleteFunc(slices.Clone(h.groups), func(g string) bool { return g == "all" || g == "ungrouped" })
		switch {
		case len(rest) > 0 && slices.Contains(h.groups, "ungrouped"):
			ungrouped.Hosts = slices.DeleteFunc(ungrouped.Hosts, func(n string) bool { return n == name })
			h.groups = slices.DeleteFunc(h.groups, func(g string) bool { return g == "ungrouped" })
		case len(rest) == 0 && !slices.Contains(h.groups, "ungrouped"):
			ungrouped.Hosts = append(ungrouped.Hosts, name)
			h.groups = append(h.groups, "ungrouped")
		}
	}
}

// depths works out each group's distance from all, along the longest way;
// false when groups contain each other.
func (inv *AnsibleInventory) depths() bool {
	in := map[string]int{} // parents that are still to be looked at
	for _, g := range inv.Groups {
		g.depth = 0
		for _, child := range g.Children {
			in[child]++
		}
	}
	var ready []*AnsibleGroup
	for name, g := range inv.Groups {
		if in[name] == 0 {
			ready = append(ready, g)
		}
	}
	done := 0
	for ; len(ready) > 0; done++ {
		g := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		for _, child := range g.Children {
			c := inv.Groups[child]
			c.depth = max(c.depth, g.depth+1)
			if in[child]--; in[child] == 0 {
				ready = append(ready, c)
			}
		}
	}
	return done == len(inv.Groups)
}

// ancestors are all groups of a host, in order of precedence, lowest first.
func (inv *AnsibleInventory) ancestors(host string) []*AnsibleGroup {
	in := map[string]bool{"all": true}
	todo := slices.Clone(inv.own[host].groups)
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !in[name] {
			in[name] = true
			todo = append(todo, inv.parents[name]...)
		}
	}
	out := make([]*AnsibleGroup, 0, len(in))
	for name := range in {
		out = append(out, inv.Groups[name])
	}
	slices.SortFunc(out, byPrecedence)
	return out
}

func byPrecedence(a, b *AnsibleGroup) int {
	return cmp.Or(cmp.Compare(a.depth, b.depth), cmp.Compare(a.priority, b.priority), cmp.Compare(a.Name, b.Name))
}

// merge gives a host its variables, in Ansible's default order (VARIABLE_PRECEDENCE):
// of groups all that the inventory says comes before all that group_vars/ says.
func (inv *AnsibleInventory) merge(host string, groups []*AnsibleGroup) map[string]ansibleVar {
	out := map[string]ansibleVar{}
	for _, g := range groups {
		maps.Copy(out, g.vars)
	}
	for _, g := range groups {
		maps.Copy(out, g.files)
	}
	maps.Copy(out, inv.own[host].vars)
	maps.Copy(out, inv.own[host].files)
	return out
}

// native is the value as Ansible's YAML 1.1 reads it.
func (n *node) native() any {
	switch n.shape {
	case mapShape:
		out := map[string]any{}
		for _, e := range n.entries {
			out[e.key] = e.value.native()
		}
		return out
	case listShape:
		out := make([]any, 0, len(n.items))
		for _, item := range n.items {
			out = append(out, item.native())
		}
		return out
	case nullShape:
		return nil
	}
	if n.tag == "!!str" && n.quoted {
		return n.text
	}
	switch strings.ToLower(n.text) {
	case "true", "yes", "on":
		return true
	case "false", "no", "off":
		return false
	}
	return n.number()
}

func (n *node) number() any {
	text := strings.ReplaceAll(n.text, "_", "")
	switch n.tag {
	case "!!int":
		if v, err := strconv.ParseInt(text, 0, 64); err == nil {
			return int(v)
		}
		if v, ok := new(big.Int).SetString(text, 0); ok {
			f, _ := v.Float64()
			return f
		}
	case "!!float":
		// YAML 1.1 takes 1e3 for text: a float has a dot there.
		if v, err := strconv.ParseFloat(text, 64); err == nil && strings.Contains(text, ".") {
			return v
		}
	}
	return n.text
}

// asCluster lends the inventory the patterns of a Cluster.
func (inv *AnsibleInventory) asCluster() *Cluster {
	c := &Cluster{}
	members := map[string][]string{}
	for _, name := range inv.Hosts {
		c.Hosts = append(c.Hosts, &Host{Name: name, Pos: inv.own[name].pos})
		for _, g := range inv.ancestors(name) {
			members[g.Name] = append(members[g.Name], name)
		}
	}
	groups := slices.Collect(maps.Values(inv.Groups))
	slices.SortFunc(groups, byPrecedence)
	for _, g := range groups {
		if g.Name != "all" && len(members[g.Name]) > 0 {
			c.Groups = append(c.Groups, &Group{Name: g.Name, Hosts: members[g.Name]})
		}
	}
	return c
}

// Select returns the names of the hosts that an Ansible pattern matches.
func (inv *AnsibleInventory) Select(pattern string) ([]string, error) {
	hosts, err := inv.asCluster().Select(pattern)
	if err != nil {
		return nil, fmt.Errorf("selecting hosts: %w", err)
	}
	return hostNames(hosts), nil
}
