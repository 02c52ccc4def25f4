package desired

import (
	"errors"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// Problems are what rendering would refuse of an inventory, found without a host or an
// archive: each with the place where it is written. What only the release's own
// defaults.ini or a host can tell, planning finds later.
func Problems(c *inventory.Cluster) inventory.Diagnostics {
	v, err := grafana.ParseVersion(c.Grafana.Version)
	if err != nil {
		return c.Diagnose(inventory.Diagnostics{{Pos: c.Place("grafana", "version"), Message: err.Error()}})
	}
	var all inventory.Diagnostics
	for _, h := range c.Hosts {
		all = append(all, iniProblems(c, h, v)...)
		all = append(all, unitProblems(c, h, v)...)
	}
	return c.Diagnose(all)
}

// iniProblems are those of a host's grafana.ini.
func iniProblems(c *inventory.Cluster, h *inventory.Host, v grafana.Version) (out inventory.Diagnostics) {
	for _, err := range Node(c, h, v, standInIPs(c), nil).Problems() {
		setting := settingOf(err)
		key, written := configKey(h, setting)
		if written && c.Unresolved && key.Value.Unresolved() {
			continue // a placeholder stands there
		}
		d := inventory.Diagnostic{Pos: key.Pos, Message: err.Error()}
		if !written {
			d.Pos = c.Place(inventoryPath(setting)...)
		}
		out = append(out, d)
	}
	return out
}

// standInIPs are addresses for names, which only planning resolves.
func standInIPs(c *inventory.Cluster) map[string]string {
	ips := map[string]string{}
	for _, h := range c.Hosts {
		ips[h.Name] = "192.0.2.1" // RFC 5737: for documentation
	}
	return ips
}

// settingOf is what an error of rendering is about; empty when it does not say.
func settingOf(err error) string {
	if e, ok := errors.AsType[*grafana.SettingError](err); ok {
		return e.Setting
	}
	if e, ok := errors.AsType[*grafana.UnknownKeyError](err); ok {
		return e.Section + "." + e.Key
	}
	return ""
}

// configKey finds a setting among what the operator wrote under config:. Sections may
// hold dots, so the last one separates.
func configKey(h *inventory.Host, setting string) (inventory.Key, bool) {
	i := strings.LastIndexByte(setting, '.')
	if i < 0 {
		return inventory.Key{}, false
	}
	for _, s := range h.Config {
		for _, k := range s.Keys {
			if s.Name == setting[:i] && k.Name == setting[i+1:] && k.Pos.Line > 0 {
				return k, true
			}
		}
	}
	return inventory.Key{}, false
}

// inventoryPath is where the inventory says what a setting of grafana.ini is made from.
func inventoryPath(setting string) []string {
	section, key, _ := strings.Cut(setting, ".")
	switch section {
	case "security":
		if name, ok := strings.CutPrefix(key, "admin_"); ok {
			return []string{"grafana", "admin", name}
		}
		return []string{"grafana", key}
	case "server":
		return []string{"grafana", "tls"}
	case "unified_alerting":
		key = strings.TrimPrefix(key, "ha_")
		if name, ok := strings.CutPrefix(key, "redis_"); ok {
			return []string{"alerting", "redis", name}
		}
		return []string{"alerting", key}
	case "live", "remote_cache":
		return []string{section, "redis"}
	case "rendering":
		return []string{"grafana", "renderer"}
	case "database":
		return []string{section, strings.TrimSuffix(key, "_path")}
	case "plugins":
		return []string{"grafana", "plugins"}
	}
	return strings.Split(setting, ".")
}

// newestSystemd is one that lacks nothing that a unit may want: which a host has is only
// known there.
const newestSystemd = 999

// unitProblems are those of a host's unit and environment.
func unitProblems(c *inventory.Cluster, h *inventory.Host, v grafana.Version) (out inventory.Diagnostics) {
	unit := grafana.Unit{
		Version: v, Systemd: newestSystemd, Binary: "grafana", Root: c.Paths.Root, User: c.Paths.User,
		DataPath: c.Paths.Data, LogPath: c.Paths.Logs, Environment: true,
	}
	for _, err := range unit.Problems() {
		out = append(out, inventory.Diagnostic{Pos: c.Place(strings.Split(settingOf(err), ".")...), Message: err.Error()})
	}
	if _, err := environment(h.Env, false); err != nil {
		out = append(out, inventory.Diagnostic{Pos: c.Place("grafana", "env"), Message: err.Error()})
	}
	return out
}
