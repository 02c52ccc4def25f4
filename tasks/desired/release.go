package desired

import (
	"fmt"
	"io"
	"io/fs"
	"net/url"
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
func (r Release) RedactedURL() string { return RedactURL(r.URL) }

// Plugin is one plugin of a generation. Its files are streamed from the
// archive; its identity is the archive's hash.
type Plugin struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	SHA256  string `json:"sha256"`
	// Signed tells whether the archive holds a signature.
	Signed bool `json:"-"`
	// Walk gives the plugin's files in order; paths start with the plugin's id.
	Walk func(yield func(name string, mode fs.FileMode, size int64, r io.Reader) error) error `json:"-"`
}

// RedactURL is a URL without the password that it may carry.
func RedactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "the URL"
	}
	// A query is where servers want their tokens.
	if u.RawQuery != "" {
		u.RawQuery = "..."
	}
	u.Fragment = ""
	return u.Redacted()
}
