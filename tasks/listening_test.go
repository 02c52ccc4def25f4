package tasks

import (
	"testing"
)

// A process answers where its own environment says; one that is started anew has only what
// the unit sets by then.
func TestAStartForgetsAnEnvironmentThatTheUnitNoLongerSets(t *testing.T) {
	facts := func(dropIns ...*DropIn) *Facts {
		f := &Facts{Servers: map[string]serverOf{"g": {"http_port": "3000"}}, DropIns: dropIns}
		f.Service.Generation, f.Service.Server = "g", serverOf{"http_port": "3001"}
		return f
	}
	for name, tt := range map[string]struct {
		f      *Facts
		starts int
	}{
		"gone":              {facts(), 3000},
		"another drop-in":   {facts(&DropIn{Keys: []string{"LimitNOFILE", "GF_SERVER_HTTP_ADDR"}}), 3000},
		"still there":       {facts(&DropIn{Keys: []string{"GF_SERVER_HTTP_PORT"}}), 3001},
		"in a drop-in file": {facts(&DropIn{files: map[string][]string{"/srv/env": {"GF_SERVER_HTTP_PORT"}}}), 3001},
	} {
		now, ok := tt.f.Listens()
		if !ok || now.Port != 3001 {
			t.Errorf("%s: the process answers at %v, %v", name, now, ok)
		}
		if next, ok := tt.f.ListensAt("g"); !ok || next.Port != tt.starts {
			t.Errorf("%s: a start answers at %v, %v, want port %d", name, next, ok, tt.starts)
		}
	}
}
