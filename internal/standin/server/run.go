package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// ErrCrash is returned when the release was packed to crash.
var ErrCrash = errors.New("the release was packed to crash")

// Run says READY=1, listens and serves until ctx ends, then stops: listener
// closed at once, alerting state saved, the cluster left. A background service
// that fails ends the node.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if s.peer != nil {
		g.Go(func() error {
			err := s.alerting.Run(ctx)
			s.leave()
			return err
		})
	}
	g.Go(func() error {
		countTotals(ctx, prometheus.DefaultRegisterer, s.store, s.log("infra.usagestats.collector"))
		return nil
	})
	g.Go(func() error { return s.serve(ctx) })
	if s.faults.CrashAfter > 0 {
		g.Go(func() error { return crash(ctx, s.faults.CrashAfter) })
	}
	notify("READY=1", s.log("server"))
	return g.Wait()
}

// leave tells the others, after the notification log is saved.
func (s *Server) leave() {
	if err := s.peer.Leave(); err != nil {
		s.log("ngalert.multiorg.alertmanager").Warn("unable to leave the gossip mesh", "error", err)
	}
}

func crash(ctx context.Context, after time.Duration) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(after):
		return ErrCrash
	}
}

func (s *Server) serve(ctx context.Context) error {
	conf := s.settings.Server
	log := s.log("http.server")
	l, err := s.listen()
	if err != nil {
		return err
	}
	socket := ""
	if conf.Protocol == "socket" {
		socket = conf.Socket
	}
	log.Info("HTTP Server Listen", "address", l.Addr().String(), "protocol", conf.Protocol, "subUrl", conf.SubPath, "socket", socket)
	go func() {
		<-ctx.Done()
		if err := s.http.Shutdown(context.WithoutCancel(ctx)); err != nil {
			log.Error("Failed to shutdown server", "error", err)
		}
	}()
	switch conf.Protocol {
	case "https", "h2":
		err = s.http.ServeTLS(l, conf.CertFile, conf.CertKey)
	default:
		err = s.http.Serve(l)
	}
	// Like Grafana 10.3 (pkg/api/http_server.go) this returns when the listener
	// is closed, not when Shutdown is done: requests in flight are cut as soon
	// as the other services have ended.
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) listen() (net.Listener, error) {
	conf := s.settings.Server
	if conf.Protocol == "socket" {
		return net.Listen("unix", conf.Socket)
	}
	if conf.Protocol == "https" || conf.Protocol == "h2" {
		if _, err := tls.LoadX509KeyPair(conf.CertFile, conf.CertKey); err != nil {
			return nil, fmt.Errorf("cert_file or cert_key: %w", err)
		}
	}
	address := s.address()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("failed to open listener on address %s: %w", address, err)
	}
	return l, nil
}

// Stopping logs why the node stops; false when the release was packed to ignore that.
func (s *Server) Stopping(reason string) bool {
	if s.faults.IgnoreStop {
		s.log("server").Warn("Ignoring the signal, as packed", "reason", reason)
		return false
	}
	s.log("server").Info("Shutdown started", "reason", reason)
	return true
}
