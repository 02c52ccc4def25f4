package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"

	"github.com/spf13/cobra"
)

func addWriteInventory(cmd *cobra.Command, write *bool) {
	cmd.Flags().BoolVar(write, "write-inventory", false,
		"on success write the change into the inventory too, without asking; comments and layout stay")
}

// offerInventory writes what a command did into the inventory, if the operator wants it:
// --write-inventory says so, and a terminal is asked. Without either the command has said
// already what is to be changed by hand.
func (s *session) offerInventory(write bool, question string, edit func([]byte) ([]byte, error)) error {
	path := s.inventoryName()
	if !write {
		if s.flags.yes || s.json() {
			return nil
		}
		yes, err := s.ask(s.ctx, question)
		if errors.Is(err, ui.ErrNoTerminal) || err == nil && !yes {
			return nil
		}
		if err != nil {
			return err
		}
	}
	src, err := localfile.Read(context.Background(), path, inventory.MaxSize)
	if err != nil {
		return fmt.Errorf("read the inventory: %w", err)
	}
	text, err := edit(src)
	if err != nil {
		return fmt.Errorf("the cluster is as it should be, but the inventory was not changed: %w; next: edit %s", err, path)
	}
	if bytes.Equal(src, text) {
		return nil
	}
	if err := inventory.WriteFile(path, text, 0o644); err != nil {
		return err
	}
	s.options.Sink.Emit(event.Event{Kind: event.Info, Message: "written into " + path})
	return nil
}

// offerRemoval offers to take removed hosts out of the inventory.
func (s *session) offerRemoval(write bool) error {
	var hosts []string
	for _, h := range s.options.Limit {
		hosts = append(hosts, h.Name)
	}
	if len(hosts) == len(s.cluster.Hosts) {
		return nil // an inventory without hosts is none
	}
	question := fmt.Sprintf("Take %s out of %s?", strings.Join(hosts, ", "), s.inventoryName())
	return s.offerInventory(write, question, func(src []byte) ([]byte, error) { return inventory.RemoveHosts(src, hosts) })
}

// offerVersion offers to write the version into the inventory that all hosts went back to.
func (s *session) offerVersion(write bool, r *tasks.Result) error {
	if r == nil || !r.Changed || r.Plan == nil || s.options.Limit != nil {
		return nil
	}
	version := r.Plan.Version()
	for _, h := range r.Plan.Hosts {
		if h.To.Version != version {
			return nil
		}
	}
	if version == "" || version == s.cluster.Grafana.Version {
		return nil
	}
	if s.cluster.Extended(s.cluster.Place("grafana", "version")) {
		return nil // the run has said which file it is in, and that others extend it
	}
	question := fmt.Sprintf("Write grafana.version: %s into %s?", version, s.inventoryName())
	return s.offerInventory(write, question, func(src []byte) ([]byte, error) {
		if pinned, err := inventory.PinnedChecksum(src); err != nil || len(pinned) > 0 {
			return nil,
				errors.New("it pins the checksum of the release that was left (grafana.artifact.sha256), and that of " + version + " is not known here")
		}
		return inventory.SetVersion(src, version)
	})
}
