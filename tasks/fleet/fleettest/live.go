package fleettest

import (
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
)

// Live is how the nodes of Live of a [Cluster] meet on a Redis. Like the real ones they
// subscribe as soon as they start, and count each other every 10 s only; what has ended
// is counted for 20 s more.
type Live struct {
	Redis
	// Prefix is live.ha_prefix.
	Prefix string
	// Lingering are subscriptions whose process is gone, or is another cluster's.
	Lingering []string

	c *Cluster
}

const (
	liveRefresh = 10 * time.Second
	liveGhost   = 20 * time.Second
)

// MeetOnRedis has the nodes of Live meet there, and hosts reach it on port 6379.
func (c *Cluster) MeetOnRedis(prefix string) *Live {
	l := &Live{Prefix: prefix, c: c}
	l.Channels = l.subscribed
	c.live = l
	return l
}

func (l *Live) subscribed() []string {
	l.c.mu.Lock()
	defer l.c.mu.Unlock()
	all := append([]string(nil), l.Lingering...)
	for _, h := range l.c.hosts {
		if h.runs == "" || h.Astray {
			continue
		}
		if v, err := grafana.ParseVersion(h.version()); err == nil {
			all = append(all, fmt.Sprintf("%s%s-%d", grafana.LiveNodeChannels(v, l.Prefix), h.Name, h.started))
		}
	}
	return all
}

// version is that of what runs. Call with mu held.
func (s *Scripted) version() string {
	release := s.generations[s.runs][""]
	return release[:max(strings.LastIndexByte(release, '-'), 0)]
}

// ended notes that what ran has ended. Call with mu held.
func (s *Scripted) ended() {
	if s.runs != "" {
		s.runs, s.endedAt = "", time.Now()
	}
}

// liveNodes is how many nodes of Live the host's Grafana counts. Call with mu held.
func (s *Scripted) liveNodes() (n int) {
	if s.c.live == nil {
		for _, h := range s.c.hosts {
			if h.runs != "" {
				n++
			}
		}
		return n
	}
	counted := s.startedAt.Add(time.Since(s.startedAt).Truncate(liveRefresh))
	if s.Astray || counted.Equal(s.startedAt) {
		return 1
	}
	for _, h := range s.c.hosts {
		if h.runs != "" && !h.Astray && !h.startedAt.After(counted) {
			n++
		}
		if !h.endedAt.IsZero() && counted.Before(h.endedAt.Add(liveGhost)) {
			n++
		}
	}
	return n
}
