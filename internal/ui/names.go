package ui

import "github.com/ghadeploy/ghadeploy/inventory"

// names lists hosts, runs of them in the inventory's own range syntax.
func names(hosts []string) string { return inventory.FoldNames(hosts) }
