package reach

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// kind is one row of the table: how a change is recognised, and what is said of it.
type kind struct {
	name Kind
	way  Way
	// seen says what is changed, without a secret; empty: it is not this kind.
	seen func(old, now State) string
	// tell fills in what users will notice, and whether it is refused.
	tell func(c *Change, old, now State, s Stakes)
}

// keys is a kind that is recognised by settings that may be shown.
func keys(names ...string) func(old, now State) string {
	return func(old, now State) string { return differing(old, now, names...) }
}

// secret is a kind that is recognised by a setting that may not be shown.
func secret(name, what string) func(old, now State) string {
	return func(old, now State) string {
		if old.get(name) == now.get(name) {
			return ""
		}
		return what
	}
}

// says is a kind of which the same is true whatever the database holds.
func says(notice, next string) func(c *Change, old, now State, s Stakes) {
	return func(c *Change, _, _ State, _ Stakes) { c.Notice, c.Next = notice, next }
}

// kinds is the table, the most telling first.
var kinds = []kind{
	{name: Database, way: OneStop, seen: databaseSeen, tell: tellDatabase},
	{name: Password, seen: loginSeen, tell: says(
		"a host that has not restarted yet needs the old login until its turn: where the server takes one of them only, hosts lose the database for the time of the roll",
		"docs/day-two.md, \"Rotate the database password\", for the order that loses nothing")},
	{name: SecretKey, way: OneStop, seen: secret("security.secret_key", "another security.secret_key"), tell: tellSecretKey},
	{name: Admin, seen: adminSeen, tell: tellAdmin},
	{name: RootURL, seen: keys("server.root_url", "server.domain", "server.enforce_domain", "server.serve_from_sub_path"), tell: tellRootURL},
	{name: Cookies, seen: keys("auth.login_cookie_name", "security.cookie_samesite", "security.cookie_secure"), tell: tellCookies},
	{name: Alerting, way: Handover, seen: alertingSeen, tell: tellAlerting},
	{name: AlertsOff, seen: alertsOffSeen, tell: func(c *Change, _, _ State, s Stakes) {
		c.Notice = s.counted("alert rules") + " are not evaluated any more"
	}},
	{name: Live, seen: keys("live.ha_engine", "live.ha_engine_address", "live.ha_prefix"), tell: says(
		"until the last host has changed, what is published on a host of one side does not reach browsers on the other", "")},
	{name: ServiceAs, seen: userSeen, tell: says("files in paths.data and paths.logs stay with the old user until the host is prepared anew",
		"look at who owns them: ghadeploy exec INVENTORY -- ls -ld DATA LOGS")},
	{name: Paths, seen: pathsSeen, tell: says("what lies in the old folder stays there, and is neither moved nor deleted", "")},
	{name: Plugins, seen: pluginsSeen, tell: tellPlugins},
	{name: Login, seen: providersSeen, tell: tellProviders},
}

// databaseSeen: the login's user is part of the target, since it may see another schema.
func databaseSeen(old, now State) string {
	if old.get("database.type") == "sqlite3" && now.get("database.type") == "sqlite3" {
		return differing(old, now, "database.path", "paths.data")
	}
	if old.get("database.url") != now.get("database.url") {
		return "another database.url"
	}
	return differing(old, now, "database.type", "database.host", "database.name", "database.user")
}

func loginSeen(old, now State) string {
	if databaseSeen(old, now) != "" || old.get("database.password") == now.get("database.password") {
		return ""
	}
	return "another database.password"
}

