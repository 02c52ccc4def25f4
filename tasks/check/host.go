package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// hostChecks look at each host by itself.
func hostChecks() []unit {
	return []unit{
		{name: "host-login", about: "SSH and becoming root work", run: checkLogin},
		{name: "forwarding", about: "sshd lets probes through the connection", run: onFacts(checkForwarding)},
		{name: "platform", about: "systemd, architecture, and that systemd accepts our unit", run: checkPlatform},
		{name: "tools", about: "the few commands a deployment needs", run: onFacts(checkTools)},
		{name: "disk", about: "space for three releases, inodes, a root that may execute", run: checkDisk},
		{name: "memory", about: "memory for one Grafana", run: onFacts(checkMemory)},
		{name: "clock", about: "clocks agree", run: checkClock},
		{name: "ports", about: "HTTP and gossip ports are free or ours", run: checkPorts},
		{name: "security-modules", about: "SELinux", run: onFacts(checkSELinux)},
		{name: "firewall", about: "local firewalls and the ports", run: checkFirewall},
		{name: "other-grafana", about: "no package or foreign /etc/grafana in the way", run: checkOtherGrafana},
	}
}

// onFacts makes a check of a function of one host's facts.
func onFacts(f func(h fleet.Host, facts hostFacts) []Finding) func(context.Context, *run) []Finding {
	return func(_ context.Context, r *run) []Finding { return r.eachFacts(f) }
}

// checkLogin reports the hosts of which no facts could be had, and why.
func checkLogin(_ context.Context, r *run) []Finding {
	var all []Finding
	for _, h := range r.Hosts {
		f := loginFinding(h, r.factErr[h.Name], r.facts[h.Name])
		f.Host = h.Name
		all = append(all, f)
	}
	return all
}

func loginFinding(h fleet.Host, err error, facts hostFacts) Finding {
	if err == nil {
		if uid := facts.get("uid"); uid != "0" {
			return fail("becoming root ended as uid "+uid, "files, users and the unit belong to root",
				"set ssh.become for this host to sudo or doas")
		}
		if h.User() == "root" {
			return ok("logged in as root")[0]
		}
		if facts.get("login") == "0" {
			return ok("logged in as %s, which is root by its number", h.User())[0]
		}
		return ok("logged in as %s, root through %s", h.User(), methodOf(h))[0]
	}
	if _, lost := errors.AsType[*remote.UnreachableError](err); lost {
		return fail("connection lost: "+err.Error(), "no step of a deployment could reach it", "ssh "+h.Address+" true")
	}
	text := strings.ToLower(err.Error())
	for _, sign := range []string{"sudo", "doas", "password", "not permitted", "sudoers"} {
		if strings.Contains(text, sign) && !strings.Contains(text, "no answer within") {
			return fail(h.User()+" cannot become root: "+err.Error(), "files, users and the unit belong to root",
				"allow it in sudoers ("+h.User()+" ALL=(ALL) NOPASSWD: ALL), or set ssh.become.password")
		}
	}
	return fail(err.Error(), "the host was not looked at any further", "ssh "+h.Address+" sudo -n true")
}

func methodOf(h fleet.Host) string {
	if m := h.Host.SSH.Become.Method; m != "" {
		return m
	}
	return "sudo"
}

func checkForwarding(_ fleet.Host, f hostFacts) []Finding {
	const fix = "set AllowTcpForwarding yes in /etc/ssh/sshd_config, then systemctl reload sshd"
	switch value := f.get("forwarding"); value {
	case "no", "remote":
		if f.get("bash") == "" {
			return []Finding{fail("sshd has AllowTcpForwarding "+value+" and there is no bash",
				"database, Redis, health and metrics cannot be read through this host: no gate would open", fix+"; or install bash")}
		}
		return []Finding{warn("sshd has AllowTcpForwarding "+value,
			"database, Redis, health and metrics are read through commands (bash) instead, at most 8 connections at a time; verify --with-alerts needs more: its webhook listens through a reverse tunnel", fix)}
	case "local":
		return []Finding{warn("sshd has AllowTcpForwarding local", "verify --with-alerts cannot listen on this host for its webhook", fix)}
	case "":
		return ok("not to be read from sshd -T; the probes will tell")
	default:
		return ok("AllowTcpForwarding %s", value)
	}
}

