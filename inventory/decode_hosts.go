package inventory

import (
	"net/netip"
	"strings"
	"time"
)

// hostNode is one host after its range was expanded.
type hostNode struct {
	name, address string
	key           entry
}

// expandHosts expands names and addresses of a hosts: map.
func (d *decoder) expandHosts(n *node) []hostNode {
	if n == nil || d.bad[n] {
		return nil
	}
	var out []hostNode
	for _, e := range n.entries {
		if d.bad[e.value] {
			continue
		}
		names, err := ExpandRange(e.key)
		if err != nil {
			d.rep.errorf(e.pos, "%s", err)
			continue
		}
		addresses := d.addresses(e, names)
		for i, name := range names {
			out = append(out, hostNode{name: name, address: addresses[i], key: e})
		}
		if len(out) > MaxRange {
			d.rep.errorf(e.pos, "more than %d hosts", MaxRange)
			return nil
		}
	}
	return out
}

// addresses gives each name of a range its address; the names themselves when
// none is given or it is wrong.
func (d *decoder) addresses(e entry, names []string) []string {
	at := e.value.get("address")
	text := d.text(at, "")
	if text == "" {
		return names
	}
	addresses, err := ExpandRange(text)
	if err != nil {
		d.fail(at, "%s", err)
		return names
	}
	if len(addresses) != len(names) {
		if len(addresses) == 1 {
			d.rep.hintf(at.pos, "give the address a range of the same size, 10.0.0.[11:13]", "%d hosts cannot share the address %s", len(names), text)
		} else {
			d.rep.errorf(at.pos, "the address stands for %d hosts, the name for %d", len(addresses), len(names))
		}
		d.bad[at] = true
		return names
	}
	for i, a := range addresses {
		addresses[i] = strings.TrimSuffix(strings.TrimPrefix(a, "["), "]")
		if _, _, ok := strings.Cut(a, ":"); ok {
			ip, err := netip.ParseAddr(addresses[i])
			if err != nil {
				d.rep.hintf(at.pos, "the port goes to ssh: {port: 22}", "%q is not a host name or IP address", a)
			} else if ip.Zone() != "" || ip.IsLinkLocalUnicast() {
				// Peers, balancer and operator would each need a zone of their own.
				d.rep.hintf(at.pos, "write a global or a unique local one (fd00::/8)", "%q is a link-local address, which means another host on each interface", a)
			} else {
				continue
			}
			d.bad[at] = true
			return names
		}
	}
	return addresses
}

// hosts builds the hosts of the cluster, or those of the load balancer, which
// have no groups.
func (d *decoder) hosts(root, n *node, groups []groupNode) []*Host {
	base := Host{SSH: d.defaultSSH(), Config: d.config(protocol(root), root.find("grafana", "config")), Env: d.env(nil, root.find("grafana", "env"))}
	d.ssh(&base.SSH, root.get("ssh"))
	seen := map[string]Position{}
	at := map[string]*Host{}
	memo := map[string]Host{}
	var out []*Host
	for _, hn := range d.expandHosts(n) {
		if first, dup := seen[hn.name]; dup {
			d.rep.errorf(hn.key.pos, "host %q is given twice (first on line %d)", hn.name, first.Line)
			continue
		}
		seen[hn.name] = hn.key.pos
		address := strings.ToLower(hn.address)
		if other := at[address]; other != nil {
			d.rep.errorf(positionOf(hn.key.value.get("address"), hn.key.pos), "host %q has the same address as %q (%s)", hn.name, other.Name, hn.address)
			continue
		}
		h := d.host(hn, base, groups, memo)
		at[address] = h
		out = append(out, h)
	}
	return out
}

// protocol is what grafana.tls means for every host: Grafana speaks HTTPS. It stands
// with the settings, so that all who connect to a host find it in one place.
func protocol(root *node) Config {
	if root.find("grafana", "tls") == nil {
		return nil
	}
	return Config{{Name: "server", Keys: []Key{{Name: "protocol", Value: PlainValue("https")}}}}
}

// host merges what cluster, groups and the host itself say. Hosts of one range
// in the same groups get the same, so that is worked out once.
func (d *decoder) host(hn hostNode, base Host, groups []groupNode, memo map[string]Host) *Host {
	layers := []*node{}
	h := base
	h.Groups = nil
	id := hn.key.key
	for _, g := range groups {
		if g.members[hn.name] {
			h.Groups = append(h.Groups, g.name)
			layers = append(layers, g.node)
			id += "\x00" + g.name
		}
	}
	merged, ok := memo[id]
	if !ok {
		merged = base
		for _, layer := range append(layers, hn.key.value) {
			merged.Labels = d.labels(merged.Labels, layer.get("labels"))
			merged.Config = d.config(merged.Config, layer.get("config"))
			merged.Env = d.env(merged.Env, layer.get("env"))
			d.ssh(&merged.SSH, layer.get("ssh"))
		}
		memo[id] = merged
	}
	h.Labels = d.labels(merged.Labels, nil)
	h.Config = merged.Config.clone()
	h.Env = d.env(merged.Env, nil)
	h.SSH = merged.SSH
	h.Name, h.Address, h.Pos = hn.name, hn.address, hn.key.pos
	return &h
}

