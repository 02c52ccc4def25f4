package verify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// logoutTimeout bounds the clean-up of sessions after the run.
const logoutTimeout = 10 * time.Second

// answers finds the hosts that answer and are healthy.
func (p *proof) answers(ctx context.Context) {
	type result struct {
		node    *node
		health  grafana.Health
		err     error
		seconds float64
	}
	hosts := p.in.Cluster.Hosts
	results := make([]result, len(hosts))
	var wg guard.Group
	for i, h := range hosts {
		wg.Go(func() {
			start := time.Now()
			r := &results[i]
			j := slices.IndexFunc(p.in.Hosts, func(f fleet.Host) bool { return f.Host != nil && f.Name == h.Name && f.Conn != nil })
			if j < 0 {
				r.err = &failure{h.Name + " is not connected", "ssh " + h.Name + "; " + p.command("status", "")}
				return
			}
			r.node = newNode(p.in.Cluster, p.in.Hosts[j])
			r.health, r.err = grafana.GetHealth(ctx, r.node.client, r.node.base)
			r.node.version = r.health.Version
			if r.err == nil && !r.health.OK() {
				r.err = &failure{fmt.Sprintf("%s says database %q", h.Name, r.health.Database), p.command("check", "--limit "+h.Name)}
			} else if r.err != nil {
				r.err = &failure{fmt.Sprintf("Grafana on %s does not answer: %v", h.Name, r.err), p.command("logs", "--limit "+h.Name)}
			}
			r.seconds = time.Since(start).Seconds()
		})
	}
	wg.Wait()
	for i, r := range results {
		saw := ""
		if r.err == nil {
			saw = "database ok"
			p.nodes = append(p.nodes, r.node)
		}
		p.record(Step{Name: "health", From: hosts[i].Name, Seconds: r.seconds, Explanation: "/api/health"}, saw, r.err)
	}
}

// logins makes a session on every node.
func (p *proof) logins(ctx context.Context) {
	errs := p.onAll(func(n *node) error { return n.login(ctx, p.in.Cluster.Grafana.Admin) })
	var in []*node
	works := ""
	for i, n := range p.nodes {
		if errs[i] == nil {
			in = append(in, n)
			works = n.name()
		}
	}
	for i, n := range p.nodes {
		if errs[i] == nil {
			continue
		}
		p.record(Step{Name: "login", From: n.name(),
			Explanation: fmt.Sprintf("login as %s with the inventory's password", p.in.Cluster.Grafana.Admin.User)},
			"", p.loginFailure(n, works, errs[i]))
	}
	p.nodes = in
}

func (p *proof) loginFailure(n *node, works string, err error) error {
	switch {
	case status(err) == http.StatusUnauthorized && works != "":
		return &failure{fmt.Sprintf("%s refuses the administrator whom %s lets in: %s has another database", n.name(), works, n.name()),
			p.command("plan", "--limit "+n.name())}
	case status(err) == http.StatusUnauthorized:
		return &failure{"the administrator's password is not the inventory's (it was changed in Grafana, or the database is older than the inventory)",
			"set grafana.admin to a Grafana administrator that exists"}
	case status(err) == http.StatusTooManyRequests:
		return &failure{"too many failed logins: " + err.Error(), "wait for 5 minutes"}
	}
	return &failure{"login failed: " + err.Error(), p.command("logs", "--limit "+n.name())}
}

// onAll asks all nodes at once.
func (p *proof) onAll(do func(*node) error) []error {
	errs := make([]error, len(p.nodes))
	var wg guard.Group
	for i, n := range p.nodes {
		wg.Go(func() { errs[i] = guard.Do(func() error { return do(n) }) })
	}
	wg.Wait()
	return errs
}

// sessions proves every ordered pair.
func (p *proof) sessions(ctx context.Context) {
	const what = "a session made on one is valid on the other"
	if len(p.nodes) < 2 {
		p.record(Step{Name: "session", Explanation: what}, "", &skip{"it takes two nodes that one can log in to"})
		return
	}
	for _, a := range p.nodes {
		for _, b := range p.nodes {
			if a != b {
				p.step(ctx, Step{Name: "session", From: a.name(), To: b.name(), Explanation: what}, func(ctx context.Context) (string, error) {
					return "", p.session(ctx, a, b)
				})
			}
		}
	}
}

