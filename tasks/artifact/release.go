package artifact

import (
	"fmt"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
)

// Release is one Grafana release for one architecture, as the operator has it.
type Release struct {
	Version string
	Arch    string
	SHA256  string // of the archive, hexadecimal
	// Path of the archive on the operator's machine; empty when hosts pull it.
	Path string
	// URL that hosts download it from, with delivery: pull.
	URL  string
	Size int64 // bytes of the archive; 0 when unknown
	// Unpacked is its size in bytes on a host; 0 when unknown.
	Unpacked int64
	// Binary is what runs, below bin/: "grafana" or "grafana-server".
	Binary string
	// Defaults is its conf/defaults.ini; empty when the archive was not seen.
	Defaults []byte
}

// Name is the folder under releases/: one name, one content.
func (r Release) Name() string { return fmt.Sprintf("%s-%.12s", r.Version, r.SHA256) }

// RedactedURL is URL without the password that it may carry.
func (r Release) RedactedURL() string { return redactURL(r.URL) }

// pulled is a release that the hosts download themselves: what is not in its name
// is known from its version.
func pulled(version, arch, sum, src string) (Release, error) {
	v, err := grafana.ParseVersion(version)
	if err != nil {
		return Release{}, &Error{Message: err.Error()}
	}
	r := Release{Version: version, Arch: arch, SHA256: sum, URL: src, Binary: "grafana-server"}
	if grafana.HasGrafanaBinary(v) {
		r.Binary = "grafana"
	}
	return r, nil
}
