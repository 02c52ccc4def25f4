package release

import (
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/ghadeploy/ghadeploy/internal/standin/defaults"
	"github.com/ghadeploy/ghadeploy/internal/standin/faults"
)

// entry is one file of the archive.
type entry struct {
	name    string
	mode    int64
	content []byte
}

const license = "This is a stand-in for tests, not Grafana.\nLicensed under the Apache License, Version 2.0.\n"

const ldap = `# LDAP sample; the stand-in reads none of it.
[[servers]]
host = "127.0.0.1"
port = 389
search_filter = "(cn=%s)"
search_base_dns = ["dc=grafana,dc=org"]
`

func (o Options) entries(v defaults.Version) ([]entry, error) {
	binary, err := os.ReadFile(o.Binary)
	if err != nil {
		return nil, fmt.Errorf("packing %s: %w", o.Version, err)
	}
	ini, err := defaults.Render(v)
	if err != nil {
		return nil, err
	}
	out := []entry{
		{"LICENSE", 0o644, []byte(license)},
		{"VERSION", 0o644, []byte(o.Version)},
		{"conf/defaults.ini", 0o644, []byte(ini)},
		{"conf/sample.ini", 0o644, []byte("# Every key is in defaults.ini.\n")},
		{"conf/ldap.toml", 0o644, []byte(ldap)},
		{"public/robots.txt", 0o644, []byte("User-agent: *\nDisallow: /\n")},
	}
	for _, kind := range []string{"access-control", "alerting", "dashboards", "datasources", "notifiers", "plugins"} {
		out = append(out, entry{"conf/provisioning/" + kind + "/sample.yaml", 0o644, []byte("# apiVersion: 1\n")})
	}
	// Before 9.4 grafana-server is the server and there is no bin/grafana.
	if v.AtLeast(9, 4) {
		out = append(out, entry{"bin/grafana", 0o755, binary},
			entry{"bin/grafana-server", 0o755, []byte("#!/bin/sh\nexec \"$(dirname \"$0\")/grafana\" server \"$@\"\n")},
			entry{"bin/grafana-cli", 0o755, []byte("#!/bin/sh\nexec \"$(dirname \"$0\")/grafana\" cli \"$@\"\n")})
	} else {
		out = append(out, entry{"bin/grafana-server", 0o755, binary})
	}
	sick, err := o.Faults.Marshal()
	if err != nil {
		return nil, err
	}
	if sick != nil {
		out = append(out, entry{faults.File, 0o644, sick})
	}
	return append(out, o.padding()...), nil
}

// padding is content that does not compress, the same on every call.
func (o Options) padding() []entry {
	if o.Pad <= 0 {
		return nil
	}
	n := max(o.Files, 1)
	size := o.Pad * 1_000_000 / n
	source := rand.NewChaCha8([32]byte{1})
	var out []entry
	for i := range n {
		b := make([]byte, size)
		_, _ = source.Read(b) // never fails
		out = append(out, entry{fmt.Sprintf("public/app/%02x/chunk-%05d.js", i%64, i), 0o644, b})
	}
	return out
}
