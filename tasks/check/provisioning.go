package check

import (
	"context"
	"io/fs"
	"os"
	"path"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
)

func provisioningChecks() []unit {
	return []unit{{
		name: "provisioning", about: "provisioning files parse, and no uid or title is there twice",
		skip: func(r *run) string {
			if r.Cluster.Grafana.Provisioning == "" {
				return "grafana.provisioning is not set"
			}
			return ""
		},
		run: onCluster(func(r *run) []Finding {
			return provisioningFindings(r.Cluster.Grafana.Provisioning, r.Cluster.Paths)
		}),
	}}
}

// provisioningFindings looks first whether the tree can be shipped.
func provisioningFindings(dir string, p inventory.Paths) []Finding {
	err := localfile.CheckTree(context.Background(), dir, localfile.Tree)
	if err != nil {
		return []Finding{fail("grafana.provisioning: "+err.Error(), "it could not be shipped",
			"correct the path in the inventory, or the folder")}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return []Finding{fail("grafana.provisioning: "+err.Error(), "it could not be shipped", "correct the path in the inventory")}
	}
	defer func() { _ = root.Close() }()
	return lintProvisioning(root.FS(), p)
}

// lintProvisioning reads the tree as Grafana will at start, from where it will
// lie on a host.
func lintProvisioning(tree fs.FS, p inventory.Paths) []Finding {
	found, err := grafana.LintProvisioning(tree, path.Join(p.Etc, "provisioning"), path.Join(p.Root, "current/etc/provisioning"))
	if err != nil {
		return []Finding{fail("grafana.provisioning: "+err.Error(), "it could not be shipped", "correct the path in the inventory")}
	}
	var all []Finding
	for _, f := range found {
		make, why := fail, "Grafana stops on a broken provisioning file, or its providers freeze (#64595, #43530)"
		if f.Severity == grafana.Warning {
			make, why = warn, "what is meant and what Grafana will do differ (#22777)"
		}
		all = append(all, make(f.String(), why, "correct the file"))
	}
	return all
}
