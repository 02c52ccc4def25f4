package verify

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/verify/livesocket"
)

// allPairs is up to how many hosts every ordered pair is tried; with more it is
// a ring, in which every node still publishes once and receives once.
const allPairs = 5

// liveLimit is how long a message may take; a healthy one takes milliseconds.
const liveLimit = 5 * time.Second

// live proves that a message published on one node arrives at the others.
func (p *proof) live(ctx context.Context) {
	what := "a Live message published on one arrives at the other"
	if why := p.noLive(); why != nil {
		p.record(Step{Name: "live", Explanation: what}, "", why)
		return
	}
	channel, err := p.chooseChannel(ctx)
	if err != nil {
		p.record(Step{Name: "live", Explanation: what}, "", err)
		return
	}
	listeners := map[*node]*livesocket.Socket{}
	for _, n := range p.nodes {
		l, err := channel.listen(ctx, n)
		if err != nil {
			p.record(Step{Name: "live", To: n.name(), Explanation: "open a WebSocket to Live"}, "", p.notLetIn(n, err))
			continue
		}
		defer l.Close()
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
func (p *proof) publish(ctx context.Context, from *node, targets []*node, listeners map[*node]*livesocket.Socket, channel *liveChannel,
	what string) {
	word := p.nonce + "-" + from.name()
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var sent time.Time
	err := channel.publish(ctx, from, word)
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

func (p *proof) await(ctx context.Context, from, to *node, l *livesocket.Socket, word string, limit time.Duration) error {
	timer := time.NewTimer(max(limit, 0))
	defer timer.Stop()
	for {
		// What has arrived counts, however late it is looked at.
		select {
		case got, open := <-l.Messages():
			if carries(got, word) {
				return nil
			}
			if open {
				continue
			}
		default:
		}
		select {
		case got, open := <-l.Messages():
			if carries(got, word) {
				return nil
			}
			if !open {
				return &failure{fmt.Sprintf("the WebSocket to %s ended", to.name()), p.command("logs", "--limit "+to.name())}
			}
		case <-timer.C:
			return p.liveFailure(ctx, from, to)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// carries: the word is in the message, in whichever form the channel has.
func carries(message []byte, word string) bool {
	return bytes.Contains(message, []byte(strconv.Quote(word)))
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
