package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
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
	extends      string
	noLogin      bool
}

// defaultVersion is what init writes when nobody says otherwise.
const defaultVersion = "12.3.1"

// initResult is the document of init -o json.
type initResult struct {
	Inventory string   `json:"inventory"`
	Written   []string `json:"written"`
	Kept      []string `json:"kept"` // were there already and were left alone
	// Logins are the hosts' answers to a first login, where one was tried.
	Logins []tasks.Login `json:"logins,omitempty"`
	Next   string        `json:"next"` // what to type or to change next
}

func (a *app) initCommand() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init [HOST...]",
		Short: "Write a first inventory, with a secret key of its own",
		Long: `Write a commented inventory for the hosts that are named ([user@]name or
[user@]name=address; ranges are fine). At a terminal it asks for what is not said: every
answer has a flag, and --yes asks nothing. There it also logs in to the hosts at
once, says of each what it found, and offers to trust keys that are unknown; nothing
is changed on them. Ctrl-C ends it before anything is written.

Secrets are generated into secrets/ beside the inventory, readable by you alone and
ignored by git, and inventory.schema.json, by which editors complete and check its keys.
Files that are there already are never overwritten.`,
		Example: `  ghadeploy init g1 g2 g3 --user ops --database postgres --database-host db:5432
  ghadeploy init g1=10.0.0.11 g2=10.0.0.12 -O prod.yaml
  ghadeploy init g1 g2 --cluster eu-1 --extends ../defaults.yaml -O eu-1/inventory.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.hosts = args
			return a.init(cmd.Context(), o, cmd.Flags().Changed)
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
	f.StringVar(&o.extends, "extends", "", "file with what several inventories share, relative to the new one: only what differs is written")
	f.StringVar(&o.balancer, "haproxy", "", "host that runs HAProxy before them")
	f.BoolVar(&o.noLogin, "no-login", false, "do not log in to the hosts (without a terminal it never does)")
	a.complete(cmd, "database", fixed("postgres", "mysql"))
	return cmd
}

func (a *app) init(ctx context.Context, o initOptions, given func(flag string) bool) error {
	terminal := a.streams.InTTY && a.streams.ErrTTY
	if len(o.hosts) == 0 && (!terminal || a.flags.yes) {
		return usage("init needs hosts: ghadeploy init HOST1 HOST2 HOST3 --user ops")
	}
	if err := isFree(o.file); err != nil {
		return err // before anybody answers questions for nothing
	}
	if terminal && !a.flags.yes {
		if err := a.askInit(ctx, &o, given); err != nil {
			return err
		}
	}
	a.inventory = o.file
	text, err := scaffold(o)
	if err != nil {
		return err
	}
	var tried []tasks.Login
	if terminal && !o.noLogin {
		if tried, err = a.tryLogins(ctx, o.file, text); err != nil {
			return err
		}
	}
	files, err := generatedSecrets()
	if err != nil {
		return err
	}
	result, err := writeInventory(o.file, text, files)
	if err != nil {
		return err
	}
	result.Logins = tried
	result.Next = strings.ReplaceAll(afterInit(tried, o.file, passwordStep(o.file, result.Written)), word, o.file)
	return a.render(result, func() error { return a.showInit(result) })
}

// scaffold is the inventory of the answers.
func scaffold(o initOptions) ([]byte, error) {
	if o.extends == "" {
		o.version = cmp.Or(o.version, defaultVersion)
	}
	text, err := inventory.Scaffold(inventory.ScaffoldInput{
		Cluster: o.cluster, Hosts: o.hosts, User: o.user, Version: o.version, RootURL: o.rootURL,
		Database: o.database, DatabaseHost: o.databaseHost, LiveRedis: o.redis, Balancer: o.balancer,
		DatabasePassword: "${file:secrets/database_password}", Extends: o.extends, File: o.file,
	})
	if err != nil {
		return nil, usage("%v", err)
	}
	return text, nil
}

// passwordStep says where the database's password belongs; nothing when somebody's own
// was there already.
func passwordStep(file string, written []string) string {
	password := filepath.Join(filepath.Dir(file), secretsFolder, "database_password")
	if !slices.Contains(written, password) {
		return ""
	}
	return "put the database's password into " + password
}

// generatedSecrets are made once; whoever has others writes them over these.
func generatedSecrets() (map[string]string, error) {
	files := map[string]string{}
	for _, name := range []string{"secret_key", "admin_password", "database_password"} {
		secret, err := newSecretKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		files[name] = secret
	}
	return files, nil
}

// secretsFolder lies beside the inventory.
const secretsFolder = "secrets"

// isFree tells whether an inventory may be written there.
func isFree(file string) error {
	if _, err := os.Lstat(file); err == nil {
		return usage("%s is there already and is not overwritten; next: name another file with -O", file)
	}
	return nil
}

// schemaFile lies beside the inventory, for editors.
const schemaFile = "inventory.schema.json"

// schemaLine is what language servers for YAML find the schema by.
const schemaLine = "# yaml-language-server: $schema=./" + schemaFile + "\n"

// writeInventory writes what is not there yet: the inventory, the secrets
// beside it, and the .gitignore that keeps them out of the repository.
func writeInventory(file string, text []byte, secrets map[string]string) (initResult, error) {
	result := initResult{Inventory: file, Written: []string{}, Kept: []string{}}
	if err := isFree(file); err != nil {
		return result, err
	}
	// What the secrets are called may come from a file of somebody else's: whatever a name
	// says, and whatever lies in the folder, nothing is written outside of it.
	root, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return result, fmt.Errorf("open the folder of the inventory: %w", err)
	}
	defer func() { _ = root.Close() }()
	write := func(name, text string, mode os.FileMode) error {
		shown := filepath.Join(filepath.Dir(file), name)
		switch err := writeNewIn(root, name, text, mode); {
		case errors.Is(err, fs.ErrExist):
			result.Kept = append(result.Kept, shown)
		case err != nil:
			return fmt.Errorf("write %s: %w", shown, err)
		default:
			result.Written = append(result.Written, shown)
		}
		return nil
	}
	if len(secrets) > 0 {
		if err := root.MkdirAll(secretsFolder, 0o700); err != nil {
			return result, fmt.Errorf("make the folder of the secrets: %w", err)
		}
		if err := write(filepath.Join(secretsFolder, ".gitignore"), "*\n", 0o600); err != nil {
			return result, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if err := write(filepath.Join(secretsFolder, name), secrets[name]+"\n", 0o600); err != nil {
			return result, err
		}
	}
	schema, err := inventory.Schema()
	if err != nil {
		return result, err
	}
	if err := write(schemaFile, string(schema), 0o644); err != nil {
		return result, err
	}
	return result, write(filepath.Base(file), schemaLine+string(text), 0o644)
}

func (a *app) showInit(r initResult) error {
	for _, l := range r.Logins {
		mark := a.streams.OutStyle.Good("ok    ")
		if !l.OK {
			mark = a.streams.OutStyle.Bad("FAILED")
		}
		fmt.Fprintf(a.streams.Out, "%s %s: %s\n", mark, l.Host, ui.Clean(l.Says))
	}
	for _, f := range r.Written {
		fmt.Fprintf(a.streams.Out, "wrote  %s\n", f)
	}
	for _, f := range r.Kept {
		fmt.Fprintf(a.streams.Out, "kept   %s\n", f)
	}
	return ui.WriteNext(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), r.Next)
}
