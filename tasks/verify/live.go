package verify

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

// allPairs is up to how many hosts every ordered pair is tried; with more it is
// a ring, in which every node still publishes once and receives once.
const allPairs = 5

// liveLimit is how long a message may take; a healthy one takes milliseconds.
const liveLimit = 5 * time.Second

// listener is a WebSocket to Live on one node.
type listener struct {
	client *centrifuge.Client
	// got are the words received; more than fit are not waited for any more.
	got chan string
}

// live proves that a message published on one node arrives at the others.
func (p *proof) live(ctx context.Context) {
	what := "a Live message published on one arrives at the other"
	if why := p.noLive(); why != nil {
		p.record(Step{Name: "live", Explanation: what}, "", why)
		return
	}
	channel := "grafana/broadcast/ghadeploy-verify-" + p.nonce
	listeners := map[*node]*listener{}
	for _, n := range p.nodes {
		l, err := listen(ctx, n, channel)
		if err != nil {
			p.record(Step{Name: "live", To: n.name(), Explanation: "open a WebSocket to Live"}, "", &failure{fmt.Sprintf("%s: Live does not let a WebSocket in: %v", n.name(), err),
				"check live.max_connections and live.allowed_origins; " + p.command("logs", "--limit "+n.name())})
			continue
		}
		defer l.client.Close()
		listeners[n] = l
	}
	for i, from := range p.nodes {
		targets := p.others(from)
		if len(p.nodes) > allPairs {
			targets = []*node{p.nodes[(i+1)%len(p.nodes)]}
		}
		targets = slices.DeleteFunc(targets, func(n *node) bool { return listeners[n] == nil })
		p.publish(ctx, from, targets, listeners, channel, what)
	}
}

// publish sends one word on a node and waits for it on the targets, one step each.
func (p *proof) publish(ctx context.Context, from *node, targets []*node, listeners map[*node]*listener, channel, what string) {
	word := p.nonce + "-" + from.name()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var sent time.Time
	err := from.call(ctx, http.MethodPost, "/api/live/publish", map[string]any{"channel": channel, "data": map[string]string{"word": word}}, nil)
	sent = time.Now()
	for _, to := range targets {
		s := Step{Name: "live", From: from.name(), To: to.name(), Explanation: what}
		p.step(ctx, s, func(ctx context.Context) (string, error) {
			if err != nil {
				return "", &failure{"publishing failed: " + err.Error(), p.command("logs", "--limit "+from.name())}
			}
			return "", p.await(ctx, from, to, listeners[to], word, liveLimit-time.Since(sent))
		})
	}
}

func (p *proof) await(ctx context.Context, from, to *node, l *listener, word string, limit time.Duration) error {
	timer := time.NewTimer(max(limit, 0))
	defer timer.Stop()
	for {
		// What has arrived counts, however late it is looked at.
		select {
		case got := <-l.got:
			if got == word {
				return nil
			}
			continue
		default:
		}
		select {
		case got := <-l.got:
			if got == word {
				return nil
			}
		case <-timer.C:
			return p.liveFailure(ctx, from, to)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// liveFailure finds out which of the two is alone.
func (p *proof) liveFailure(ctx context.Context, from, to *node) error {
	cause := fmt.Sprintf("nothing arrived within %s", liveLimit)
	metrics, err := p.readMetrics(ctx)
	if err != nil {
		return &failure{cause, p.command("check", "")}
	}
	var alone []string
	for _, name := range liveAlone(p.nodes, metrics) {
		if name == from.name() || name == to.name() {
			alone = append(alone, name)
		}
	}
	if len(alone) == 0 {
		return &failure{cause + ", though both see the other Live nodes", p.command("check", "") + " tries PUB/SUB of the Redis"}
	}
	who := strings.Join(alone, " and ")
	return &failure{fmt.Sprintf("%s: Live on %s is not on the Redis that the others use", cause, who),
		p.command("logs", "--grep 'live engine' --limit "+strings.Join(alone, ":"))}
}

// listen opens a WebSocket in the node's session and subscribes.
func listen(ctx context.Context, n *node, channel string) (*listener, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	l := &listener{got: make(chan string, 256)}
	ready := make(chan error, 8)
	tell := func(err error) {
		select {
		case ready <- err:
		default:
		}
	}
	l.client = centrifuge.NewJsonClient("ws"+strings.TrimPrefix(n.base, "http")+"/api/live/ws", centrifuge.Config{
		Header:           http.Header{"Cookie": {n.session()}},
		NetDialContext:   n.host.Dial,
		TLSConfig:        &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // as in newNode
		HandshakeTimeout: callTimeout,
		Name:             "ghadeploy",
	})
	l.client.OnError(func(e centrifuge.ErrorEvent) { tell(e.Error) })
	l.client.OnDisconnected(func(e centrifuge.DisconnectedEvent) { tell(fmt.Errorf("disconnected: %s", e.Reason)) })
	// The organisation's number is part of a channel's name on the wire only.
	sub, err := l.client.NewSubscription(fmt.Sprintf("%d/%s", n.orgID, channel))
	if err != nil {
		l.client.Close()
		return nil, err
	}
	sub.OnSubscribed(func(centrifuge.SubscribedEvent) { tell(nil) })
	sub.OnError(func(e centrifuge.SubscriptionErrorEvent) { tell(e.Error) })
	sub.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) { tell(fmt.Errorf("unsubscribed: %s", e.Reason)) })
	sub.OnPublication(func(e centrifuge.PublicationEvent) {
		var data struct{ Word string }
		if json.Unmarshal(e.Data, &data) == nil {
			select {
			case l.got <- data.Word:
			default:
			}
		}
	})
	if err = sub.Subscribe(); err == nil {
		err = l.client.Connect()
	}
	if err == nil {
		select {
		case err = <-ready:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		l.client.Close()
		return nil, err
	}
	return l, nil
}
