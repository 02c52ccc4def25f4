package tasks

import (
	"errors"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// A mistake in what the inventory says of an artifact ends a run as one of usage does.
func TestAMissingArtifactIsAMistakeOfUsage(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	c := testCluster("h1")
	c.Grafana.Artifact = inventory.Artifact{Source: "/nonexistent/grafana-{version}.tar.gz"}
	p := &picture{hosts: []seen{{Host: fleet.Host{Host: c.Hosts[0]}, facts: bare()}}}
	err := New(c, Options{}).readInputs(t.Context(), p, want{version: "10.3.1"}, false)
	if e, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(e.Message, "/nonexistent/grafana-10.3.1.tar.gz") {
		t.Errorf("got %v", err)
	}
}
