package remote_test

import (
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// What the work needs of a host is what a Client has.
var _ fleet.Conn = (*remote.Client)(nil)
