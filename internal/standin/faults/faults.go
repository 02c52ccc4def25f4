// Package faults is the list of failures that a release can be packed with, so
// that a rollout can be watched while it meets them. They lie in the tarball as
// conf/standin.yaml.
package faults

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gopkg.in/yaml.v3"
)

// File is where the faults lie below the release's folder.
const File = "conf/standin.yaml"

// Faults are the failures of one release. The zero value is a healthy one.
type Faults struct {
	// Host limits the faults to the node with this instance_name or host name;
	// empty is every node.
	Host string `yaml:"host,omitempty"`
	// SlowMigration is how long this version's own migration takes.
	SlowMigration time.Duration `yaml:"slow_migration,omitempty"`
	// FailMigration makes this version's own migration fail.
	FailMigration bool `yaml:"fail_migration,omitempty"`
	// StartDelay is waited before READY=1.
	StartDelay time.Duration `yaml:"start_delay,omitempty"`
	// FailStart ends the process with 1 after the migrations.
	FailStart bool `yaml:"fail_start,omitempty"`
	// CrashAfter ends the process with 1 this long after it listens.
	CrashAfter time.Duration `yaml:"crash_after,omitempty"`
	// Unhealthy makes /api/health answer 503.
	Unhealthy bool `yaml:"unhealthy,omitempty"`
	// IgnoreStop makes the process ignore SIGTERM.
	IgnoreStop bool `yaml:"ignore_stop,omitempty"`
	// NoConfigPost takes away POST of a whole Alertmanager configuration, which
	// Grafana 12.1 and later do not have.
	NoConfigPost bool `yaml:"no_config_post,omitempty"`
}

// Load reads the faults of the release in home; none when the file is absent.
func Load(home string) (Faults, error) {
	var f Faults
	b, err := os.ReadFile(filepath.Join(home, File))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("reading faults: %w", err)
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		return f, fmt.Errorf("reading faults from %s: %w", File, err)
	}
	return f, nil
}

// On returns f when it is meant for one of these names, else no faults.
func (f Faults) On(names ...string) Faults {
	if f.Host == "" {
		return f
	}
	for _, n := range names {
		if n == f.Host {
			return f
		}
	}
	return Faults{}
}

// Marshal returns the content of File; nil for a healthy release.
func (f Faults) Marshal() ([]byte, error) {
	if f == (Faults{}) {
		return nil, nil
	}
	return yaml.Marshal(f)
}
