package aside

import (
	"context"
	_ "embed" // look.sh
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

//go:embed look.sh
var lookScript string

// What a Grafana on the side takes.
const (
	// LeastMemory is what it needs to migrate a database, and MostMemory is enough: it is
	// killed beyond, and the one that serves is not. Bytes. Real 12.4.0 took 350 MB.
	LeastMemory = 512 << 20
	MostMemory  = 2 << 30
	// spareMemory stays free for the Grafana that serves, whatever else is free.
	spareMemory = 256 << 20
	// LeastDisk is for its files and log; a release that is not there yet comes on top.
	LeastDisk = 256 << 20
	// mostAddresses bounds what a host says of its resolver.
	mostAddresses = 64
)

// Room is what a host can spare.
type Room struct {
	Memory, Disk int64 // bytes; disk where the root lies
	Port         int   // of loopback, that nobody listens on
	// Addresses are those of the database, and of the servers that know its name.
	Addresses []string
}

// Look asks a host what it can spare. database is host:port.
func Look(ctx context.Context, h fleet.Host, p Place, database string) (Room, error) {
	res, err := h.Run(ctx, remote.Command{Step: "look for room", Script: lookScript, Args: []string{p.Root, nameOf(database)}, Timeout: 20 * time.Second})
	if err != nil {
		return Room{}, err
	}
	return readRoom(string(res.Stdout)), nil
}

// nameOf is the host of host:port, without brackets.
func nameOf(database string) string {
	if i := strings.LastIndexByte(database, ':'); i >= 0 && !strings.HasSuffix(database, "]") {
		database = database[:i]
	}
	return strings.Trim(database, "[]")
}

func readRoom(text string) (r Room) {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(value, 10, 40)
		switch {
		case key == "address":
			ip, err := netip.ParseAddr(value)
			if err == nil && len(r.Addresses) < mostAddresses && !slices.Contains(r.Addresses, ip.Unmap().WithZone("").String()) {
				r.Addresses = append(r.Addresses, ip.Unmap().WithZone("").String())
			}
		case err != nil || n < 0:
		case key == "memory":
			r.Memory = n << 10
		case key == "disk":
			r.Disk = n << 10
		case key == "port" && n > 0 && n < 1<<16:
			r.Port = int(n)
		}
	}
	return r
}

// Limit is how much memory a Grafana on the side may have on the host, in bytes.
func (r Room) Limit() int64 { return min(r.Memory-spareMemory, MostMemory) }

// Refuse says what of a host does not suffice; nil when all does. disk is what is
// still to be brought there, in bytes.
func (r Room) Refuse(disk int64) error {
	const mb = 1 << 20
	switch {
	case r.Limit() < LeastMemory:
		return fmt.Errorf("%d MB of memory are free; %d MB are needed, so that the Grafana that serves keeps what it has", r.Memory/mb, (LeastMemory+spareMemory)/mb)
	case r.Disk < LeastDisk+disk:
		return fmt.Errorf("%d MB of disk are free; %d MB are needed", r.Disk/mb, (LeastDisk+disk)/mb)
	case r.Port == 0:
		return fmt.Errorf("no port of loopback is free")
	case len(r.Addresses) == 0:
		return fmt.Errorf("the name of the database's server cannot be looked up there")
	}
	return nil
}