func (p *proof) session(ctx context.Context, a, b *node) error {
	resp, answer, err := b.send(ctx, http.MethodGet, "/api/user", a.session(), nil)
	if err != nil {
		return err
	}
	if resp.StatusCode == http.StatusOK {
		return sameUser(answer, p.in.Cluster.Grafana.Admin.User)
	}
	if resp.StatusCode != http.StatusUnauthorized {
		return fmt.Errorf("%s answers status %d: %s", b.name(), resp.StatusCode, message(answer))
	}
	same, err := p.sameDatabase(ctx, a, b)
	switch {
	case err != nil:
		return &failure{fmt.Sprintf("%s does not know the session: it has another secret_key or another database (which of them could not be found out: %v)", b.name(), err), p.command("plan", "")}
	case !same:
		return &failure{fmt.Sprintf("%s and %s have different databases: the session made on %s is not in the one of %s", a.name(), b.name(),
			a.name(), b.name()),
			"compare [database] on both: " + p.command("plan", "")}
	}
	return &failure{fmt.Sprintf("%s and %s have different secret_keys: the session is in the database that both use, but %s cannot read it",
		a.name(), b.name(), b.name()),
		"give all hosts one grafana.secret_key and restart: " + p.command("apply", "")}
}

func sameUser(answer []byte, want string) error {
	var user struct {
		Login string `json:"login"`
		Email string `json:"email"`
	}
	if err := json.Unmarshal(answer, &user); err != nil {
		return fmt.Errorf("read /api/user: %w", err)
	}
	if user.Login != want && user.Email != want {
		return fmt.Errorf("the session is somebody else's there: %q", user.Login)
	}
	return nil
}

// sameDatabase writes an annotation through a and looks for it through b, each
// in its own session, and removes it. Rows that are there anyway prove nothing:
// two young databases have the same numbers and times.
func (p *proof) sameDatabase(ctx context.Context, a, b *node) (same bool, err error) {
	tag := ours + p.nonce + "-" + rand.Text()[:6]
	var made struct {
		ID int64 `json:"id"`
	}
	if err := a.call(ctx, http.MethodPost, "/api/annotations",
		map[string]any{"text": "ghadeploy-verify: a test, may be removed", "tags": []string{tag}}, &made); err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		err = errors.Join(err, a.call(ctx, http.MethodDelete, fmt.Sprintf("/api/annotations/%d", made.ID), nil, nil))
	}()
	var found []struct{}
	if err := b.call(ctx, http.MethodGet, "/api/annotations?tags="+tag, nil, &found); err != nil {
		return false, err
	}
	return len(found) > 0, nil
}

// sessionsThroughBalancer proves that a session holds whichever node answers.
func (p *proof) sessionsThroughBalancer(ctx context.Context) {
	step := Step{Name: "session", To: "balancer", Explanation: "sessions are valid through the balancer, on new connections"}
	front, err := p.front()
	if err != nil {
		p.record(step, "", err)
		return
	}
	p.frontHasHosts(ctx, front)
	for _, a := range p.nodes {
		step.From = a.name()
		p.step(ctx, step, func(ctx context.Context) (string, error) {
			// Enough requests that round robin comes by every node.
			rounds := 2 * len(p.in.Cluster.Hosts)
			for range rounds {
				req, err := request(ctx, http.MethodGet, front.url+"/api/user", a.session(), nil)
				if err != nil {
					return "", err
				}
				resp, answer, err := do(front.client, req)
				if err != nil {
					return "", front.explain(err)
				}
				if resp.StatusCode == http.StatusOK {
					err = sameUser(answer, p.in.Cluster.Grafana.Admin.User)
				} else {
					err = &failure{fmt.Sprintf("%s answers status %d to the session of %s", front.url, resp.StatusCode, a.name()),
						"see the session steps between the hosts; if those are ok, the balancer drops cookies or sends to other servers"}
				}
				if err != nil {
					return "", err
				}
			}
			return fmt.Sprintf("%d requests to %s", rounds, front.url), nil
		})
	}
}

// logout ends the sessions, also when the run was cancelled.
func (p *proof) logout(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logoutTimeout)
	defer cancel()
	var left []string
	for i, err := range p.onAll(func(n *node) error {
		_, _, err := n.send(ctx, http.MethodGet, "/logout", n.session(), nil)
		return err
	}) {
		if err != nil {
			left = append(left, p.nodes[i].name())
		}
		p.nodes[i].client.CloseIdleConnections()
	}
	if len(left) > 0 {
		p.progress("session", "could not log out from %s; the session ends by itself", strings.Join(left, ", "))
	}
}
