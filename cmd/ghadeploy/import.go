package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks"
)

type importOptions struct {
	source   string // a file
	fromHost string
	file     string
	cluster  string
	version  string
	hosts    []string
}

// packagedINI is where Grafana's own packages keep the configuration.
const packagedINI = "/etc/grafana/grafana.ini"

func (a *app) importCommand() *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import ANSIBLE | GRAFANA.ini | --from-host [USER@]HOST[:PATH]",
		Short: "Make an inventory from an Ansible one, or from a running server's grafana.ini",
		Long: `Make an inventory from an Ansible inventory (YAML or static INI), or from the
grafana.ini of a running server, read from a file or over SSH. Of an Ansible inventory
that says nothing of Grafana the hosts, logins and groups are taken: those of its group
grafana, or of --limit. Secrets are moved into files below secrets/ and referred to.
Files that are there already are never overwritten.`,
		Example: `  ghadeploy import ansible.yml -O inventory.yaml
  ghadeploy import hosts.ini --limit monitoring
  ghadeploy import --from-host root@g1 --host g1 --host g2 --host g3`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (o.fromHost != "") {
				return usage("import needs a file or --from-host, one of them")
			}
			o.source = strings.Join(args, "")
			return a.importFrom(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "out", "O", defaultInventory, "file to write")
	f.StringVar(&o.fromHost, "from-host", "", "read grafana.ini from this host: [user@]host[:path]")
	f.StringVar(&o.cluster, "cluster", "grafana", "name of the cluster, for a grafana.ini")
	f.StringVar(&o.version, "grafana-version", "", "version of Grafana, for a grafana.ini")
	f.StringSliceVar(&o.hosts, "host", nil, "hosts of the cluster, for a grafana.ini: name or name=address")
	return cmd
}

func (a *app) importFrom(ctx context.Context, o importOptions) error {
	text, secrets, err := a.imported(ctx, o)
	if err != nil {
		return err
	}
	next := ""
	if o.version != "" {
		if text, err = inventory.SetVersion(text, o.version); err != nil {
			return usage("--grafana-version: %v", err)
		}
	} else if bytes.Contains(text, []byte(`version: "0.0.0"`)) || bytes.Contains(text, []byte("version: 0.0.0")) {
		next = "set grafana.version, "
	}
	result, err := writeInventory(o.file, text, secrets)
	if err != nil {
		return err
	}
	result.Next = "look through " + o.file + ", " + next + "then: ghadeploy check " + remote.Quote(o.file)
	return a.render(result, func() error { return a.showInit(result) })
}

// imported is the inventory that the source makes, and its secrets by name.
func (a *app) imported(ctx context.Context, o importOptions) ([]byte, map[string]string, error) {
	var (
		src []byte
		err error
	)
	if o.fromHost != "" {
		var host *inventory.Host
		if host, src, err = a.readINI(ctx, o.fromHost); err != nil {
			return nil, nil, err
		}
		if len(o.hosts) == 0 {
			o.hosts = []string{host.Name}
		}
	} else if src, err = localfile.Read(ctx, o.source, localfile.Small); err != nil {
		return nil, nil, usage("import: %v", err)
	} else if !inventory.IsGrafanaINI(o.source, src) {
		return inventory.FromAnsible(o.source, a.flags.limit)
	}
	if len(o.hosts) == 0 {
		return nil, nil, usage("a grafana.ini names no hosts: add --host HOST for each")
	}
	text, secrets, err := inventory.FromINI(o.cluster, o.hosts, src)
	if err != nil {
		return nil, nil, fmt.Errorf("import: %w", err)
	}
	return text, secrets, nil
}

// readINI reads grafana.ini over SSH, as scp would name it: [user@]host[:path].
func (a *app) readINI(ctx context.Context, from string) (*inventory.Host, []byte, error) {
	target, path, ok := strings.Cut(from, ":")
	if !ok {
		path = packagedINI
	}
	host := &inventory.Host{}
	if user, name, ok := strings.Cut(target, "@"); ok {
		host.SSH.User, target = user, name
	}
	if target == "" || path == "" {
		return nil, nil, usage("--from-host takes [user@]host[:path], not %q", from)
	}
	host.Name, host.Address = target, target
	s := &session{app: a, ctx: ctx, progress: ui.Silent{}}
	s.watchSignals(false)
	defer s.Close()
	src, err := tasks.ReadRemoteINI(s.ctx, s.dialer(), host, path)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s of %s: %w", path, host.Name, err)
	}
	return host, src, nil
}
