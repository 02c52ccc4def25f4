// Package server starts and stops a node in Grafana's order: settings, schema,
// first user, cluster, provisioning, READY=1, then the listener.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ghadeploy/ghadeploy/internal/standin/alerting"
	"github.com/ghadeploy/ghadeploy/internal/standin/api"
	"github.com/ghadeploy/ghadeploy/internal/standin/cluster"
	"github.com/ghadeploy/ghadeploy/internal/standin/database"
	"github.com/ghadeploy/ghadeploy/internal/standin/defaults"
	"github.com/ghadeploy/ghadeploy/internal/standin/faults"
	"github.com/ghadeploy/ghadeploy/internal/standin/live"
	"github.com/ghadeploy/ghadeploy/internal/standin/logfmt"
	"github.com/ghadeploy/ghadeploy/internal/standin/plugins"
	"github.com/ghadeploy/ghadeploy/internal/standin/profile"
	"github.com/ghadeploy/ghadeploy/internal/standin/provisioning"
	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

// Commit is what the build says it was built from.
const Commit = "standin"

const branch = "main"

// compiled is fixed, so that the same source always gives the same bytes.
var compiled = time.Unix(1700000000, 0).UTC()

// Options are the command line.
type Options struct {
	settings.Args
	PidFile string
	Stdout  io.Writer
}

// Server is one node.
type Server struct {
	version  string
	parsed   defaults.Version
	profile  profile.Profile
	settings *settings.Settings
	faults   faults.Faults
	logs     *logfmt.Handler
	logFile  *os.File
	db       *database.DB
	// storage is the second pool; nil on versions that have none.
	storage     *database.DB
	storageName string
	store       *store.Store
	peer        cluster.Peer
	alerting    *alerting.Service
	http        *http.Server
}

