package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// publicSecretKey is the secret_key of every grafana that was given none.
const publicSecretKey = "SW2YcwTIb9zpOOhoPsMm"

// configChecks look at what will be written, before any host is asked.
func configChecks() []unit {
	return []unit{
		{name: "secret-key", about: "secret_key is set, private and the same everywhere", run: onCluster(secretKeyFindings)},
		{name: "admin-password", about: "the administrator's password is not the default", run: onCluster(adminFindings)},
		{name: "shared-database", about: "several hosts share a real database server", run: onCluster(sharedDatabaseFindings)},
		{name: "alerting-ha", about: "several hosts' alerting is one", run: onCluster(alertingFindings)},
		{name: "config", about: "grafana.ini renders, survives its parser, and the version knows every key", run: checkRender},
		{name: "root-url", about: "root_url, cookies and the load balancer fit together", run: onCluster(rootURLFindings)},
		{name: "plugins", about: "plugins are pinned, unique and the same everywhere", run: onCluster(pluginFindings)},
		{name: "certificates", about: "certificates are readable, valid and not about to expire", run: onCluster(certificateFindings)},
		{name: "names", about: "hosts and operator resolve the peers alike", run: checkNames},
	}
}

// onCluster makes a check of a function of the run; no finding means all is well.
func onCluster(f func(r *run) []Finding) func(context.Context, *run) []Finding {
	return func(_ context.Context, r *run) []Finding {
		if found := f(r); len(found) > 0 {
			return found
		}
		return ok("as it should be")
	}
}

func (r *run) several() bool { return len(r.Cluster.Hosts) > 1 }

func secretKeyFindings(r *run) []Finding {
	const why = "it signs sessions and encrypts data source passwords: users are logged out at random, or anyone can read the passwords (#63419)"
	key := r.Cluster.Grafana.SecretKey
	if v, set := r.Cluster.Grafana.Config.Get("security", "secret_key"); set && !key.IsSet() {
		key = inventory.NewSecret(v.Reveal(), "config")
	}
	switch {
	case !key.IsSet():
		return []Finding{fail("grafana.secret_key is not set", why,
			`openssl rand -hex 32 > secrets/secret_key, then secret_key: "${file:secrets/secret_key}"`)}
	case key.Reveal() == publicSecretKey:
		return []Finding{fail("grafana.secret_key is Grafana's public default", why,
			`openssl rand -hex 32 > secrets/secret_key, then secret_key: "${file:secrets/secret_key}"; encrypted data source passwords must be entered again`)}
	}
	var all []Finding
	for _, h := range r.Cluster.Hosts {
		own, set := h.Config.Get("security", "secret_key")
		if env, inEnv := h.Env["GF_SECURITY_SECRET_KEY"]; inEnv {
			own, set = env, true
		}
		if set && own.Reveal() != key.Reveal() {
			f := fail("has a secret_key of its own", "sessions made on other hosts are invalid there (#31360)",
				"remove security.secret_key from this host's and its groups' config and env")
			f.Host = h.Name
			all = append(all, f)
		}
	}
	if len(all) == 0 && len(key.Reveal()) < 16 {
		all = append(all, warn("grafana.secret_key has fewer than 16 characters", "it can be guessed from a stolen database",
			"openssl rand -hex 32; only before data sources are made"))
	}
	if len(all) == 0 {
		return ok("private, the same on all hosts (fingerprint %s)", key.Fingerprint())
	}
	return all
}

func adminFindings(r *run) []Finding {
	p := r.Cluster.Grafana.Admin.Password
	if !p.IsSet() || p.Reveal() == "admin" {
		return []Finding{warn("the administrator's password is Grafana's default", "whoever reaches a fresh Grafana first owns it",
			`set grafana.admin.password: "${env:GRAFANA_ADMIN_PASSWORD}"; it counts on the first start only`)}
	}
	return nil
}

