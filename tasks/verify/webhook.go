package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// notification is one delivery of a webhook that was about our alert.
type notification struct {
	host   string
	at     time.Time
	status string // "firing" or "resolved"
}

// webhooks listens on every host's 127.0.0.1, all on one port, because a
// contact point has one URL. SSH brings the connections to us.
type webhooks struct {
	url     string
	label   string // value of alertLabel that counts
	servers []*http.Server
	wg      guard.Group

	mu   sync.Mutex
	came []notification
}

// listenAll opens the listeners. Which port is free on all hosts takes some tries.
func (p *proof) listenAll(ctx context.Context) (*webhooks, error) {
	var err error
	for range 5 {
		var w *webhooks
		if w, err = p.tryListen(ctx); err == nil {
			return w, nil
		}
	}
	return nil, err
}

func (p *proof) tryListen(ctx context.Context) (*webhooks, error) {
	w := &webhooks{label: p.nonce}
	address := "127.0.0.1:0"
	for _, n := range p.nodes {
		l, err := n.host.Listen(ctx, "tcp", address)
		if err != nil {
			w.close()
			return nil, fmt.Errorf("%s: listen on %s by a reverse tunnel: %w", n.name(), address, err)
		}
		if len(w.servers) == 0 {
			_, port, err := net.SplitHostPort(l.Addr().String())
			if err != nil {
				_ = l.Close()
				return nil, err
			}
			address = net.JoinHostPort("127.0.0.1", port)
			w.url = "http://" + address + "/ghadeploy-verify/" + p.nonce
		}
		s := &http.Server{Handler: w.handler(n.name()), ReadHeaderTimeout: callTimeout}
		w.servers = append(w.servers, s)
		w.wg.Go(func() { _ = s.Serve(l) })
	}
	return w, nil
}

func (w *webhooks) handler(host string) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		var payload struct {
			Alerts []struct {
				Status string            `json:"status"`
				Labels map[string]string `json:"labels"`
			} `json:"alerts"`
		}
		if err != nil || json.Unmarshal(body, &payload) != nil {
			return
		}
		for _, a := range payload.Alerts {
			if a.Labels[alertLabel] == w.label {
				w.mu.Lock()
				w.came = append(w.came, notification{host: host, at: time.Now(), status: a.Status})
				w.mu.Unlock()
				return
			}
		}
	})
}

// firing are the notifications so far that say the alert fires.
func (w *webhooks) firing() []notification {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []notification
	for _, n := range w.came {
		if n.status == "firing" {
			all = append(all, n)
		}
	}
	return all
}

func (w *webhooks) close() {
	var errs []error
	for _, s := range w.servers {
		errs = append(errs, s.Close())
	}
	w.wg.Wait()
	// A listener that is gone already is closed.
	_ = errors.Join(errs...)
}

// senders says who notified and when: "h1 after 2s, h3 after 17s".
func senders(all []notification, since time.Time) string {
	var parts []string
	for _, n := range all {
		parts = append(parts, fmt.Sprintf("%s after %.0fs", n.host, n.at.Sub(since).Seconds()))
	}
	return strings.Join(parts, ", ")
}