// minSystemd is CentOS 7's, the oldest that runs our unit when its hardening is
// left out; 232 knows all the lines we write.
const minSystemd, fullSystemd = 219, 232

func checkPlatform(_ context.Context, r *run) []Finding {
	return r.eachFacts(func(_ fleet.Host, f hostFacts) []Finding {
		if f.get("init") != "systemd" {
			return []Finding{fail("process 1 is "+f.get("init")+", not systemd", "Grafana runs as a systemd unit",
				"use a host that boots with systemd")}
		}
		var all []Finding
		version, _ := strconv.Atoi(f.get("systemd"))
		switch {
		case version < minSystemd:
			all = append(all, fail("systemd "+f.get("systemd")+" is older than 219", "the unit does not load there",
				"upgrade the host's operating system"))
		case version < fullSystemd:
			all = append(all, warn(fmt.Sprintf("systemd %d ignores some hardening lines of the unit", version), "the process is less confined",
				"nothing, or upgrade the operating system"))
		}
		if arch := f.get("arch"); !slices.Contains([]string{"x86_64", "aarch64", "arm64"}, arch) {
			all = append(all, fail("architecture "+arch, "Grafana is released for amd64 and arm64", "use another host"))
		}
		for _, complaint := range f.values["unit-complaint"] {
			if strings.Contains(complaint, "ignoring") {
				all = append(all, warn("systemd ignores a line of the unit: "+complaint, "that line's protection or limit is missing there",
					"nothing, or upgrade the operating system"))
				continue
			}
			all = append(all, fail("systemd does not accept the unit: "+complaint, "Grafana would not start (#40162)",
				"report this with the output of systemctl --version"))
		}
		if len(all) == 0 {
			return ok("%s, %s, systemd %d", f.get("os"), f.get("arch"), version)
		}
		return all
	})
}

func checkTools(_ fleet.Host, f hostFacts) []Finding {
	if missing := f.values["missing"]; len(missing) > 0 {
		return []Finding{fail("missing: "+strings.Join(missing, ", "), "a deployment unpacks, hashes and locks with them",
			"install the packages tar, gzip, coreutils, util-linux, passwd (shadow-utils)")}
	}
	return ok("all there")
}

func bytesText(n int64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

func checkMemory(_ fleet.Host, f hostFacts) []Finding {
	m, known := f.numbers("memory", 1)
	if !known {
		return ok("not to be read from /proc/meminfo")
	}
	if total := m[0] << 10; total < 480<<20 {
		return []Finding{warn(bytesText(total)+" of memory", "Grafana takes 150 to 300 MiB and more while it migrates",
			"give the host at least 512 MiB")}
	}
	if len(m) > 1 && m[1]<<10 < 256<<20 {
		return []Finding{warn(bytesText(m[1]<<10)+" of memory available", "Grafana takes 150 to 300 MiB and more while it migrates",
			"stop what else runs there: ps aux --sort=-rss | head")}
	}
	return ok("%s of memory", bytesText(m[0]<<10))
}

func checkSELinux(_ fleet.Host, f hostFacts) []Finding {
	if !strings.EqualFold(f.get("selinux"), "enforcing") {
		return ok("not enforcing")
	}
	return []Finding{warn("SELinux is enforcing", "the binary under paths.root must carry bin_t, or systemd cannot execute it (status 203)",
		"semanage fcontext -a -t bin_t '/opt/grafana/releases/.*/bin/.*' && restorecon -R /opt/grafana")}
}
