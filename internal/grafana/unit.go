package grafana

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// UnitMarker is the first line of a unit that we wrote; one without it belongs
// to a package or to somebody else and is not overwritten.
const UnitMarker = "# Managed by ghadeploy; changes are overwritten."

// Unit is what the systemd unit is rendered from.
type Unit struct {
	Version Version
	// Systemd is the host's systemd version (219 on RHEL 7, 252 on Debian 12).
	// Lines that it does not know are left out: old ones refuse or mistake some (#40162).
	Systemd int
	// Binary is "grafana" or "grafana-server", as [Archive.Binary] says.
	Binary string
	// Root is the folder with current/, User the system user.
	Root, User string
	// Group is the system group, by its name where that is a plain one, or by its
	// number: names out of a directory may hold spaces, which older systemd refuses.
	// Empty: named as the user.
	Group string
	// Service is the unit's name without .service; empty: grafana-server.
	Service string
	// Port that Grafana listens on; below 1024 it needs a capability.
	Port int
	// DataPath and LogPath must be writable.
	DataPath, LogPath string
	// Environment says that the generation has etc/environment ([RenderEnvironment]).
	Environment bool
}

// What systemd versions know, from its NEWS.
const (
	systemdAmbient  = 229 // AmbientCapabilities=, TimeoutStartSec=infinity
	systemdLimit    = 230 // StartLimitIntervalSec= in [Unit]
	systemdKernel   = 232 // ProtectKernel*=, ProtectControlGroups=, RemoveIPC=, ReadWritePaths= (231)
	systemdMin      = 208
	firstUnprivPort = 1024
)

// openFiles is above what 100 Live clients and the plugins' backends of a busy
// node need, and below the 20,000 that hardened hosts and containers cap at.
const openFiles = 16384

// Render writes the unit. It differs between hosts only where systemd does.
func (u Unit) Render() ([]byte, error) {
	if err := errors.Join(u.Problems()...); err != nil {
		return nil, fmt.Errorf("unit for Grafana %s: %w", u.Version, err)
	}
	var b bytes.Buffer
	b.WriteString(UnitMarker + "\n")
	u.unitSection(&b)
	u.serviceSection(&b)
	u.hardening(&b)
	b.WriteString("\n[Install]\nWantedBy=multi-user.target\n")
	return b.Bytes(), nil
}

var systemUser = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`)

var number = regexp.MustCompile(`^[0-9]+$`)

// PlainGroup tells whether every systemd takes a group by this name.
func PlainGroup(name string) bool { return systemUser.MatchString(name) }

// defaultService is the unit of Grafana's own packages, whose runtime directory is named
// without its "-server".
const defaultService = "grafana-server"

// runtimeDirectory is the unit's folder below /run. Two units must not share one: systemd
// removes it when the first of them stops.
func (u Unit) runtimeDirectory() string {
	if u.Service == "" || u.Service == defaultService || !systemUser.MatchString(u.Service) {
		return "grafana"
	}
	return u.Service
}

// Problems are what Render would refuse, one error for each; a [SettingError] where
// the inventory says it.
func (u Unit) Problems() []error {
	errs := u.checkPaths()
	if !systemUser.MatchString(u.User) {
		errs = append(errs, &SettingError{"paths.user", fmt.Errorf("user %q is no system user name", u.User)})
	}
	if u.Group != "" && !PlainGroup(u.Group) && !number.MatchString(u.Group) {
		errs = append(errs, &SettingError{"paths.group", fmt.Errorf("group %q can be written in no unit", u.Group)})
	}
	if u.Binary != "grafana" && u.Binary != "grafana-server" {
		errs = append(errs, fmt.Errorf("binary %q: want grafana or grafana-server", u.Binary))
	}
	if u.Systemd < systemdMin {
		errs = append(errs, fmt.Errorf("systemd %d is too old; %d is the least", u.Systemd, systemdMin))
	}
	if u.Systemd < systemdKernel && (underSystem(u.DataPath) || underSystem(u.LogPath)) {
		errs = append(errs,
			fmt.Errorf("systemd %d cannot make %s and %s writable under ProtectSystem=; put them below /var", u.Systemd, u.DataPath, u.LogPath))
	}
	if u.privileged() && u.Systemd < systemdAmbient {
		errs = append(errs,
			fmt.Errorf("port %d needs a capability that systemd %d cannot give (since %d); use a port above 1023 and the load balancer",
				u.Port, u.Systemd, systemdAmbient))
	}
	return errs
}

func (u Unit) checkPaths() []error {
	var errs []error
	paths := map[string]string{"root": u.Root, "data": u.DataPath, "logs": u.LogPath}
	for _, what := range slices.Sorted(maps.Keys(paths)) {
		p := paths[what]
		refuse := func(format string, args ...any) {
			errs = append(errs, &SettingError{"paths." + what, fmt.Errorf(format, args...)})
		}
		switch {
		case !path.IsAbs(p) || path.Clean(p) != p:
			refuse("path %s %q is not absolute and clean", what, p)
		case strings.ContainsFunc(p, unicode.IsControl):
			refuse("path %s holds a control character", what)
		case what != "root" && strings.ContainsFunc(p, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`"'\%$`, r) }):
			refuse("path %s %q: no spaces, quotes, %% or $", what, p)
		}
	}
	return errs
}

func (u Unit) privileged() bool { return u.Port > 0 && u.Port < firstUnprivPort }

func (u Unit) unitSection(b *bytes.Buffer) {
	b.WriteString(`
[Unit]
Description=Grafana
Documentation=https://grafana.com/docs/grafana/
Wants=network-online.target
After=network-online.target
`)
	// A node that loses the race for the migration lock exits at once and is
	// restarted; with systemd's default limit five of these make it failed for good (#44101).
	if u.Systemd >= systemdLimit {
		b.WriteString("StartLimitIntervalSec=0\n")
	}
}

