package cluster

import (
	"context"

	"github.com/gogo/protobuf/proto"
	amcluster "github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/alertmanager/cluster/clusterpb"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	fullState        = "full_state"
	fullStateRequest = fullState + ":request"
	update           = "update"
	updateBuffer     = 200
)

// AddState shares state on a channel of its own.
func (p *redisPeer) AddState(key string, state amcluster.State, _ prometheus.Registerer) amcluster.ClusterChannel {
	p.mu.Lock()
	p.states[key] = state
	p.mu.Unlock()
	c := &redisChannel{peer: p, key: key, out: make(chan []byte, updateBuffer)}
	p.loops.Go(func() { p.receive(key, p.mergeUpdate) })
	p.loops.Go(c.send)
	return c
}

func (p *redisPeer) receive(channel string, handle func(payload string)) {
	sub := p.client.Subscribe(p.ctx, p.prefix+channel)
	defer sub.Close()
	for {
		select {
		case <-p.ctx.Done():
			return
		case m, ok := <-sub.Channel():
			if !ok {
				return
			}
			handle(m.Payload)
		}
	}
}

func (p *redisPeer) mergeUpdate(payload string) {
	p.metrics.received(update, len(payload))
	var part clusterpb.Part
	if err := proto.Unmarshal([]byte(payload), &part); err != nil {
		p.log.Warn("Error decoding the received broadcast message", "err", err)
		return
	}
	p.merge(part)
}

func (p *redisPeer) mergeFull(payload string) {
	p.metrics.received(fullState, len(payload))
	var fs clusterpb.FullState
	if err := proto.Unmarshal([]byte(payload), &fs); err != nil {
		p.log.Warn("Error unmarshaling the received remote state", "err", err)
		return
	}
	for _, part := range fs.Parts {
		p.merge(part)
	}
}

func (p *redisPeer) merge(part clusterpb.Part) {
	p.mu.Lock()
	state, ok := p.states[part.Key]
	p.mu.Unlock()
	if !ok {
		p.log.Warn("Received", "unknown state key", part.Key)
		return
	}
	if err := state.Merge(part.Data); err != nil {
		p.log.Warn("Error merging the received remote state", "err", err, "key", part.Key)
	}
}

func (p *redisPeer) answerRequest(asker string) {
	if asker != p.name {
		p.publishFull(p.ctx)
	}
}

func (p *redisPeer) requestFull(ctx context.Context) {
	p.publish(ctx, fullStateRequest, fullState, []byte(p.name))
}

func (p *redisPeer) publishFull(ctx context.Context) {
	var all clusterpb.FullState
	p.mu.Lock()
	for key, state := range p.states {
		b, err := state.MarshalBinary()
		if err != nil {
			p.log.Warn("Error encoding the local state", "err", err, "key", key)
			continue
		}
		all.Parts = append(all.Parts, clusterpb.Part{Key: key, Data: b})
	}
	p.mu.Unlock()
	b, err := proto.Marshal(&all)
	if err != nil {
		p.log.Warn("Error encoding the local state to proto", "err", err)
		return
	}
	p.metrics.sent(fullState, len(b))
	p.publish(ctx, fullState, fullState, b)
}

func (p *redisPeer) publish(ctx context.Context, channel, kind string, b []byte) bool {
	if err := p.client.Publish(ctx, p.prefix+channel, b).Err(); err != nil {
		p.metrics.publishFailures.WithLabelValues(kind, "redis_issue").Inc()
		p.log.Error("Error publishing a message to redis", "err", err, "channel", p.prefix+channel)
		return false
	}
	return true
}

// redisChannel is where a state leaves its changes.
type redisChannel struct {
	peer *redisPeer
	key  string
	out  chan []byte
}

// Broadcast queues a change; what does not fit is made good by the next full state.
func (c *redisChannel) Broadcast(b []byte) {
	b, err := proto.Marshal(&clusterpb.Part{Key: c.key, Data: b})
	if err != nil {
		c.peer.log.Error("Error marshalling broadcast into proto", "err", err, "channel", c.key)
		return
	}
	select {
	case c.out <- b:
	default:
		c.peer.metrics.publishFailures.WithLabelValues(update, "buffer_overflow").Inc()
		c.peer.log.Warn("Buffer full, droping message", "channel", c.key)
	}
}

func (c *redisChannel) send() {
	for {
		select {
		case <-c.peer.ctx.Done():
			return
		case b := <-c.out:
			if c.peer.publish(c.peer.ctx, c.key, update, b) {
				c.peer.metrics.sent(update, len(b))
			}
		}
	}
}
