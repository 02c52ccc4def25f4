package artifact

import (
	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// pulled is a release that the hosts download themselves: what is not in its name
// is known from its version.
func pulled(version, arch, sum, src string) (desired.Release, error) {
	v, err := grafana.ParseVersion(version)
	if err != nil {
		return desired.Release{}, &Error{Message: err.Error()}
	}
	r := desired.Release{Version: version, Arch: arch, SHA256: sum, URL: src, Binary: "grafana-server"}
	if grafana.HasGrafanaBinary(v) {
		r.Binary = "grafana"
	}
	return r, nil
}