func tellDatabase(c *Change, old, _ State, s Stakes) {
	t, differs := s.Target, Differences(s.Now, s.Target.Now, "", "there ")
	if t.Same {
		c.Kind, c.Way = SameTarget, AnyWay
		c.Notice = "it is the same database by another name or login: users will notice nothing"
		return
	}
	c.Flag = "--allow-database"
	c.Next = "to move the content: docs/day-two.md, \"Move to another database server\"; " + c.Flag + " goes on all the same"
	c.Notice = "in the present one are " + content(s.Now) + s.why()
	switch {
	case old.get("database.type") == "sqlite3":
		c.Notice = "the present one is a file on the host, whose content is not taken along"
		c.Refused = "what is in the file would be missing"
	case !t.Asked, t.Unread != "":
		c.Refused = "the new one could not be read, so nobody knows what is in it: " + word(t.Unread)
	case t.New:
		c.Refused = "the new one is empty: everybody would find a Grafana without users, dashboards and data sources"
	case s.Unread != "":
		c.Refused = "the two could not be compared; in the new one are " + content(t.Now)
	case len(differs) > 0:
		c.Refused = "the new one has another content: " + strings.Join(differs, "; ")
	default:
		c.Notice += ", and in the new one as many"
		c.Flag, c.Next = "", ""
	}
}

func tellSecretKey(c *Change, _, _ State, s Stakes) {
	c.Flag = "--allow-secret-key"
	c.Notice = fmt.Sprintf("%s and %s become unreadable; %s end, everyone logs in again",
		s.counted(SourceSecrets), s.counted(OtherSecrets), s.counted(Sessions))
	a, knowsA := s.Now[SourceSecrets]
	b, knowsB := s.Now[OtherSecrets]
	if knowsA && knowsB && a+b == 0 {
		c.Flag = ""
		return
	}
	c.Refused = "no Grafana reads with one key what was encrypted with another, and none re-encrypts from one to the other"
	c.Next = "docs/day-two.md, \"Rotate secret_key\"; " + c.Flag + " goes on all the same, and the secrets must be entered anew"
}

func adminSeen(old, now State) string {
	what := differing(old, now, "security.admin_user")
	if old.get("security.admin_password") != now.get("security.admin_password") {
		what = strings.TrimPrefix(what+", another security.admin_password", ", ")
	}
	return what
}

func tellAdmin(c *Change, _, _ State, s Stakes) {
	if n, there := s.Now["users"]; there && n == 0 {
		c.Notice = "it is taken at the first start"
		return
	}
	c.Notice = "Grafana reads it at its first start only: the administrator in the database keeps the old one, and verify and drills log in with the new one"
	c.Next = "change it in Grafana too (Profile, Change password), or on one host: grafana cli admin reset-admin-password --password-from-stdin"
}

func tellRootURL(c *Change, old, now State, s Stakes) {
	c.Notice = "links in notifications and invitations change, and OAuth and SAML providers refuse redirects to an address that they do not know"
	if hostOf(old) != hostOf(now) {
		c.Notice += "; cookies belong to the old name: " + s.counted(Sessions) + " end for whoever comes by the new one"
	}
	c.Next = "register the new address with the login providers before"
}

func hostOf(s State) string {
	if u, err := url.Parse(s.get("server.root_url")); err == nil {
		return u.Hostname()
	}
	return ""
}

func tellCookies(c *Change, old, now State, s Stakes) {
	if old.get("auth.login_cookie_name") != now.get("auth.login_cookie_name") {
		c.Notice = s.counted(Sessions) + " end, everyone logs in again; during the roll a login made on one side is not known on the other"
		return
	}
	c.Notice = "browsers keep the cookie that they have until the next login"
	if now.get("security.cookie_secure") == "true" && strings.HasPrefix(now.get("server.root_url"), "http:") {
		c.Notice = "browsers do not send a secure cookie over http: nobody can log in"
	}
	if strings.EqualFold(now.get("security.cookie_samesite"), "strict") {
		c.Notice += "; with strict, whoever comes back from an OAuth provider, or by a link of another site, is not logged in"
	}
}

// meetingKeys are what Alertmanagers find each other by. Of the listen address it is the
// port, and of the peers whether there are any: a cluster that grows stays one.
var meetingKeys = []string{"unified_alerting.ha_redis_address", "unified_alerting.ha_redis_prefix", "unified_alerting.ha_redis_db",
	"unified_alerting.ha_label"}

