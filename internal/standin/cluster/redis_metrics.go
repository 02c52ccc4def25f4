package cluster

import "github.com/prometheus/client_golang/prometheus"

// redisMetrics are the names of the gossip library, without pruned, queued and
// node-alive, which Redis mode has not.
type redisMetrics struct {
	receivedTotal, receivedSize *prometheus.CounterVec
	sentTotal, sentSize         *prometheus.CounterVec
	publishFailures             *prometheus.CounterVec
	pings                       *prometheus.HistogramVec
	pingFailures                prometheus.Counter
}

func newRedisMetrics(reg prometheus.Registerer, p *redisPeer) *redisMetrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "alertmanager_cluster_" + name, Help: help}, labels)
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	m := &redisMetrics{
		receivedTotal:   counter("messages_received_total", "Total number of cluster messages received.", "msg_type"),
		receivedSize:    counter("messages_received_size_total", "Total size of cluster messages received.", "msg_type"),
		sentTotal:       counter("messages_sent_total", "Total number of cluster messages sent.", "msg_type"),
		sentSize:        counter("messages_sent_size_total", "Total size of cluster messages sent.", "msg_type"),
		publishFailures: counter("messages_publish_failures_total", "Total number of messages that failed to be published.", "msg_type", "reason"),
		pings: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "alertmanager_cluster_pings_seconds", Help: "Histogram of latencies for ping messages.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5},
		}, []string{"peer"}),
		pingFailures: prometheus.NewCounter(prometheus.CounterOpts{Name: "alertmanager_cluster_pings_failures_total", Help: "Total number of failed pings."}),
	}
	for _, kind := range []string{fullState, update} {
		for _, v := range []*prometheus.CounterVec{m.receivedTotal, m.receivedSize, m.sentTotal, m.sentSize} {
			v.WithLabelValues(kind)
		}
		m.publishFailures.WithLabelValues(kind, "redis_issue")
	}
	m.publishFailures.WithLabelValues(update, "buffer_overflow")
	reg.MustRegister(m.receivedTotal, m.receivedSize, m.sentTotal, m.sentSize, m.publishFailures, m.pings, m.pingFailures,
		gauge("alertmanager_cluster_members", "Number indicating current number of members in cluster.", p.size),
		gauge("alertmanager_peer_position", "Position the Alertmanager instance believes it's in. The position determines a peer's behavior in the cluster.", p.Position),
		gauge("alertmanager_cluster_health_score", "Health score of the cluster. Lower values are better and zero means 'totally healthy'.",
			func() int { return max(0, p.size()-len(p.live())) }),
	)
	return m
}

func (m *redisMetrics) received(kind string, size int) {
	m.receivedTotal.WithLabelValues(kind).Inc()
	m.receivedSize.WithLabelValues(kind).Add(float64(size))
}

func (m *redisMetrics) sent(kind string, size int) {
	m.sentTotal.WithLabelValues(kind).Inc()
	m.sentSize.WithLabelValues(kind).Add(float64(size))
}
