package balancer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Change is what a managed balancer's configuration lacks. It holds only lines
// of ours, so it may be printed.
type Change struct {
	Balancer string `json:"balancer"`
	Path     string `json:"path"`
	// Diff is unified, of the part between our markers; never empty in a plan.
	Diff string `json:"diff"`
	// Base is the SHA-256 of the file this was planned against.
	Base string `json:"base"`

	block string
}

// markers around the part of haproxy.cfg that is ours.
func markers(cluster string) (begin, end string) {
	return "# BEGIN ghadeploy " + cluster, "# END ghadeploy " + cluster
}

// renderBackend is the managed part of haproxy.cfg, markers included.
func renderBackend(c *inventory.Cluster, at *places) string {
	begin, end := markers(c.Name)
	inter, fall := time.Second, 2
	if c.LoadBalancer.CheckInterval > 0 {
		inter = max(c.LoadBalancer.CheckInterval/time.Duration(fall), 100*time.Millisecond)
	}
	var b strings.Builder
	fmt.Fprintln(&b, begin)
	fmt.Fprintln(&b, "# Written by ghadeploy from the inventory; changes here are overwritten.")
	fmt.Fprintf(&b, "backend %s\n", backendName(c.LoadBalancer))
	for _, line := range []string{
		"mode http",
		"balance roundrobin",
		// 503 while the database fails, so such a node gets no requests.
		"option httpchk GET /api/health",
		"http-check expect status 200",
		// A connection that fails at once goes to another server, not to the same
		// after a second.
		"option redispatch 1",
		"retries 3",
		// Live's WebSockets are idle for long.
		"timeout tunnel 1h",
		fmt.Sprintf("default-server inter %dms fall %d rise 2", inter.Milliseconds(), fall),
	} {
		fmt.Fprintf(&b, "\t%s\n", line)
	}
	for _, h := range c.Hosts {
		tls, listens := "", at.of(h)
		if listens.Scheme() == "https" {
			tls = " ssl verify none"
		}
		fmt.Fprintf(&b, "\tserver %s %s check%s\n", h.Name, listens.At(h.Address), tls)
	}
	fmt.Fprintln(&b, end)
	return b.String()
}

// splice puts block between the cluster's markers in config, or at its end, and
// returns the new text and what stood between the markers before.
func splice(config, cluster, block string) (after, old string, err error) {
	begin, end := markers(cluster)
	var before, inside, rest strings.Builder
	at := 0 // 0 before the markers, 1 between, 2 behind
	for line := range strings.Lines(config) {
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == begin && at == 0:
			at = 1
			inside.WriteString(line)
		case trimmed == begin, trimmed == end && at != 1:
			return "", "", fmt.Errorf("the markers %q and %q are not one pair in this order; repair them by hand", begin, end)
		case at == 0:
			before.WriteString(line)
		case at == 1:
			inside.WriteString(line)
			if trimmed == end {
				at = 2
			}
		default:
			rest.WriteString(line)
		}
	}
	if at == 1 {
		return "", "", fmt.Errorf("%q has no %q; repair the markers by hand", begin, end)
	}
	head := before.String()
	if at == 0 && head != "" {
		head = strings.TrimRight(head, "\n") + "\n\n"
	}
	return head + block + rest.String(), inside.String(), nil
}

// definedOutside tells whether config has the backend outside of the markers.
func definedOutside(config, cluster, backend string) bool {
	without, _, err := splice(config, cluster, "")
	if err != nil {
		return false
	}
	for line := range strings.Lines(without) {
		if w := configWords(line); len(w) >= 2 && (w[0] == "backend" || w[0] == "listen") && w[1] == backend {
			return true
		}
	}
	return false
}

// planConfig compares; pure. The Diff is empty when nothing is to be done.
func planConfig(c *inventory.Cluster, at *places, config string) (Change, error) {
	if definedOutside(config, c.Name, backendName(c.LoadBalancer)) {
		begin, _ := markers(c.Name)
		return Change{}, fmt.Errorf("backend %q is defined outside of %q already: remove it there, or set load_balancer.manage: false",
			backendName(c.LoadBalancer), begin)
	}
	block := renderBackend(c, at)
	after, old, err := splice(config, c.Name, block)
	if err != nil {
		return Change{}, err
	}
	sum := sha256.Sum256([]byte(config))
	change := Change{Base: hex.EncodeToString(sum[:]), block: block}
	if after != config {
		change.Diff = udiff.Unified("deployed", "inventory", old, block)
	}
	return change, nil
}