func sharedDatabaseFindings(r *run) []Finding {
	db := r.Cluster.Database
	if db.Type == "sqlite3" {
		if r.several() {
			return []Finding{fail(fmt.Sprintf("sqlite3 with %d hosts", len(r.Cluster.Hosts)),
				"each host would have users, sessions and dashboards of its own, or all wait on one locked file (#23233)",
				"set database.type to postgres or mysql")}
		}
		return []Finding{warn("sqlite3", "a second host can never be added without moving the data", "set database.type to postgres or mysql")}
	}
	switch {
	case db.MaxOpenConn == 1:
		return []Finding{fail("database.max_open_conn is 1",
			"the migrator holds its lock on one connection and works on others: it would wait for ever", "set it to 20, or leave it out")}
	case keptIdle(db.MaxIdleConn) < 5 && db.MaxOpenConn > 5:
		return []Finding{warn(fmt.Sprintf("database.max_idle_conn keeps %d of max_open_conn %d", keptIdle(db.MaxIdleConn), db.MaxOpenConn),
			"what a burst opens beyond it is closed at once: nearly every query logs in anew, which keeps the server busy and the burst going",
			"leave max_idle_conn out; it is 10 then")}
	case db.MaxOpenConn == 0:
		return []Finding{warn("database.max_open_conn is unlimited",
			fmt.Sprintf("%d hosts under load can use up the server's connections; users are signed out (HTTP 401) then, most likely in a rollout, when fewer hosts carry the load", len(r.Cluster.Hosts)), "set database.max_open_conn to 25, or what the server's max_connections allows each host")}
	}
	return nil
}

// keptIdle is how many connections Grafana keeps: 2 when it is not told (defaults.ini).
func keptIdle(maxIdleConn int) int {
	if maxIdleConn == 0 {
		return 2
	}
	return maxIdleConn
}

// Versions in which what the checks know of changed (facts §7, §2).
const (
	fixDoubles = "9.4.0" // #64635: an API rule edit no longer notifies twice in HA
	sentinels  = "12.1.0"
)

func (r *run) since(version string) bool {
	v, err := grafana.ParseVersion(version)
	return err == nil && r.Version.AtLeast(v)
}

func alertingFindings(r *run) []Finding {
	a := r.Cluster.Alerting
	if !r.several() {
		return nil
	}
	var all []Finding
	if a.Legacy {
		all = append(all, warn("legacy alerting on several hosts",
			"every host evaluates every rule; only notifications are de-duplicated, through the database (#35083)", "upgrade to 9 or later"))
	} else if a.HA == "none" || a.HA == "" {
		all = append(all, fail(fmt.Sprintf("alerting.ha is none with %d hosts", len(r.Cluster.Hosts)),
			fmt.Sprintf("every alert is notified %d times (#53990)", len(r.Cluster.Hosts)), "set alerting.ha to gossip or redis"))
	}
	if !r.Version.IsZero() && !r.since(fixDoubles) && !a.Legacy {
		all = append(all, warn("Grafana "+r.Version.String()+" notifies twice now and then after a rule is edited over the API",
			"fixed in 9.4 (#64635)", "upgrade to 9.4.0 or later"))
	}
	if a.Redis.Sentinel != nil && !r.Version.IsZero() && !r.since(sentinels) {
		all = append(all, fail("alerting on Redis Sentinel needs Grafana 12.1, this is "+r.Version.String(),
			"the keys are ignored and every host notifies (#106322)",
			"upgrade, or give the master's own address through a proxy with a role:master check"))
	}
	if l := r.Cluster.Live.Redis; l.Sentinel != nil || l.Cluster {
		all = append(all, fail("Live knows neither Redis Sentinel nor Cluster", "Live falls back to each host alone without a word (#82715)",
			"give live.redis one address, for example a proxy with a role:master check"))
	}
	return all
}

// checkRender makes every host's grafana.ini as it will be written.
func checkRender(_ context.Context, r *run) []Finding {
	if r.Render == nil {
		return []Finding{skipped("the configuration was not rendered", "", "")}
	}
	var all []Finding
	for _, h := range r.Cluster.Hosts {
		rendered, err := r.Render(h)
		if err != nil {
			for _, one := range flatten(err) {
				f := fail(one.Error(), "Grafana would ignore it, or read something else than what is written",
					"change it under config:, or grafana.version")
				f.Host = h.Name
				all = append(all, f)
			}
			continue
		}
		for _, w := range rendered.Warnings {
			f := warn(w, "", "")
			f.Host = h.Name
			all = append(all, f)
		}
	}
	if len(all) == 0 {
		return ok("renders on all hosts; every value survives the ini parser")
	}
	return all
}

// flatten gives the errors of a join one by one.
func flatten(err error) []error {
	if many, joined := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); joined {
		return many.Unwrap()
	}
	return []error{err}
}