func alertingSeen(old, now State) string {
	if old.mode() == "none" {
		return "" // nobody meets anybody yet
	}
	if a, b := old.mode(), now.mode(); a != b {
		return "unified alerting meets by " + b + ", no longer by " + a
	}
	what := differing(old, now, meetingKeys...)
	if a, b := port(old.get("unified_alerting.ha_listen_address")), port(now.get("unified_alerting.ha_listen_address")); a != b {
		what = strings.TrimPrefix(fmt.Sprintf("%s, gossip port: %s -> %s", what, word(a), word(b)), ", ")
	}
	return what
}

func port(address string) string {
	if _, p, err := net.SplitHostPort(address); err == nil {
		return p
	}
	return address
}

func tellAlerting(c *Change, _, now State, s Stakes) {
	c.Flag = "--allow-twice"
	c.Notice = "hosts of the old and of the new side do not know of each other: while both run, each notifies (" + s.counted("alert rules") +
		"), so it is not rolled; " + c.Flag + " rolls it, and alerts may be told twice meanwhile"
	if now.mode() == "none" {
		c.Way, c.Flag = AnyWay, ""
		c.Notice = "from then on every host notifies by itself (" + s.counted("alert rules") + ")"
	}
}

func alertsOffSeen(old, now State) string {
	if old.get("unified_alerting.enabled") == "true" && now.get("unified_alerting.enabled") == "false" {
		return "unified_alerting.enabled: true -> false"
	}
	return ""
}

func userSeen(old, now State) string {
	if old.User == "" || now.User == "" || old.User == now.User {
		return ""
	}
	return "paths.user: " + word(old.User) + " -> " + word(now.User)
}

func pathsSeen(old, now State) string {
	what := differing(old, now, "paths.data", "paths.logs")
	if old.Root != "" && old.Root != now.Root {
		what = strings.TrimPrefix(what+", paths.root: "+word(old.Root)+" -> "+now.Root, ", ")
	}
	return what
}

// PluginsGone are the plugins that are taken away.
func PluginsGone(old, now State) (gone []string) {
	for _, id := range old.Plugins {
		if !slices.Contains(now.Plugins, id) {
			gone = append(gone, id)
		}
	}
	return gone
}

func pluginsSeen(old, now State) string {
	if gone := PluginsGone(old, now); len(gone) > 0 {
		return "taken away: " + words(gone)
	}
	return ""
}

func tellPlugins(c *Change, old, now State, s Stakes) {
	var used []string
	for _, id := range PluginsGone(old, now) {
		for _, k := range []string{SourcesOf + id, PanelsOf + id} {
			if n := s.Now[k]; n > 0 {
				used = append(used, number(n, k))
			}
		}
	}
	c.Notice = "nothing in the database names them"
	switch {
	case s.Now == nil:
		c.Notice = "whether dashboards or data sources use them was not counted" + s.why()
	case len(used) > 0:
		c.Notice = strings.Join(used, ", ") + " stop working until they are back"
	}
}

// ProvidersGone are the ways to log in that are switched off, by section.
func ProvidersGone(old, now State) (gone []string) {
	for _, p := range old.providers() {
		if !slices.Contains(now.providers(), p) {
			gone = append(gone, p)
		}
	}
	return gone
}

func providersSeen(old, now State) string {
	if gone := ProvidersGone(old, now); len(gone) > 0 {
		return "switched off: " + strings.Join(gone, ", ")
	}
	return ""
}

func tellProviders(c *Change, old, now State, s Stakes) {
	var who []string
	for _, p := range ProvidersGone(old, now) {
		switch {
		case p == "auth.anonymous":
			who = append(who, "whoever is not logged in finds the login page")
		case p == "auth.basic":
			who = append(who, "nobody logs in with a password over the API, nor do ghadeploy's own probes that need the administrator")
		default:
			who = append(who, s.counted(UsersOf+p)+" can no longer log in that way")
		}
	}
	c.Notice = strings.Join(who, "; ")
}
