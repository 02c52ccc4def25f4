package balancer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// What a server's name stands for is asked where nginx runs, not here.
func TestNginxServersAreFoundByTheirNames(t *testing.T) {
	bin := t.TempDir()
	write(t, filepath.Join(bin, "getent"), `#!/bin/sh
case $2 in
web-1.internal) echo "10.9.0.11 STREAM web-1"; echo "fd81::11 STREAM" ;;
web-2.internal) echo "::ffff:10.9.0.12 STREAM" ;;
*) exit 2 ;;
esac
`, 0o755)
	n := &nginx{conn: &fleettest.Local{Name: "lb", Env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}}}
	servers, err := upstreamServers(`upstream grafana {
	server web-1.internal:3000 weight=2 max_fails=0;
	server web-2.internal:3000 weight=1;
	server WEB-3:3000;
	server unknown.internal:3000 backup;
	server [fd81::14]:3000;
}`, "grafana")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		host inventory.Host
		want string // empty: none
	}{
		{inventory.Host{Name: "g1", Address: "10.9.0.11"}, "web-1.internal:3000"},
		{inventory.Host{Name: "g1", Address: "fd81::11"}, "web-1.internal:3000"},
		{inventory.Host{Name: "g2", Address: "10.9.0.12"}, "web-2.internal:3000"},
		{inventory.Host{Name: "web-3", Address: "10.9.0.13"}, "WEB-3:3000"},
		{inventory.Host{Name: "g4", Address: "[fd81::14]"}, "[fd81::14]:3000"},
		{inventory.Host{Name: "g5", Address: "10.9.0.15"}, ""},
	} {
		s, ok := n.pick(t.Context(), servers, &tt.host)
		if ok != (tt.want != "") || s.address != tt.want {
			t.Errorf("%s: %q", tt.host.Address, s.address)
		}
	}
}