func rootURLFindings(r *run) []Finding {
	text := r.Cluster.Grafana.RootURL
	if text == "" {
		if !r.several() {
			return nil
		}
		return []Finding{warn("grafana.root_url is not set", "links in notifications, OAuth redirects and Live's origin check point at localhost",
			"set grafana.root_url to what users type")}
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return []Finding{fail("grafana.root_url is no http or https URL: "+text, "Grafana does not start, or redirects to nowhere",
			"write it like https://grafana.example.com/")}
	}
	var all []Finding
	name := u.Hostname()
	if addr, err := netip.ParseAddr(name); name == "localhost" || (err == nil && addr.IsLoopback()) {
		all = append(all, warn("grafana.root_url points at "+name, "links in notifications lead users to their own machine",
			"set it to what users type"))
	}
	if r.several() && slices.ContainsFunc(r.Cluster.Hosts, func(h *inventory.Host) bool { return h.Address == name || h.Name == name }) {
		all = append(all, warn("grafana.root_url names one of the hosts, "+name,
			"users and Live's origin check depend on that host alone (#24548)", "set it to the load balancer's name"))
	}
	all = append(all, hostURLFindings(r, u)...)
	return append(all, unannounced(r)...)
}

// unannounced is of balancers that cannot be told of a host's stop, and whose own
// check is not known.
func unannounced(r *run) []Finding {
	var all []Finding
	if lb := r.Cluster.LoadBalancer; r.several() && (lb.Type == "" || lb.Type == "none") && lb.CheckInterval == 0 {
		all = append(all, warn("load_balancer is none and has no check_interval",
			"a host's stop cannot be announced: requests fail during a rollout until the balancer notices",
			"name the balancer under load_balancer, or set its check_interval"))
	}
	return all
}

// hostURLFindings are of hosts whose own settings do not go with root_url u.
func hostURLFindings(r *run, u *url.URL) []Finding {
	var all []Finding
	for _, h := range r.Cluster.Hosts {
		if own, set := h.Config.Get("server", "root_url"); set && own.Reveal() != r.Cluster.Grafana.RootURL {
			f := warn("has a root_url of its own", "redirects and cookies differ from host to host", "remove server.root_url from its config")
			f.Host = h.Name
			all = append(all, f)
		}
		if v, set := h.Config.Get("security", "cookie_secure"); set && v.Reveal() == "true" && u.Scheme == "http" {
			f := fail("security.cookie_secure is true and root_url is http", "browsers never send the session cookie: endless login (#15316)",
				"make root_url https, or cookie_secure false")
			f.Host = h.Name
			all = append(all, f)
		}
	}
	return all
}

func pluginFindings(r *run) []Finding {
	return append(unsignedFindings(r), listedPlugins(r)...)
}

// unsignedFindings are of archives that Grafana would not load.
func unsignedFindings(r *run) (all []Finding) {
	for _, id := range r.Unsigned {
		all = append(all, fail("plugin "+id+" is not signed: its archive has no MANIFEST.txt",
			"Grafana does not load it, and says so in its log only",
			"set unsigned: true at it in grafana.plugins, or get the archive that Grafana's catalogue has"))
	}
	return all
}

func listedPlugins(r *run) []Finding {
	var all []Finding
	seen := map[string]bool{}
	for _, p := range r.Cluster.Grafana.Plugins {
		if seen[p.ID] {
			all = append(all, fail("plugin "+p.ID+" is listed twice", "which of the two is installed would depend on the order",
				"remove one from grafana.plugins"))
		}
		seen[p.ID] = true
		if p.SHA256 == "" {
			all = append(all, warn("plugin "+p.ID+" has no sha256", "a changed archive would go unnoticed", "add sha256: (sha256sum "+p.Source+")"))
		}
		if p.Version == "" {
			all = append(all, warn("plugin "+p.ID+" has no version", "hosts cannot be compared (#36111)", "add version:"))
		}
	}
	if sum := r.Cluster.Grafana.Artifact.SHA256; len(sum) == 0 {
		all = append(all, warn("grafana.artifact has no sha256", "a changed or cut download would go unnoticed",
			"add sha256: from the release page"))
	}
	for _, h := range r.Cluster.Hosts {
		if v, set := h.Config.Get("plugins", "plugin_admin_enabled"); set && v.Reveal() == "true" && r.several() {
			f := warn("plugins.plugin_admin_enabled is true", "a plugin installed in the browser is on one host only (#37935)",
				"remove it and list plugins under grafana.plugins")
			f.Host = h.Name
			all = append(all, f)
		}
	}
	return all
}
