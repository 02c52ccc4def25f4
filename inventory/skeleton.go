package inventory

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// grafanaGroups are the names that a group of Grafana's hosts is likely to have, and the
// ones taken when nothing else was said.
var grafanaGroups = []string{"grafana", "grafana-server", "grafana_server", "grafana_servers", "grafana-servers"}

// skeleton makes an inventory from the hosts of an Ansible one that says nothing of Grafana:
// their names, addresses, logins and groups, and everything else as `ghadeploy init` writes
// it. Without a pattern these are the hosts of a group that is named for Grafana, or else all.
func skeleton(rep *reporter, inv *AnsibleInventory, pattern string) (text []byte, secrets map[string]string, err error) {
	pos := inv.Groups["all"].pos
	a := &ansibleToNative{rep: rep, inv: inv, cluster: inv.asCluster(), jinja: map[Position]bool{}}
	if pattern == "" {
		pattern = "all"
		for _, name := range grafanaGroups {
			if len(groupHosts(a.cluster, name)) > 0 {
				pattern = name
				break
			}
		}
	}
	var names []string
	if len(inv.Hosts) == 0 {
		rep.errorf(pos, "the inventory has no hosts")
	} else {
		names = a.selected(pattern, pos)
	}
	root := &node{shape: mapShape, pos: pos}
	root.set("hosts", pos, a.hosts(names, pos, false))
	root.set("groups", pos, a.groups(names, pos))
	m := &secretMover{rep: rep, secrets: secretFiles{}, files: map[string]string{}}
	m.move(root, table(), "")
	if err := rep.err(); err != nil {
		return nil, nil, err
	}
	data := scaffoldData{ScaffoldInput: ScaffoldInput{Hosts: names, Version: "0.0.0"}, Head: rep.notTaken()}
	data.Head += fmt.Sprintf("# Hosts, logins and groups are those of %q in an Ansible inventory; nothing in it spoke of Grafana.\n", pattern)
	data.defaults()
	if data.Lines, err = flowLines(root.get("hosts")); err != nil {
		return nil, nil, err
	}
	groups := root.get("groups")
	groups.entries = slices.DeleteFunc(groups.entries, func(e entry) bool {
		return len(e.value.get("hosts").items) == len(names) // no part of the cluster
	})
	if data.Groups, err = flowLines(groups); err != nil {
		return nil, nil, err
	}
	text, err = data.text()
	return text, m.secrets, err
}

func groupHosts(c *Cluster, group string) []string {
	for _, g := range c.Groups {
		if g.Name == group {
			return g.Hosts
		}
	}
	return nil
}

// flowLines writes each entry of a map as one line: name: {key: value}.
func flowLines(n *node) (lines []string, err error) {
	for _, e := range n.entries {
		value := e.value.yaml()
		flow(value)
		one := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.key}, value}}
		text, err := yaml.Marshal(one)
		if err != nil {
			return nil, fmt.Errorf("writing an inventory: %w", err)
		}
		lines = append(lines, strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n  "))
	}
	return lines, nil
}

func flow(n *yaml.Node) {
	n.Style |= yaml.FlowStyle
	for _, c := range n.Content {
		if c.Kind != yaml.ScalarNode {
			flow(c)
		}
	}
}
