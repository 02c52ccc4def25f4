package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// port is one that Grafana will listen on.
type port struct {
	name   string
	number int
	protos []string
}

func (r *run) portsOf(h *inventory.Host) []port {
	all := []port{{name: "HTTP", number: desired.Listens(h).Port, protos: []string{"tcp"}}}
	if r.Cluster.Alerting.HA == "gossip" {
		all = append(all, port{name: "gossip", number: r.gossipPort(), protos: []string{"tcp", "udp"}})
	}
	return all
}

func (r *run) gossipPort() int {
	if r.Cluster.Alerting.Port != 0 {
		return r.Cluster.Alerting.Port
	}
	return 9094
}

// ours tells whether the unit's own processes hold a socket.
func (f hostFacts) ours(s socket) bool {
	pid, err := strconv.Atoi(f.get("unit-pid"))
	return err == nil && pid > 0 && slices.Contains(s.pids, pid)
}

// ambientSystemd knows AmbientCapabilities=, with which the unit binds ports below 1024.
const ambientSystemd = 229

// checkPorts finds ports that another process holds, by name.
func checkPorts(_ context.Context, r *run) []Finding {
	return r.eachFacts(func(h fleet.Host, f hostFacts) []Finding {
		var all []Finding
		sockets := f.sockets()
		var free []string
		for _, p := range r.portsOf(h.Host) {
			taken := 0
			for _, s := range sockets {
				if s.port != p.number || !slices.Contains(p.protos, s.proto) {
					continue
				}
				taken++
				if f.ours(s) {
					continue
				}
				all = append(all, r.occupied(p, s))
				break
			}
			if taken == 0 {
				free = append(free, strconv.Itoa(p.number))
			}
			if version, err := strconv.Atoi(f.get("systemd")); p.number < 1024 && p.name == "HTTP" && err == nil && version < ambientSystemd {
				all = append(all, fail(fmt.Sprintf("http_port %d is below 1024", p.number),
					fmt.Sprintf("systemd %d cannot give the unit the capability to bind it", version),
					"use 3000 and let the load balancer listen on 80 or 443"))
			}
		}
		if len(all) > 0 {
			return all
		}
		if len(free) == 0 {
			return ok("held by our own %s", r.Cluster.Paths.Service)
		}
		return ok("free: %s", strings.Join(free, ", "))
	})
}

func (r *run) occupied(p port, s socket) Finding {
	by := s.owner
	if by == "" {
		by = "a process that cannot be seen"
	}
	key := "grafana.config.server.http_port"
	if p.name == "gossip" {
		key = "alerting.port"
	}
	fix := fmt.Sprintf("set %s: %d in INVENTORY, or stop what is there: ss -lnp | grep :%d", key, r.freePort(p.number), p.number)
	return fail(fmt.Sprintf("%s port %d/%s is held by %s", p.name, p.number, s.proto, by), "Grafana would not start: address already in use",
		fix)
}

// checkFirewall reports local firewalls that do not name our ports. Whether
// packets pass is what the gossip check tries; this says where to look.
func checkFirewall(_ context.Context, r *run) []Finding {
	return r.eachFacts(func(h fleet.Host, f hostFacts) []Finding {
		var all []Finding
		ports := r.portsOf(h.Host)
		if slices.Contains(f.values["firewall"], "firewalld") {
			all = append(all, firewalldFindings(f, ports)...)
		}
		if state := f.get("ufw"); strings.Contains(state, "Status: active") {
			all = append(all, ufwFindings(state, ports)...)
		}
		for _, rule := range f.values["rule"] {
			for _, p := range ports {
				if mentions(rule, p.number) {
					all = append(all, warn(fmt.Sprintf("a rule speaks of port %d: %s", p.number, rule),
						"it may keep the other hosts or the load balancer out", "read it: nft list ruleset, or iptables-save"))
				}
			}
		}
		if len(all) == 0 {
			return ok("nothing in the way of ports %s", portList(ports))
		}
		return all
	})
}

func firewalldFindings(f hostFacts, ports []port) []Finding {
	open := strings.Fields(f.get("firewalld-ports"))
	var all []Finding
	for _, p := range ports {
		for _, proto := range p.protos {
			want := fmt.Sprintf("%d/%s", p.number, proto)
			if !slices.Contains(open, want) {
				all = append(all, warn("firewalld is active and does not open "+want, "the "+p.name+" port may be closed to the other hosts",
					"firewall-cmd --permanent --add-port="+want+" && firewall-cmd --reload"))
			}
		}
	}
	return all
}

func ufwFindings(state string, ports []port) []Finding {
	var all []Finding
	for _, p := range ports {
		if !mentions(state, p.number) {
			all = append(all, warn(fmt.Sprintf("ufw is active and says nothing of port %d", p.number),
				"the "+p.name+" port may be closed to the other hosts",
				fmt.Sprintf("ufw allow %d", p.number)))
		}
	}
	return all
}

// mentions finds a number as a whole word.
func mentions(text string, number int) bool {
	words := strings.FieldsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	return slices.Contains(words, strconv.Itoa(number))
}

func portList(ports []port) string {
	var all []string
	for _, p := range ports {
		all = append(all, fmt.Sprintf("%d/%s", p.number, strings.Join(p.protos, "+")))
	}
	return strings.Join(all, ", ")
}

// checkOtherGrafana finds what a package or a hand left where ours will lie.
func checkOtherGrafana(_ context.Context, r *run) []Finding {
	p := r.Cluster.Paths
	return r.eachFacts(func(_ fleet.Host, f hostFacts) []Finding {
		var all []Finding
		for _, pkg := range f.values["package"] {
			manager, name, _ := strings.Cut(pkg, " ")
			remove := "apt-get remove"
			if manager == "rpm" {
				remove = "dnf remove"
			}
			bare, _, _ := strings.Cut(name, " ")
			if strings.Contains(bare, "image-renderer") {
				continue
			}
			all = append(all, fail("the package "+name+" is installed ("+manager+")",
				"its upgrades restart Grafana behind our back and overwrite the unit (#40162)",
				"systemctl disable --now "+p.Service+" && "+remove+" "+bare+" (data and "+p.Etc+" stay); ghadeploy import takes its settings over"))
		}
		if unit := f.get("unit-foreign"); unit != "" {
			all = append(all, fail(unit+" is a unit that ghadeploy did not make", "our unit goes there, and nothing of yours is overwritten",
				"systemctl disable --now "+p.Service+"; mv "+unit+" /root/"))
		}
		if f.get("etc") == "folder" {
			all = append(all, fail(p.Etc+" is a folder that ghadeploy did not make",
				"the link to the current configuration goes there, and nothing of yours is overwritten",
				"mv "+p.Etc+" "+p.Etc+".before-ghadeploy; ghadeploy import takes its settings over"))
		} else if target, isLink := strings.CutPrefix(f.get("etc"), "link "); isLink && !strings.HasSuffix(target, "/current/etc") {
			all = append(all, fail(p.Etc+" is a link to "+target+" that ghadeploy did not make", "the link to the current configuration goes there",
				"rm "+p.Etc))
		}
		if unit := f.get("unit-fragment"); unit != "" && !strings.HasPrefix(unit, "/etc/systemd/system/") && len(f.values["package"]) == 0 {
			all = append(all, warn("there is a unit "+unit, "ours in /etc/systemd/system takes precedence", "remove it when it is no longer needed"))
		}
		if len(all) == 0 {
			return ok("none")
		}
		return all
	})
}
