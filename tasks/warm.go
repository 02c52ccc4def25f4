package tasks

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
	"github.com/ghadeploy/ghadeploy/tasks/notify"
)

const (
	// warmWidth is how many requests a host answers at once before it takes over. It is
	// the number of connections to the database that are open then: few, since each
	// stays with Grafana only up to database.max_idle_conn (2 unless it is set).
	warmWidth = 4
	// warmRounds is how often each of them asks for all of warmPages.
	warmRounds = 5
	// warmTime is the longest that a handover waits for this.
	warmTime = 10 * time.Second
	// maxWarmPage is what is read of a page; the front end's settings have some dozen KB.
	maxWarmPage = 1 << 20
)

// warmPages are what users of every version ask for first: who they are, the settings of
// the front end, and a search with their permissions.
var warmPages = []string{"/api/user", "/api/frontend/settings", "/api/search?limit=10"}

// warmUp is warm on several hosts.
func (r *rollout) warmUp(ctx context.Context, hosts []*inventory.Host) {
	all := make([]fleet.Host, len(hosts))
	for i, h := range hosts {
		all[i] = r.hosts[h.Name]
	}
	_ = fleet.Each(all, func(_ int, h fleet.Host) error { r.warm(ctx, h); return nil })
}

// warm has a host that is about to take over answer signed-in requests while users are
// still served by others. A Grafana that has just started has no connection to its
// database, no permissions in its caches, and most of its program not in memory yet: to
// be given all users in one moment cost them a quarter of a second (11.6.2, 200 requests a
// second). Nothing that goes wrong here keeps a healthy host from taking over.
func (r *rollout) warm(ctx context.Context, h fleet.Host) {
	admin := r.cluster.Grafana.Admin
	if !admin.Password.IsSet() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, warmTime)
	defer cancel()
	transport := listener.Transport(r.cluster.Paths.Service, h)
	transport.MaxIdleConnsPerHost = warmWidth
	defer transport.CloseIdleConnections()
	w := warmer{client: &http.Client{Transport: transport, CheckRedirect: sameNode, Timeout: readTimeout},
		base: desired.Listens(h.Host).LocalURL() + notify.SubPath(r.cluster, h.Host), user: admin.User, password: admin.Password.Reveal()}
	// One alone: a login that is refused is not tried again and again, which would lock it.
	first, err := w.ask(ctx, warmPages[0])
	if err != nil {
		r.say(event.Info, h.Name, "takes over without having answered requests of its own first: "+err.Error())
		return
	}
	last := w.rounds(ctx)
	r.say(event.Info, h.Name, fmt.Sprintf("answered requests before it takes over: the first in %s, the last in %s",
		first.Round(time.Millisecond), last.Round(time.Millisecond)))
}

// warmer asks one host.
type warmer struct {
	client               *http.Client
	base, user, password string
}

// rounds asks for all pages, several at once, and gives how long the first page took in
// the last round. Who fails once stops.
func (w *warmer) rounds(ctx context.Context) time.Duration {
	took := make([]time.Duration, warmWidth)
	var wg guard.Group
	for i := range took {
		wg.Go(func() {
			for range warmRounds {
				for n, page := range warmPages {
					one, err := w.ask(ctx, page)
					if err != nil {
						return
					}
					if n == 0 {
						took[i] = one
					}
				}
			}
		})
	}
	wg.Wait()
	return slices.Max(took)
}

// ask reads one page to its end. Errors: the transport's; any status but 200.
func (w *warmer) ask(ctx context.Context, page string) (time.Duration, error) {
	start := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+page, nil)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(w.user, w.password)
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxWarmPage))
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", page, resp.StatusCode)
	}
	return time.Since(start), err
}
