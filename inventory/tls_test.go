package inventory

import (
	"path/filepath"
	"testing"
)

// A certificate alone does not make Grafana speak HTTPS: server.protocol does, and the
// gates and the load balancer read it from the host.
func TestGrafanaTLSMakesHostsSpeakHTTPS(t *testing.T) {
	for file, want := range map[string]string{"tls.yaml": "https", "postgres-gossip.yaml": ""} {
		c, err := Load(t.Context(), filepath.Join("..", "examples", file), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range c.Hosts {
			if v, _ := h.Config.Get("server", "protocol"); v.Reveal() != want {
				t.Errorf("%s: %s has the protocol %q, want %q", file, h.Name, v.Reveal(), want)
			}
		}
	}
}
