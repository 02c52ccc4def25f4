// Package alerting evaluates rules on every node and notifies once per
// cluster, with the notification log, silences and pipeline that Grafana runs.
package alerting

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	amcluster "github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/alertmanager/featurecontrol"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/types"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/ghadeploy/ghadeploy/internal/standin/cluster"
	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

const (
	retention    = 5 * 24 * time.Hour
	saveInterval = 15 * time.Minute
	gcInterval   = 30 * time.Minute
	saveTimeout  = 10 * time.Second
	namespace    = "alertmanager"
)

// Options are what a service stands on.
type Options struct {
	Settings   settings.Alerting
	RootURL    string
	Store      *store.Store
	Peer       cluster.Peer
	Registerer prometheus.Registerer
	// Log makes the logger of a Grafana component.
	Log func(name string) *slog.Logger
}

// Service is the alerting of one node.
type Service struct {
	Options
	log      *slog.Logger
	silences *silence.Silences
	nflog    *nflog.Log
	marker   *types.MemMarker
	alerts   *mem.Alerts
	pipeline *notify.PipelineBuilder
	metrics  *metrics
	rules    *scheduler

	mu      sync.Mutex
	current *dispatching // what runs now; nil before the first configuration
	ended   bool
}

// New loads what was saved at the last graceful stop and shares state with the
// other nodes.
func New(ctx context.Context, o Options) (*Service, error) {
	// The libraries' own names are not Grafana's; they stay out of /metrics.
	hidden := prometheus.NewRegistry()
	s := &Service{Options: o, log: o.Log("ngalert.notifier.alertmanager").With("org", 1), marker: types.NewMarker(hidden)}
	var err error
	if s.nflog, err = nflog.New(nflog.Options{SnapshotReader: s.saved(ctx, "notifications"), Retention: retention, Logger: s.log, Metrics: hidden}); err != nil {
		return nil, fmt.Errorf("unable to initialize the notification log component of alerting: %w", err)
	}
	if s.silences, err = silence.New(silence.Options{SnapshotReader: s.saved(ctx, "silences"), Retention: retention, Logger: s.log, Metrics: hidden}); err != nil {
		return nil, fmt.Errorf("unable to initialize the silencing component of alerting: %w", err)
	}
	s.share("notificationlog:1", s.nflog, s.nflog.SetBroadcast, hidden)
	s.share("silences:1", s.silences, s.silences.SetBroadcast, hidden)
	if s.alerts, err = mem.NewAlerts(context.WithoutCancel(ctx), s.marker, gcInterval, nil, s.log, hidden); err != nil {
		return nil, fmt.Errorf("unable to initialize the alert provider component of alerting: %w", err)
	}
	s.pipeline = notify.NewPipelineBuilder(hidden, featurecontrol.NoopFlags{})
	s.metrics = newMetrics(o.Registerer, s)
	s.rules = newScheduler(s)
	return s, nil
}

func (s *Service) share(key string, state amcluster.State, broadcast func(func([]byte)), reg prometheus.Registerer) {
	broadcast(s.Peer.AddState(key, state, reg).Broadcast)
}

// saved reads a snapshot; an unreadable one is logged and left out.
func (s *Service) saved(ctx context.Context, key string) io.Reader {
	text, err := s.Store.Value(ctx, 1, namespace, key)
	if errors.Is(err, store.ErrNotFound) {
		return strings.NewReader("")
	}
	if err != nil {
		s.log.Error("Unable to read saved state", "key", key, "error", err)
		return strings.NewReader("")
	}
	return base64.NewDecoder(base64.StdEncoding, strings.NewReader(text))
}

// Run evaluates and notifies until ctx ends, then saves the state.
func (s *Service) Run(ctx context.Context) error {
	defer s.alerts.Close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { s.followConfig(ctx); return nil })
	g.Go(func() error { s.keepSaving(ctx); return nil })
	if s.Settings.Execute {
		g.Go(func() error { s.rules.run(ctx); return nil })
	}
	return g.Wait()
}

func (s *Service) followConfig(ctx context.Context) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended = true
		s.current.stop()
	}()
	tick := time.NewTicker(s.Settings.ConfigPoll)
	defer tick.Stop()
	for {
		if err := s.Sync(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("Error while synchronizing Alertmanager orgs", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Sync applies what the database has, as the poll does every minute and a node
// that is posted a configuration does at once.
func (s *Service) Sync(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return errors.New("alerting has ended")
	}
	c, err := LoadConfig(ctx, s.Store)
	if err != nil {
		return err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if s.current != nil && s.current.config == string(text) {
		return nil
	}
	s.log.Info("Applying new configuration to Alertmanager")
	next, err := s.dispatch(c, string(text))
	if err != nil {
		return err
	}
	s.current.stop()
	s.current = next
	next.start()
	return nil
}

// keepSaving writes nflog and silences every 15 minutes and at the end, when
// ctx is gone already.
func (s *Service) keepSaving(ctx context.Context) {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case <-tick.C:
		}
		if err := s.save(context.WithoutCancel(ctx)); err != nil {
			s.log.Error("Unable to save alerting state", "error", err)
		}
	}
}

func (s *Service) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	var errs []error
	if _, err := s.nflog.GC(); err != nil {
		errs = append(errs, err)
	}
	if _, err := s.silences.GC(); err != nil {
		errs = append(errs, err)
	}
	for key, state := range map[string]interface{ MarshalBinary() ([]byte, error) }{"notifications": s.nflog, "silences": s.silences} {
		b, err := state.MarshalBinary()
		if err == nil {
			err = s.Store.SetValue(ctx, 1, namespace, key, base64.StdEncoding.EncodeToString(b))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Position is the node's rank in the cluster.
func (s *Service) Position() int { return s.Peer.Position() }

// wait is how long this node leaves the others time to notify first.
func (s *Service) wait() time.Duration {
	return time.Duration(s.Peer.Position()) * s.Settings.PeerTimeout
}