func (p *haproxy) plan(ctx context.Context) (Change, error) {
	config, err := p.readConfig(ctx)
	if err != nil {
		return Change{}, err
	}
	change, err := planConfig(p.cluster, p.at, config)
	change.Balancer, change.Path = p.host, p.config
	if err != nil {
		return change, fmt.Errorf("%s: %w", p.config, err)
	}
	return change, nil
}

// installScript puts a new haproxy.cfg ($1) in place from stdin: $2 is the hash
// of what must stand there now. Mode and owner of the old file are kept.
const installScript = `set -eu
cfg=$1; base=$2; new=$cfg.ghadeploy-new
trap 'rm -f "$new"' EXIT
now=$(sha256sum <"$cfg"); now=${now%% *}
[ "$now" = "$base" ] || { echo "$cfg has changed since it was planned; plan again" >&2; exit 3; }
cp -p "$cfg" "$new"
cat >"$new"
haproxy -c -f "$new" >&2
cp -p "$cfg" "$cfg.ghadeploy-backup"
mv -f "$new" "$cfg"
if ! systemctl reload haproxy >&2; then
  cp -p "$cfg.ghadeploy-backup" "$new" && mv -f "$new" "$cfg"
  echo "the reload failed; $cfg is as it was before" >&2; exit 4
fi`

// apply installs the change and reloads. A reload forgets what the runtime API
// was told, so hosts that were taken out are taken out again at once.
func (p *haproxy) apply(ctx context.Context, c Change) error {
	config, err := p.readConfig(ctx)
	if err != nil {
		return err
	}
	fresh, err := planConfig(p.cluster, p.at, config)
	if err != nil {
		return err
	}
	if fresh.Diff == "" {
		return nil
	}
	if fresh.Base != c.Base || fresh.Diff != c.Diff {
		return errors.New(p.config + " has changed since it was planned; plan again")
	}
	after, _, err := splice(config, p.cluster.Name, fresh.block)
	if err != nil {
		return err
	}
	// No backend yet is the usual reason for no answer: nothing is drained then.
	before, _ := p.servers(ctx)
	worker := p.worker(ctx)
	if _, err := p.conn.Run(ctx, remote.Command{Script: installScript, Args: []string{p.config, fresh.Base},
		Become: true, Stdin: strings.NewReader(after), Timeout: operationTimeout, Step: "install " + p.config}); err != nil {
		return err
	}
	p.mu.Lock()
	p.traits, p.api = nil, nil
	p.mu.Unlock()
	if err := p.awaitWorker(ctx, worker); err != nil {
		return err
	}
	return p.redrain(ctx, before)
}

// worker is the process that answers the runtime API; empty when none does.
func (p *haproxy) worker(ctx context.Context) string {
	answer, err := p.ask(ctx, "show info")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(answer) {
		if pid, ok := strings.CutPrefix(line, "Pid:"); ok {
			return strings.TrimSpace(pid)
		}
	}
	return ""
}

// reloadLimit is how long a reload may take to a new worker that answers.
const reloadLimit = 15 * time.Second

// awaitWorker waits until another worker than old has the backend: what the
// old one is told after a reload is lost with it.
func (p *haproxy) awaitWorker(ctx context.Context, old string) error {
	ctx, cancel := context.WithTimeout(ctx, reloadLimit)
	defer cancel()
	for {
		if w := p.worker(ctx); w != "" && w != old {
			if _, err := p.servers(ctx); err == nil {
				return nil
			}
		}
		if fleet.Pause(ctx, idlePoll) != nil {
			return fmt.Errorf("HAProxy was reloaded, but no new worker answers within %s; try: systemctl status haproxy", reloadLimit)
		}
	}
}

// redrain gives the servers that were out of service their state back.
func (p *haproxy) redrain(ctx context.Context, before []serverState) error {
	now, err := p.servers(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range before {
		state := "drain"
		switch {
		case s.admin&adminMaint != 0:
			state = "maint"
		case s.admin&adminDrain == 0:
			continue
		}
		if slices.ContainsFunc(now, func(n serverState) bool { return n.name == s.name }) {
			errs = append(errs, p.set(ctx, s.name, state))
		}
	}
	return errors.Join(errs...)
}
