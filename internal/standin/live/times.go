package live

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// measure registers the histograms that newer centrifuge servers have; the first has
// no samples before something was sent.
func (l *Live) measure(reg prometheus.Registerer) {
	const namespace, subsystem = "grafana_live", "node"
	l.broadcasts = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "broadcast_duration_seconds", Help: "Broadcast duration in seconds.",
	}, []string{"type", "channel_namespace"})
	lag := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: namespace, Subsystem: subsystem, Name: "pub_sub_lag_seconds", Help: "Pub sub lag in seconds.",
	})
	reg.MustRegister(l.broadcasts, lag)
}

// send publishes to the subscribers of a channel on every node.
func (l *Live) send(channel string, data []byte) error {
	start := time.Now()
	_, err := l.node.Publish(l.org+channel, data)
	if l.broadcasts != nil {
		l.broadcasts.WithLabelValues("publication", "").Observe(time.Since(start).Seconds())
	}
	return err
}
