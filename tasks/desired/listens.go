package desired

import (
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// Listens is where a host's Grafana shall answer, as the inventory has it. What
// cannot be read there was refused when the inventory was judged.
func Listens(h *inventory.Host) grafana.Listen {
	get := func(key string) string {
		// The environment goes before the file (pkg/setting/setting.go, applyEnvVariableOverrides).
		if v, ok := h.Env["GF_SERVER_"+strings.ToUpper(key)]; ok && v.Reveal() != "" {
			return v.Reveal()
		}
		v, _ := h.Config.Get("server", key)
		return v.Reveal()
	}
	l, _ := grafana.ParseListen(get("protocol"), get("http_addr"), get("http_port"))
	return l
}
