package tasks

import (
	"fmt"
	"strconv"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// layout numbers what lies where on a host, and what it means. A host without the file
// "layout" in its state folder has layout 1; a binary that changes the layout in a way that
// this one would get wrong writes the new number there before it changes anything else.
const layout = 1

// knownLayout refuses a host whose files a newer ghadeploy laid out: what an older one takes
// for rubbish may be what the host needs. said is the first line of the file.
func knownLayout(host, said string) error {
	if n, err := strconv.Atoi(said); said == "" || err == nil && n >= 0 && n <= layout {
		return nil
	} else if err != nil {
		said = "of another kind"
	}
	return &fleet.HostError{Host: host, Step: "observe",
		Cause: fmt.Errorf("a newer ghadeploy has laid out its files (layout %s, this one knows %d)", said, layout),
		State: "nothing was touched",
		Next:  "update ghadeploy; on a host that the newer one has managed, `ghadeploy history INVENTORY` of that one names its version"}
}