func (u Unit) serviceSection(b *bytes.Buffer) {
	fmt.Fprintf(b, "\n[Service]\nType=notify\nUser=%s\nGroup=%s\n", u.User, cmp.Or(u.Group, u.User))
	fmt.Fprintf(b, "WorkingDirectory=%s\n", u.DataPath)
	fmt.Fprintf(b, "RuntimeDirectory=%s\nRuntimeDirectoryMode=0750\nUMask=0027\n", u.runtimeDirectory())
	// Backend plugins listen on sockets in $TMPDIR otherwise, from which systemd-tmpfiles
	// removes what is older than ten days, in the private /tmp of a unit too (#131592).
	fmt.Fprintf(b, "Environment=PLUGIN_UNIX_SOCKET_DIR=/run/%s\n", u.runtimeDirectory())
	if u.Environment {
		fmt.Fprintf(b, "EnvironmentFile=%s\n", escapeSpecifiers(path.Join(u.Root, "current/etc/environment")))
	}
	fmt.Fprintf(b, "ExecStart=/bin/sh -c %s\n", systemdQuote(u.script()))
	b.WriteString("# READY comes after the migrations, which must not be killed however long they take.\n")
	if u.Systemd >= systemdAmbient {
		b.WriteString("TimeoutStartSec=infinity\n")
	} else {
		b.WriteString("TimeoutStartSec=0\n")
	}
	b.WriteString("# Grafana itself gives a shutdown 30 s.\nTimeoutStopSec=45\n")
	u.restart(b)
	fmt.Fprintf(b, "LimitNOFILE=%d\n", openFiles)
}

// restart: versions that exit 1 on SIGTERM (#23309) need that status to be a
// success, and then "on-failure" would no longer restart the loser of the
// migration lock, which exits 1 as well.
func (u Unit) restart(b *bytes.Buffer) {
	if able(u.Version, cleanSIGTERM) {
		b.WriteString("Restart=on-failure\nRestartSec=5\n")
	} else {
		b.WriteString("Restart=always\nRestartSec=5\nSuccessExitStatus=1\n")
	}
	if u.Systemd < systemdLimit {
		b.WriteString("StartLimitInterval=0\n")
	}
}

// script resolves the current generation before it becomes Grafana, so that
// /proc/PID/cmdline names the generation that runs, whatever "current" is now.
func (u Unit) script() string {
	sub := ""
	if u.Binary == "grafana" {
		sub = " server"
	}
	return fmt.Sprintf(`g=$(readlink -f %s) && exec "$g/release/bin/%s"%s --homepath="$g/release" --config="$g/etc/grafana.ini"`,
		shellQuote(path.Join(u.Root, "current")), u.Binary, sub)
}

// hardening is what Grafana's own packages set, by the systemd version that
// knows it, with two differences. AF_NETLINK is allowed: without it Go cannot
// list network interfaces, which backend plugins and memberlist do; we write the
// advertised address ourselves, but a rescue by hand should not need a new unit.
// And a port below 1024 gets the one capability for it.
func (u Unit) hardening(b *bytes.Buffer) {
	b.WriteString("\nNoNewPrivileges=true\nPrivateTmp=true\nPrivateDevices=true\nProtectSystem=full\n")
	if !u.inHome() {
		b.WriteString("ProtectHome=true\n")
	}
	if u.privileged() {
		b.WriteString("AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n")
	} else {
		b.WriteString("CapabilityBoundingSet=\n")
	}
	for _, p := range []string{u.DataPath, u.LogPath} {
		if underSystem(p) && u.Systemd >= systemdKernel {
			fmt.Fprintf(b, "ReadWritePaths=%s\n", p)
		}
	}
	for _, line := range []struct {
		since int
		text  string
	}{
		{systemdKernel, "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"},
		{systemdKernel, "SystemCallArchitectures=native"},
		{systemdKernel, "ProtectKernelTunables=true"},
		{systemdKernel, "ProtectKernelModules=true"},
		{systemdKernel, "ProtectControlGroups=true"},
		{systemdKernel, "RemoveIPC=true"},
		{systemdKernel, "RestrictRealtime=true"},
		{233, "RestrictNamespaces=true"},
		{235, "LockPersonality=true"},
		{242, "ProtectHostname=true"},
		{242, "RestrictSUIDSGID=true"},
		{244, "ProtectKernelLogs=true"},
		{245, "ProtectClock=true"},
		{247, "ProtectProc=invisible"},
	} {
		if u.Systemd >= line.since {
			b.WriteString(line.text + "\n")
		}
	}
}

// underSystem says whether ProtectSystem=full makes a path read-only.
func underSystem(p string) bool {
	for _, system := range []string{"/usr/", "/etc/", "/boot/", "/efi/"} {
		if strings.HasPrefix(p+"/", system) {
			return true
		}
	}
	return false
}

func (u Unit) inHome() bool {
	for _, p := range []string{u.Root, u.DataPath, u.LogPath} {
		for _, home := range []string{"/home/", "/root/", "/run/user/"} {
			if strings.HasPrefix(p+"/", home) {
				return true
			}
		}
	}
	return false
}

// shellQuote makes s one word for sh.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// systemdQuote makes s one argument of ExecStart=: C-style quoting, with the
// two characters that systemd expands inside quotes too.
func systemdQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$").Replace(s) + `"`
}

func escapeSpecifiers(s string) string { return strings.ReplaceAll(s, "%", "%%") }
