package tasks

import (
	"context"
	"fmt"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// readLocal reads the local files that a generation is made of: certificates,
// ldap.toml, provisioning. Plugins are opened, checked and streamed later.
func readLocal(c *inventory.Cluster) (files, tree map[string][]byte, err error) {
	files = map[string][]byte{}
	for _, source := range desired.Sources(c) {
		if files[source], err = localfile.Read(context.Background(), source, localfile.Large); err != nil {
			return nil, nil, &UsageError{err.Error()}
		}
	}
	tree, err = readTree(c.Grafana.Provisioning)
	return files, tree, err
}

func readTree(dir string) (map[string][]byte, error) {
	if dir == "" {
		return map[string][]byte{}, nil
	}
	tree, err := localfile.ReadTree(context.Background(), dir, localfile.Tree)
	if err != nil {
		return nil, &UsageError{fmt.Sprintf("grafana.provisioning: %v", err)}
	}
	return tree, nil
}
