package listener_test

import (
	"errors"
	"os"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
)

// While a service is down, any user may listen on its port: such a one is told no password.
func TestAServicesPasswordIsForNoOrdinaryUser(t *testing.T) {
	h := fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: &fleettest.Local{Name: "h1", Env: os.Environ()}}
	for _, tt := range []struct{ listens, asked string }{
		{"127.0.0.1:17634", "127.0.0.1:17634"}, {"0.0.0.0:17635", "localhost:17635"}, {"[::]:17636", "127.0.0.1:17636"},
	} {
		newStranger(t, tt.listens, "STRANGER_USER=nobody")
		err := listener.Service(t.Context(), h, tt.asked)
		if ordinary, ok := errors.AsType[*listener.OrdinaryError](err); !ok || ordinary.User == "" {
			t.Errorf("%s: got %v", tt.asked, err)
		}
	}
	newStranger(t, "127.0.0.2:17637", "STRANGER_USER=nobody")
	if err := listener.Service(t.Context(), h, "127.0.0.1:17637"); err != nil {
		t.Errorf("another address: %v", err)
	}
	if os.Getuid() == 0 {
		newStranger(t, "127.0.0.1:17638")
		if err := listener.Service(t.Context(), h, "127.0.0.1:17638"); err != nil {
			t.Errorf("root: %v", err)
		}
	}
	if err := listener.Service(t.Context(), h, "127.0.0.1:1"); err != nil {
		t.Errorf("nobody: %v", err)
	}
}
