// Package alerting evaluates rules on every node and notifies once per
// cluster, with the notification log, silences and pipeline that Grafana runs.
package alerting

import "github.com/ghadeploy/ghadeploy/internal/standin/cluster"

// Service is the alerting of one node.
type Service struct {
	peer cluster.Peer
}

// New returns the alerting of a node that is peer in its cluster.
func New(peer cluster.Peer) *Service { return &Service{peer: peer} }

// Position is the node's rank in the cluster.
func (s *Service) Position() int { return s.peer.Position() }
