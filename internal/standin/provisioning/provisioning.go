// Package provisioning applies the files below paths.provisioning: data
// sources, dashboards, alerting. As in Grafana a broken file stops the server.
package provisioning

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

// Apply reads everything below dir. Folders that are not there are no error.
// Alerting files are applied only when alerts is true.
func Apply(ctx context.Context, dir string, st *store.Store, alerts bool) error {
	p := provisioner{ctx: ctx, store: st}
	if err := each(dir, "datasources", p.datasources); err != nil {
		//lint:ignore ST1005 Grafana's words
		return fmt.Errorf("Datasource provisioning error: %w", err)
	}
	if err := each(dir, "plugins", func(map[string]any, []byte) error { return nil }); err != nil {
		return fmt.Errorf("app provisioning error: %w", err)
	}
	if err := each(dir, "dashboards", p.dashboards); err != nil {
		//lint:ignore ST1005 Grafana's words
		return fmt.Errorf("Dashboard provisioning error: %w", err)
	}
	if !alerts {
		return nil
	}
	if err := each(dir, "alerting", p.alerting); err != nil {
		return fmt.Errorf("failure to provision alerting: %w", err)
	}
	return nil
}

type provisioner struct {
	ctx   context.Context
	store *store.Store
}

// each parses every YAML file of a folder, in order of name.
func each(dir, kind string, apply func(head map[string]any, text []byte) error) error {
	files, _ := filepath.Glob(filepath.Join(dir, kind, "*.y*ml")) // the pattern is well-formed
	slices.Sort(files)
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		text := []byte(expand(string(b)))
		head := map[string]any{}
		if err := yaml.Unmarshal(text, &head); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
		if err := apply(head, text); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return nil
}

// expand replaces $VAR and ${VAR}; $$ is a dollar sign.
func expand(text string) string {
	const dollar = "\x00"
	text = os.Expand(strings.ReplaceAll(text, "$$", dollar), os.Getenv)
	return strings.ReplaceAll(text, dollar, "$")
}