// Version reads VERSION of the release in home.
func Version(home string) (string, error) {
	b, err := os.ReadFile(filepath.Join(home, "VERSION"))
	if err != nil {
		return "", fmt.Errorf("reading the release's version: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// New prepares a node: everything before READY=1.
func New(ctx context.Context, o Options) (*Server, error) {
	s := &Server{}
	var err error
	if s.version, err = Version(o.Home); err != nil {
		return nil, err
	}
	if s.parsed, err = defaults.Parse(s.version); err != nil {
		return nil, err
	}
	s.profile = profile.Of(s.parsed)
	file, err := settings.Load(o.Args)
	if err != nil {
		return nil, err
	}
	if s.settings, err = file.Settings(o.Home); err != nil {
		return nil, err
	}
	if err := s.openLog(o.Stdout); err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	f, err := faults.Load(o.Home)
	if err != nil {
		return nil, err
	}
	s.faults = f.On(host, s.settings.InstanceName)
	s.log("settings").Info("Starting Grafana", "version", s.version, "commit", Commit, "branch", branch, "compiled", compiled.Format(time.RFC3339))
	if err := s.prepare(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Server) log(name string) *slog.Logger { return logfmt.Named(s.logs, name) }

// openLog writes where [log] mode says: to out for console, to paths.logs for file.
func (s *Server) openLog(out io.Writer) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.settings.Log.Level)); err != nil {
		level = slog.LevelInfo
	}
	if strings.Contains(s.settings.Log.Mode, "file") {
		if err := os.MkdirAll(s.settings.Paths.Logs, 0o750); err != nil {
			return fmt.Errorf("opening log: %w", err)
		}
		f, err := os.OpenFile(filepath.Join(s.settings.Paths.Logs, "grafana.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
		if err != nil {
			return fmt.Errorf("opening log: %w", err)
		}
		s.logFile = f
		if strings.Contains(s.settings.Log.Mode, "console") {
			out = io.MultiWriter(out, f)
		} else {
			out = f
		}
	}
	s.logs = logfmt.New(out, level)
	return nil
}

// Close frees what New opened.
func (s *Server) Close() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.storage != nil {
		errs = append(errs, s.storage.Close())
	}
	if s.logFile != nil {
		errs = append(errs, s.logFile.Close())
	}
	return errors.Join(errs...)
}

func (s *Server) prepare(ctx context.Context, o Options) error {
	var err error
	if err = s.openPools(); err != nil {
		return err
	}
	if !s.settings.Database.SkipMigrations {
		steps := s.db.Steps(s.parsed, s.version, s.faults)
		if err := s.db.Migrate(ctx, s.log("migrator"), steps, s.settings.Database.Locking, s.settings.Database.LockTimeout); err != nil {
			return err
		}
	}
	if s.faults.FailStart {
		return errors.New("the release was packed to fail at start")
	}
	if err = s.settle(ctx); err != nil {
		return err
	}
	s.store = store.New(s.db, s.settings.Security.SecretKey)
	sec := s.settings.Security
	created, err := s.store.EnsureAdmin(ctx, sec.AdminUser, sec.AdminEmail, sec.AdminPassword, sec.NoAdmin)
	if err != nil {
		return err
	}
	if created {
		s.log("sqlstore").Info("Created default admin", "user", sec.AdminUser)
		s.log("sqlstore").Info("Created default organization")
	}
	if _, err := s.store.DataKey(ctx); err != nil {
		s.log("secrets").Error("Failed to decrypt data key", "error", err)
	}
	reg := prometheus.DefaultRegisterer // centrifuge knows no other
	loaded := plugins.Load(s.settings.Paths.Plugins, s.settings.Unsigned, s.log("plugin.loader"))
	s.registerMetrics(reg, loaded)
	if err := s.join(ctx, reg); err != nil {
		return err
	}
	if err := provisioning.Apply(ctx, s.settings.Paths.Provisioning, s.store, s.alerting != nil); err != nil {
		return err
	}
	node, err := s.startLive()
	if err != nil {
		return err
	}
	if err := writePid(o.PidFile); err != nil {
		return err
	}
	s.http = &http.Server{
		ReadTimeout: s.settings.Server.ReadTimeout,
		Handler: api.New(api.Options{
			Settings: s.settings, Store: s.store, Live: node, Alerting: s.alerting, Plugins: loaded, Gatherer: named{prometheus.DefaultGatherer, s.profile.Metrics},
			Log: s.log("context"), Faults: s.faults, Version: s.version, Commit: Commit, Profile: s.profile,
		}),
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.faults.StartDelay):
		return nil
	}
}

// settle is what comes after the migrations and before anything is served.
func (s *Server) settle(ctx context.Context) error {
	if err := s.startStorage(ctx); err != nil {
		return err
	}
	if err := s.makeFolders(); err != nil {
		return err
	}
	return s.checkAddress()
}

func (s *Server) join(ctx context.Context, reg prometheus.Registerer) error {
	if !s.settings.Alerting.Enabled {
		return nil
	}
	if !s.profile.Alerting.Gossip {
		s.settings.Alerting.Peers = nil
	}
	var err error
	s.peer, err = cluster.New(s.settings.Alerting, s.log("ngalert.multiorg.alertmanager").With("component", "clustering"), reg)
	if err != nil {
		return err
	}
	s.alerting, err = alerting.New(ctx, alerting.Options{
		Settings: s.settings.Alerting, RootURL: s.settings.Server.RootURL, Store: s.store, Peer: s.peer, Registerer: reg, Log: s.log,
	})
	return err
}

func (s *Server) startLive() (*live.Live, error) {
	if !s.profile.Live.Served {
		return nil, nil
	}
	return live.New(live.Options{
		Settings: s.settings.Live, RootURL: s.settings.Server.RootURL, Messages: s.store, Profile: s.profile.Live, Log: s.log("live"),
	})
}

func writePid(path string) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("failed to verify pid directory: %w", err)
	}
	if err := os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil { //nolint:gosec // a pid is no secret
		return fmt.Errorf("failed to write pidfile: %w", err)
	}
	return nil
}
