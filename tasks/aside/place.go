package aside

import (
	"fmt"
	"path"
	"strings"
)

// Place is where the Grafana on the side of a host is.
type Place struct {
	// Root is paths.root; Service the unit of the Grafana that serves.
	Root, Service string
	// User and Group are whom both run as; Group as chown is told it.
	User, Group string
}

// Folder holds all that it has; readable by the service's group only.
func (p Place) Folder() string { return path.Join(p.Root, "aside") }

// Unit is its transient unit. Two services of one host do not meet.
func (p Place) Unit() string {
	return "ghadeploy-aside-" + strings.ReplaceAll(p.Service, "@", "-") + ".service"
}

// leastSystemd has --collect, StandardOutput=file: (236) and IPAddressDeny= (235).
const leastSystemd = 236

// Refuse says why there can be none on a host with this systemd; nil when there can.
func (p Place) Refuse(systemd int) error {
	if systemd < leastSystemd {
		return fmt.Errorf("systemd %d cannot shut a Grafana on the side off from the network; %d can", systemd, leastSystemd)
	}
	if strings.ContainsAny(p.Root, " \t\"'\\%$") {
		return fmt.Errorf("paths.root %q has a character that systemd reads otherwise", p.Root)
	}
	return nil
}
