package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
)

type initOptions struct {
	hosts        []string
	file         string
	cluster      string
	user         string
	version      string
	rootURL      string
	database     string
	databaseHost string
	redis        string
	balancer     string
	balancers    []string
}

// initResult is the document of init -o json.
type initResult struct {
	Inventory string   `json:"inventory"`
	Written   []string `json:"written"`
	Kept      []string `json:"kept"` // were there already and were left alone
}

func (a *app) initCommand() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init [HOST...]",
		Short: "Write a first inventory, with a secret key of its own",
		Long: `Write a commented inventory for the hosts that are named ([user@]name[:port],
or name=address), or answer a few questions on a terminal. Secrets are generated
into secrets/ beside it, readable by you alone and ignored by git. Files that
are there already are never overwritten.`,
		Example: `  ghadeploy init g1 g2 g3 --user ops --database postgres --database-host db:5432
  ghadeploy init g1=10.0.0.11 g2=10.0.0.12 -O prod.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.hosts = args
			return a.init(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.file, "out", "O", defaultInventory, "file to write")
	f.StringVar(&o.cluster, "cluster", "", "name of the cluster (default \"grafana\")")
	f.StringVar(&o.user, "user", "", "login user on the hosts")
	f.StringVar(&o.version, "grafana-version", "", "version of Grafana (default \""+defaultVersion+"\")")
	f.StringVar(&o.rootURL, "root-url", "", "what users type")
	f.StringVar(&o.database, "database", "", "postgres or mysql (default \"postgres\")")
	f.StringVar(&o.databaseHost, "database-host", "", "host:port of the database")
	f.StringVar(&o.redis, "redis", "", "host:port of Redis, for Grafana Live over all hosts")
	f.StringVar(&o.balancer, "load-balancer", "", "haproxy, nginx or none (default \"none\")")
	f.StringSliceVar(&o.balancers, "load-balancer-host", nil, "hosts of the load balancer")
	a.complete(cmd, "database", fixed("postgres", "mysql"))
	a.complete(cmd, "load-balancer", fixed("haproxy", "nginx", "none"))
	return cmd
}

func (a *app) init(ctx context.Context, o initOptions) error {
	if len(o.hosts) == 0 {
		if !a.streams.InTTY || !a.streams.ErrTTY {
			return usage("init needs hosts: ghadeploy init HOST1 HOST2 HOST3 --user ops")
		}
		if err := a.askInit(ctx, &o); err != nil {
			return err
		}
	}
	o.defaults()
	a.inventory = o.file
	text, err := inventoryText(o)
	if err != nil {
		return err
	}
	if _, err := inventory.Parse(ctx, o.file, []byte(text), inventory.Options{SkipFiles: true}); err != nil {
		return fmt.Errorf("what was given makes no valid inventory: %w", err)
	}
	result, err := writeInit(o.file, text)
	if err != nil {
		return err
	}
	return a.render(result, func() error { return a.showInit(result) })
}

// askInit asks for what the command line did not say.
func (a *app) askInit(ctx context.Context, o *initOptions) error {
	fmt.Fprintln(a.streams.Err, "A few questions; Enter takes what is in brackets.")
	var hosts string
	for _, q := range []struct {
		into                *string
		question, otherwise string
	}{
		{&hosts, "Hosts, separated by spaces (name or name=address)", ""},
		{&o.user, "Login user on them", ""},
		{&o.cluster, "Name of the cluster", "grafana"},
		{&o.version, "Version of Grafana", defaultVersion},
		{&o.database, "Database: postgres or mysql", "postgres"},
		{&o.databaseHost, "Database host:port", ""},
		{&o.redis, "Redis host:port for Grafana Live, empty for none", ""},
		{&o.balancer, "Load balancer: haproxy, nginx or none", "none"},
		{&o.rootURL, "URL that users type", ""},
	} {
		if *q.into != "" {
			continue
		}
		answer, err := ui.Question(ctx, a.streams, q.question, q.otherwise)
		if err != nil {
			return err
		}
		*q.into = answer
	}
	if o.hosts = strings.Fields(strings.ReplaceAll(hosts, ",", " ")); len(o.hosts) == 0 {
		return usage("an inventory needs hosts")
	}
	return nil
}

// writeInit writes what is not there yet: the inventory, the secrets, and the
// .gitignore that keeps them out of the repository.
func writeInit(file, text string) (initResult, error) {
	result := initResult{Inventory: file, Written: []string{}, Kept: []string{}}
	if _, err := os.Lstat(file); err == nil {
		return result, usage("%s is there already and is not overwritten; next: name another file with -O", file)
	}
	dir := filepath.Join(filepath.Dir(file), "secrets")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return result, fmt.Errorf("make the folder of the secrets: %w", err)
	}
	files := []struct{ name, text string }{{filepath.Join(dir, ".gitignore"), "*\n"}}
	for _, name := range []string{"secret_key", "admin_password", "database_password"} {
		secret, err := newSecretKey(rand.Reader)
		if err != nil {
			return result, err
		}
		files = append(files, struct{ name, text string }{filepath.Join(dir, name), secret + "\n"})
	}
	files = append(files, struct{ name, text string }{file, text})
	for _, f := range files {
		mode := os.FileMode(0o600)
		if f.name == file {
			mode = 0o644
		}
		switch err := writeNew(f.name, f.text, mode); {
		case errors.Is(err, fs.ErrExist):
			result.Kept = append(result.Kept, f.name)
		case err != nil:
			return result, fmt.Errorf("write %s: %w", f.name, err)
		default:
			result.Written = append(result.Written, f.name)
		}
	}
	return result, nil
}

func (a *app) showInit(r initResult) error {
	for _, f := range r.Written {
		fmt.Fprintf(a.streams.Out, "wrote %s\n", f)
	}
	for _, f := range r.Kept {
		fmt.Fprintf(a.streams.Out, "kept  %s\n", f)
	}
	_, err := fmt.Fprintf(a.streams.Out, "next: look at %s, put the database's password into secrets/database_password, then: ghadeploy check %s\n", r.Inventory, r.Inventory)
	return err
}