func positionOf(n *node, otherwise Position) Position {
	if n == nil {
		return otherwise
	}
	return n.pos
}

func (d *decoder) defaultSSH() SSH {
	return SSH{ConnectTimeout: 10 * time.Second, Become: Become{Method: "sudo"}}
}

// ssh applies the keys that n gives.
func (d *decoder) ssh(s *SSH, n *node) {
	if n == nil || d.bad[n] {
		return
	}
	s.User = d.text(n.get("user"), s.User)
	s.Port = d.integer(n.get("port"), s.Port)
	if v := n.get("identity_files"); v != nil {
		s.IdentityFiles = d.paths(v)
	}
	if v := n.get("password"); v != nil {
		s.Password = d.secret(v)
	}
	if v := n.get("known_hosts"); v != nil {
		s.KnownHosts = d.paths(v)
	}
	switch v := d.text(n.get("host_keys"), ""); {
	case v == "strict", v == "accept-new":
		s.AcceptNew, s.Fingerprint = v == "accept-new", ""
	case v != "":
		s.AcceptNew, s.Fingerprint = false, v
	}
	if v := n.get("legacy_algorithms"); v != nil {
		s.LegacyAlgorithms = d.boolean(v)
	}
	if v := n.get("proxy_command"); v != nil {
		s.ProxyCommand, s.ProxyJump = d.text(v, ""), nil
	}
	if v := n.get("proxy_jump"); v != nil {
		s.ProxyJump = d.jumps(v)
	}
	s.ConnectTimeout = d.duration(n.get("connect_timeout"), s.ConnectTimeout)
	become := n.get("become")
	s.Become.Method = d.text(become.get("method"), s.Become.Method)
	if v := become.get("password"); v != nil {
		s.Become.Password = d.secret(v)
	}
}

// jumps takes a comma-separated chain or a list of jump hosts apart.
func (d *decoder) jumps(n *node) []string {
	var out []string
	for _, s := range d.texts(n) {
		for hop := range strings.SplitSeq(s, ",") {
			hop = strings.TrimSpace(hop)
			if !jumpHost.MatchString(hop) {
				d.fail(n, "%q is not a jump host, write user@host:port", hop)
				return nil
			}
			out = append(out, hop)
		}
	}
	return out
}

// groupNode is a group with its hosts expanded.
type groupNode struct {
	name    string
	hosts   []string
	members map[string]bool
	node    *node
}

// groups expands the groups; a host that is not in the inventory is an error.
func (d *decoder) groups(n *node, hosts []hostNode) []groupNode {
	if n == nil || d.bad[n] {
		return nil
	}
	known := make([]string, 0, len(hosts))
	exists := map[string]bool{}
	for _, h := range hosts {
		known = append(known, h.name)
		exists[h.name] = true
	}
	var out []groupNode
	for _, e := range n.entries {
		if d.bad[e.value] || e.value.shape != mapShape {
			continue
		}
		g := groupNode{name: e.key, node: e.value, members: map[string]bool{}}
		switch {
		case e.key == "all":
			d.rep.errorf(e.pos, "the group all exists already, it is every host")
		case exists[e.key]:
			d.rep.errorf(e.pos, "%q is a group and a host", e.key)
		}
		d.members(&g, exists, known)
		for _, h := range hosts {
			if g.members[h.name] {
				g.hosts = append(g.hosts, h.name)
			}
		}
		out = append(out, g)
	}
	return out
}

func (d *decoder) members(g *groupNode, exists map[string]bool, known []string) {
	list := g.node.get("hosts")
	if list == nil || d.bad[list] {
		return
	}
	for _, item := range list.items {
		if d.bad[item] || item.shape != scalarShape {
			continue
		}
		if len(d.rep.errors) > maxDiagnostics {
			return // no more are shown, and each may stand for thousands
		}
		names, err := ExpandRange(item.text)
		if err != nil {
			d.fail(item, "%s", err)
			continue
		}
		for _, name := range names {
			switch {
			case len(d.rep.errors) > maxDiagnostics:
				return
			case !exists[name]:
				hint := ""
				if len(names)*len(known) < 100_000 { // each asks all names that are known
					hint = didYouMean(name, known)
				}
				d.rep.hintf(item.pos, hint, "group %q names the unknown host %q", g.name, clip(name))
			case g.members[name]:
				d.rep.errorf(item.pos, "group %q names the host %q twice", g.name, name)
			}
			g.members[name] = true
		}
	}
}
