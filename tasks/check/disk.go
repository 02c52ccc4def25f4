package check

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// releaseGuess is more than the largest release unpacked so far (310 MB for 10.3.1).
const releaseGuess = 400 << 20

// folder is one that a deployment, or Grafana, fills. Each may lie on a file system of
// its own.
type folder struct {
	kind string // as facts.sh names it
	path string
	key  string // in the inventory
	need int64  // bytes
	why  string
	runs bool // something is executed there
}

// folders are looked at in this order: of several on one file system the first stands
// for all, since it needs most.
func folders(p inventory.Paths, release int64) []folder {
	return []folder{
		{kind: "releases", path: path.Join(p.Root, "releases"), key: "paths.root", need: 3 * release, runs: true,
			why: "a deployment would stop half-way, for lack of space for three releases"},
		{kind: "root", path: p.Root, key: "paths.root", need: release, runs: true,
			why: "archives arrive there, and plugins and configurations stay there"},
		{kind: "data", path: p.Data, key: "paths.data", need: 100 << 20, runs: true,
			why: "Grafana writes its plugins' state and indexes there"},
		{kind: "logs", path: p.Logs, key: "paths.logs", need: 100 << 20, why: "Grafana writes its log there"},
		{kind: "state", path: p.State, key: "paths.state", need: 20 << 20, why: "the lock, the journal and dumps of the database are there"},
	}
}

func checkDisk(_ context.Context, r *run) []Finding {
	release := r.ReleaseSize
	if release == 0 {
		release = releaseGuess
	}
	return r.eachFacts(func(_ fleet.Host, f hostFacts) []Finding {
		return diskFindings(f, folders(r.Cluster.Paths, release))
	})
}

func diskFindings(f hostFacts, all []folder) []Finding {
	var found []Finding
	said, inodes, mounts := map[string]bool{}, map[string]bool{}, map[string]bool{}
	once := func(seen map[string]bool, mount string) bool {
		first := mount == "" || !seen[mount]
		seen[mount] = true
		return first
	}
	for _, d := range all {
		mount := f.mountPoint(d.kind)
		if free, known := f.numbers("disk-"+d.kind, 1); known && free[0]<<10 < d.need && once(said, mount) {
			found = append(found, fail(fmt.Sprintf("%s free for %s, %s needed", bytesText(free[0]<<10), d.path, bytesText(d.need)),
				d.why, "free space there, or set "+d.key+" to a larger file system"))
		}
		// A file system without a fixed number of inodes reports 0 in all.
		if n, ok := f.numbers("inodes-"+d.kind, 2); ok && d.kind == "releases" && n[0] > 0 && n[1] < 3*10_000 && once(inodes, mount) {
			found = append(found, fail(fmt.Sprintf("%d inodes free for %s, 30000 needed", n[1], d.path), "a release is some 8,000 files",
				"remove small files there, or set "+d.key))
		}
		if once(mounts, mount) {
			found = append(found, mountFindings(f, d)...)
		}
	}
	if slices.Contains(strings.Split(f.get("mount-tmp"), ","), "noexec") {
		found = append(found, warn("/tmp is mounted noexec", "harmless for Grafana; some backend plugins unpack helpers there",
			"nothing, or set TMPDIR in env: for this host"))
	}
	if free, known := f.numbers("disk-releases", 1); len(found) == 0 && known {
		return ok("%s free for %s", bytesText(free[0]<<10), all[0].path)
	}
	return found
}

// mountPoint is where the file system of a folder is mounted; empty when unknown.
func (f hostFacts) mountPoint(kind string) string {
	if words := strings.Fields(f.get("disk-" + kind)); len(words) > 1 {
		return words[1]
	}
	return ""
}

func mountFindings(f hostFacts, d folder) (found []Finding) {
	options := strings.Split(f.get("mount-"+d.kind), ",")
	if slices.Contains(options, "ro") {
		found = append(found, fail(d.path+" is on a file system mounted read-only", "nothing can be deployed there",
			"mount -o remount,rw it, or change "+d.key))
	}
	if d.runs && slices.Contains(options, "noexec") {
		found = append(found, fail(d.path+" is on a file system mounted noexec", "Grafana and its plugins could not be executed there",
			"mount -o remount,exec it, or change "+d.key))
	}
	return found
}
