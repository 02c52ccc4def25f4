package main

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
)

// inventoryAndHosts takes arguments apart where hosts may follow the
// inventory: "drain inventory.yaml h2", or "drain h2" with the default one.
func (a *app) inventoryAndHosts(args []string) (path string, hosts []string) {
	if len(args) > 0 && looksLikeInventory(args[0]) {
		return a.inventoryPath(args[:1]), args[1:]
	}
	return a.inventoryPath(nil), args
}

// looksLikeInventory: a file that is there, or a name that only files have.
func looksLikeInventory(arg string) bool {
	if slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(arg)) {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && !info.IsDir()
}

// hostCommand is a command whose arguments are an inventory and hosts.
func (a *app) hostCommand(use, short string, f *changeFlags, run func(cmd *cobra.Command) error) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short,
		ValidArgsFunction: a.completeHosts,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.path, f.hosts = a.inventoryAndHosts(args)
			if len(f.hosts) > 0 && a.flags.limit != "" {
				return usage("name the hosts or use --limit, not both")
			}
			return run(cmd)
		},
	}
	f.addLockWait(cmd)
	return cmd
}

// someHosts is the error of a command that must be told which hosts it is for.
func (a *app) someHosts(f *changeFlags, command string) error {
	if len(f.hosts) == 0 && a.flags.limit == "" {
		return usage("%s needs hosts: ghadeploy %s %s HOST..., or --limit", command, command, f.path)
	}
	return nil
}
