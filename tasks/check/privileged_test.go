package check

import (
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// The unit gets the capability for a port below 1024 where systemd can give one.
func TestPortBelow1024NeedsASystemdThatCanGiveTheCapability(t *testing.T) {
	for systemd, bad := range map[string]bool{"219": true, "252": false} {
		hosts := fakeHosts(goodFacts("systemd\t" + systemd))
		c := cluster(hosts...)
		hosts[0].Host.Config = inventory.Config{{Name: "server", Keys: []inventory.Key{{Name: "http_port", Value: inventory.PlainValue("443")}}}}
		found := only(t, input(t, c, hosts), "ports")
		if bad {
			want(t, found, Fail, "h1", "http_port 443 is below 1024", "systemd 219")
		} else {
			want(t, found, OK, "h1", "443")
		}
	}
}
