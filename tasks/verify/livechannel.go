package verify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
	"github.com/ghadeploy/ghadeploy/tasks/verify/livesocket"
)

// liveChannel is a channel of Live that verify may publish on.
type liveChannel struct {
	// prefix is what the channel's name begins with on the wire.
	prefix func(ctx context.Context, n *node) (string, error)
	name   string
	// publish sends a word on it, on one node.
	publish func(ctx context.Context, n *node, word string) error
}

// broadcast is a channel that exists by being used; gone in 12.4.
func broadcast(nonce string) liveChannel {
	name := "grafana/broadcast/" + ours + nonce
	return liveChannel{name: name, publish: func(ctx context.Context, n *node, word string) error {
		return n.call(ctx, http.MethodPost, "/api/live/publish", map[string]any{"channel": name, "data": map[string]string{"word": word}}, nil)
	}}
}

// stream is the channel of a measurement that is pushed: a line of InfluxDB's format.
func stream(nonce string) liveChannel {
	id, measurement := ours+nonce, "word"
	return liveChannel{name: "stream/" + id + "/" + measurement, publish: func(ctx context.Context, n *node, word string) error {
		return n.push(ctx, "/api/live/push/"+id, fmt.Sprintf("%s word=%q\n", measurement, word))
	}}
}

// byNumber begins a channel's name with the organisation's number.
func byNumber(_ context.Context, n *node) (string, error) { return fmt.Sprint(n.orgID), nil }

// byNamespace begins it with the user's namespace, as the node names it ("default",
// "org-2", "stacks-3").
func byNamespace(ctx context.Context, n *node) (string, error) {
	var settings struct {
		Namespace string `json:"namespace"`
	}
	if err := n.call(ctx, http.MethodGet, "/api/frontend/settings", nil, &settings); err != nil {
		return "", err
	}
	if settings.Namespace == "" {
		return "", errors.New("this Grafana names no namespace")
	}
	return settings.Namespace, nil
}

// liveChannels are the ways to try, the likeliest for the version first. Which one it
// is, the node says by what it lets subscribe.
func liveChannels(v grafana.Version, nonce string) []*liveChannel {
	names := []func(context.Context, *node) (string, error){byNumber, byNamespace}
	channels := []liveChannel{broadcast(nonce), stream(nonce)}
	if grafana.LiveNamespace(v) {
		slices.Reverse(names)
	}
	if !grafana.LiveBroadcast(v) {
		slices.Reverse(channels)
	}
	var all []*liveChannel
	for _, prefix := range names {
		for _, c := range channels {
			c.prefix = prefix
			all = append(all, &c)
		}
	}
	return all
}

// listen opens a WebSocket in the node's session and subscribes.
func (c *liveChannel) listen(ctx context.Context, n *node) (*livesocket.Socket, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	l, err := n.openLive(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.subscribe(ctx, n, l); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (c *liveChannel) subscribe(ctx context.Context, n *node, l *livesocket.Socket) error {
	prefix, err := c.prefix(ctx, n)
	if err != nil {
		return err
	}
	return l.Subscribe(ctx, prefix+"/"+c.name)
}

// openLive opens a WebSocket to Live in the node's session.
func (n *node) openLive(ctx context.Context) (*livesocket.Socket, error) {
	return livesocket.Open(ctx, "ws"+strings.TrimPrefix(n.base, "http")+"/api/live/ws", livesocket.Options{
		Header: http.Header{"Cookie": {n.session()}, "User-Agent": {"ghadeploy-verify"}},
		Dial:   n.dial,
		TLS:    listener.TLS(),
	})
}

// push posts a text, as the sources of streams do.
func (n *node) push(ctx context.Context, path, text string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.base+path, strings.NewReader(text))
	if err != nil {
		return err
	}
	req.Header = http.Header{"Cookie": {n.session()}, "Content-Type": {"text/plain"}, "User-Agent": {"ghadeploy-verify"}}
	resp, answer, err := do(n.client, req)
	if err != nil {
		return fmt.Errorf("%s: POST %s: %w", n.name(), path, err)
	}
	if resp.StatusCode/100 != 2 {
		return &apiError{Host: n.name(), Method: http.MethodPost, Path: path, Status: resp.StatusCode, Message: message(answer)}
	}
	return nil
}

// newestLive is the newest major version whose channels are known here.
const newestLive = 12

// chooseChannel finds the channel that this Grafana lets one subscribe to; the nodes
// that refuse it, or let nobody in, are in the report once each is listened to. An error
// is for all of them.
func (p *proof) chooseChannel(ctx context.Context) (*liveChannel, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	version := p.nodes[0].version
	ways := liveChannels(version, p.nonce)
	var refusals []refusal
	for _, n := range p.nodes {
		way, why := n.chooseChannel(ctx, ways)
		if way != nil {
			return way, nil
		}
		refusals = append(refusals, why...)
	}
	switch {
	case len(refusals) == 0:
		return ways[0], nil // nobody lets a WebSocket in
	case version.Major() > newestLive:
		return nil, &unproved{version, "Live lets nobody subscribe to a channel that is known here (" + told(refusals[:1]) + ")"}
	}
	return nil, &failure{"Live lets nobody subscribe: " + told(refusals), p.command("logs", "--grep live")}
}

// chooseChannel tries the ways on one connection to this node, and says why each was refused.
func (n *node) chooseChannel(ctx context.Context, ways []*liveChannel) (*liveChannel, []refusal) {
	l, err := n.openLive(ctx)
	if err != nil {
		return nil, nil
	}
	defer l.Close()
	var refusals []refusal
	for _, way := range ways {
		err := way.subscribe(ctx, n, l)
		if err == nil {
			return way, nil
		}
		refusals = append(refusals, refusal{n.name(), way.name, err.Error()})
	}
	return nil, refusals
}

// refusal is that a node does not let one subscribe to a channel.
type refusal struct{ host, channel, cause string }

// told says each cause once, with the hosts and the channels that it is for.
func told(refusals []refusal) string {
	var said []string
	for i, r := range refusals {
		if slices.ContainsFunc(refusals[:i], func(o refusal) bool { return o.cause == r.cause }) {
			continue
		}
		var hosts, channels []string
		for _, o := range refusals[i:] {
			if o.cause == r.cause {
				hosts, channels = addNew(hosts, o.host), addNew(channels, o.channel)
			}
		}
		said = append(said, fmt.Sprintf("%s: %s (%s)", inventory.FoldNames(hosts), r.cause, strings.Join(channels, ", ")))
	}
	return strings.Join(said, "; ")
}

func addNew(list []string, item string) []string {
	if slices.Contains(list, item) {
		return list
	}
	return append(list, item)
}

// notLetIn is why a node cannot be listened to.
func (p *proof) notLetIn(n *node, err error) error {
	return &failure{fmt.Sprintf("%s: Live does not let a WebSocket in: %v", n.name(), err),
		"check live.max_connections and live.allowed_origins; " + p.command("logs", "--limit "+n.name())}
}
