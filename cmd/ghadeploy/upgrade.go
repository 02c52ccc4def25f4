package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
)

type upgradeOptions struct {
	changeFlags
	to     string
	sha256 []string
}

func (a *app) upgradeCommand() *cobra.Command {
	var o upgradeOptions
	cmd := &cobra.Command{
		Use:   "upgrade --to VERSION [INVENTORY]",
		Short: "Go to another version, with a dump first and the care that migrations need",
		Long: `Go to another version of Grafana: the release is staged on all hosts, the
database is dumped, one host goes first and alone until its migrations are done,
then the others follow. Whether they keep serving meanwhile depends on the
versions crossed; the plan says so before it asks.

On success the version is written into the inventory. A version that stands in a file
which several inventories extend is not changed for all of them: upgrade is refused,
and says what to write.`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = a.inventoryPath(args)
			if o.to == "" {
				return usage("upgrade needs --to VERSION")
			}
			return a.upgrade(cmd, o)
		},
	}
	cmd.Flags().StringVar(&o.to, "to", "", "the version to go to (required)")
	cmd.Flags().StringSliceVar(&o.sha256, "sha256", nil, "checksum of the new release: HEX, or ARCH=HEX for each architecture")
	addKnownBad(cmd, &o.allowKnownBad)
	o.allow.add(cmd)
	cmd.Flags().BoolVar(&o.allowDowngrade, "allow-downgrade", false, "let the version go down")
	cmd.Flags().BoolVar(&o.noBackup, "no-backup", false, "no dump of the database first")
	o.addLockWait(cmd)
	o.addSkipCheck(a, cmd)
	o.addReport(cmd)
	o.addPause(cmd)
	o.addOutside(cmd)
	return cmd
}

func (a *app) upgrade(cmd *cobra.Command, o upgradeOptions) error {
	sums, err := checksums(o.sha256)
	if err != nil {
		return err
	}
	// An unreadable inventory has its own, better error when it is loaded.
	if src, err := localfile.Read(cmd.Context(), o.path, inventory.MaxSize); err == nil {
		if err := replacesPinned(src, sums); err != nil {
			return err
		}
	}
	return a.change(cmd.Context(), "upgrade", o.changeFlags, func(s *session) (*tasks.Result, error) {
		if err := ownVersion(s.cluster); err != nil {
			return nil, err
		}
		if len(sums) > 0 {
			s.cluster.Grafana.Artifact.SHA256 = sums
		}
		result, err := s.runner.Upgrade(s.ctx, o.to)
		if err != nil {
			return result, err
		}
		if err := writeVersion(cmp.Or(s.cluster.Place("grafana", "version").File, o.path), o.to, sums); err != nil {
			return result, fmt.Errorf("the cluster runs %s, but the inventory still names the old version: %w; next: set grafana.version to %s in INVENTORY", o.to, err, o.to)
		}
		return result, nil
	})
}

// ownVersion refuses to upgrade one cluster by the version of several: written where it
// stands, the next apply would upgrade the others too; not written, it would take this one back.
func ownVersion(c *inventory.Cluster) error {
	version, sums := c.Place("grafana", "version"), c.Place("grafana", "artifact", "sha256")
	switch {
	case c.Extended(version):
		return usage(`grafana.version stands in %s, which other inventories may extend; next: write grafana: {version: "%s"} into %s, and upgrade changes that; `+
			"or change it there for all of them, and apply each", version, c.Grafana.Version, c.File)
	case c.Extended(sums) && len(c.Grafana.Artifact.SHA256) > 0:
		return usage("grafana.artifact.sha256 stands in %s and belongs to the version there, which %s does not take; next: write grafana.artifact.sha256 into %s",
			sums, c.File, c.File)
	}
	return nil
}

// checksums reads HEX, or ARCH=HEX for each architecture.
func checksums(flags []string) (map[string]string, error) {
	sums := map[string]string{}
	for _, f := range flags {
		arch, sum, ok := strings.Cut(f, "=")
		if !ok {
			arch, sum = "", f
		}
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != 32 {
			return nil, usage("--sha256 %s is not 64 hexadecimal digits", f)
		}
		sums[arch] = strings.ToLower(sum)
	}
	return sums, nil
}

// replacesPinned: a checksum in the inventory belongs to the old version, so
// the new version needs one for each architecture that is pinned.
func replacesPinned(src []byte, sums map[string]string) error {
	architectures, err := inventory.PinnedChecksum(src)
	if err != nil {
		return nil // loading the inventory says it with line and column
	}
	for _, arch := range architectures {
		if sums[arch] == "" && sums[""] == "" {
			return usage("the inventory pins the checksum of the release it names now; next: add --sha256 %s with that of the new one",
				strings.TrimPrefix(arch+"=HEX", "="))
		}
	}
	return nil
}

// writeVersion puts version and checksums into the inventory, everything else
// in it stays.
func writeVersion(path, version string, sums map[string]string) error {
	src, err := localfile.Read(context.Background(), path, inventory.MaxSize)
	if err != nil {
		return fmt.Errorf("read the inventory: %w", err)
	}
	text, err := inventory.SetVersion(src, version)
	if err != nil {
		return err
	}
	architectures, err := inventory.PinnedChecksum(src)
	if err != nil {
		return err
	}
	for _, arch := range architectures {
		if text, err = inventory.SetChecksum(text, arch, cmp.Or(sums[arch], sums[""])); err != nil {
			return err
		}
	}
	if bytes.Equal(src, text) {
		return nil
	}
	return inventory.WriteFile(path, text, 0o644)
}
