// Package cluster makes the alerting of several nodes one: over gossip, with
// the library that Grafana runs, or over Redis with Grafana's semantics.
package cluster

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amcluster "github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
)

const (
	settleInterval = 2 * time.Second
	settleTimeout  = 30 * time.Second
	leaveTimeout   = 10 * time.Second
)

// Peer is this node among the others.
type Peer interface {
	amcluster.ClusterPeer
	// AddState shares a state under a key; what it sends goes through the channel.
	AddState(key string, state amcluster.State, reg prometheus.Registerer) amcluster.ClusterChannel
	// Position decides how long this node waits before it notifies: position x ha_peer_timeout.
	Position() int
	// WaitReady returns when the cluster has settled.
	WaitReady(ctx context.Context) error
	// Leave tells the others and ends everything that the peer started.
	Leave() error
}

// New joins the cluster that the settings describe: Redis when it has an
// address, else gossip when there are peers, else Alone. As in Grafana only a
// bad own address is an error; peers or a Redis out of reach are logged.
func New(s settings.Alerting, log *slog.Logger, reg prometheus.Registerer) (Peer, error) {
	switch {
	case s.RedisAddress != "":
		return newRedis(s, log, reg)
	case len(s.Peers) > 0:
		return newGossip(s, log, reg)
	}
	return Alone{}, nil
}

type gossip struct {
	*amcluster.Peer
	stopSettle context.CancelFunc
	settled    sync.WaitGroup
}

func newGossip(s settings.Alerting, log *slog.Logger, reg prometheus.Registerer) (Peer, error) {
	p, err := amcluster.Create(log, reg, s.Listen, s.Advertise, s.Peers, true, s.PushPull, s.Gossip,
		amcluster.DefaultTCPTimeout, amcluster.DefaultProbeTimeout, amcluster.DefaultProbeInterval, nil, true, s.Label)
	if err != nil {
		return nil, fmt.Errorf("unable to initialize gossip mesh: %w", err)
	}
	if err := p.Join(amcluster.DefaultReconnectInterval, s.ReconnectTimeout); err != nil {
		log.Error("Msg", "Unable to join gossip mesh while initializing cluster for high availability mode", slog.Any("error", err))
	}
	g := &gossip{Peer: p}
	ctx, cancel := context.WithTimeout(context.Background(), settleTimeout)
	g.stopSettle = cancel
	g.settled.Go(func() { p.Settle(ctx, settleInterval) })
	return g, nil
}

func (g *gossip) Leave() error {
	g.stopSettle()
	g.settled.Wait()
	return g.Peer.Leave(leaveTimeout)
}

// Alone is the peer of a node without a cluster: always ready, always first.
type Alone struct{}

// AddState shares nothing.
func (Alone) AddState(string, amcluster.State, prometheus.Registerer) amcluster.ClusterChannel {
	return silent{}
}

// Position is 0.
func (Alone) Position() int { return 0 }

// WaitReady returns at once.
func (Alone) WaitReady(context.Context) error { return nil }

// Leave does nothing.
func (Alone) Leave() error { return nil }

// Name is empty.
func (Alone) Name() string { return "" }

// Status says that there is no cluster.
func (Alone) Status() string { return "disabled" }

// Peers is empty.
func (Alone) Peers() []amcluster.ClusterMember { return nil }

type silent struct{}

func (silent) Broadcast([]byte) {}
