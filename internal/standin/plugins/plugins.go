// Package plugins lists what lies in the plugin folder.
package plugins

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Plugin is one plugin, as GET /api/plugins shows it.
type Plugin struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Signature string `json:"signature"`
	Info      struct {
		Version string `json:"version"`
	} `json:"info"`
	Enabled bool `json:"enabled"`
}

// Internal is the signature of a plugin that the release brings along.
const Internal = "internal"

// core are some of those that every release brings along.
var core = []Plugin{
	{ID: "grafana-testdata-datasource", Name: "TestData", Type: "datasource"},
	{ID: "prometheus", Name: "Prometheus", Type: "datasource"},
	{ID: "loki", Name: "Loki", Type: "datasource"},
	{ID: "timeseries", Name: "Time series", Type: "panel"},
	{ID: "text", Name: "Text", Type: "panel"},
}

// Load reads the plugin.json of every folder in dir. A plugin without a
// signature is left out, with Grafana's log line, unless unsigned allows it.
func Load(dir string, unsigned []string, log *slog.Logger) []Plugin {
	var out []Plugin
	for _, p := range core {
		p.Signature, p.Enabled = Internal, true
		out = append(out, p)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*", "plugin.json")) // the pattern is well-formed
	for _, name := range files {
		p, err := read(name)
		if err != nil {
			log.Error("Could not load plugin", "path", filepath.Dir(name), "error", err)
			continue
		}
		if p.Signature == "unsigned" && !slices.Contains(unsigned, p.ID) {
			log.Warn("Plugin is unsigned", "pluginId", p.ID)
			continue
		}
		log.Info("Plugin registered", "pluginId", p.ID)
		out = append(out, p)
	}
	return out
}

func read(name string) (Plugin, error) {
	p := Plugin{Enabled: true, Signature: "unsigned"}
	b, err := os.ReadFile(name)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("reading plugin.json: %w", err)
	}
	if p.ID = strings.TrimSpace(p.ID); p.ID == "" {
		return p, fmt.Errorf("%s has no id", name)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(name), "MANIFEST.txt")); err == nil {
		p.Signature = "valid"
	}
	return p, nil
}
