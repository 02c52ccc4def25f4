package inventory

// table is the whole inventory as one item. doc strings may hold several
// lines; they are what `ghadeploy docs` prints and what an editor shows.
func table() *item {
	t := tables{newFormats()}
	return section("One cluster of Grafana hosts. Keys that start with x- are free for anchors.",
		key(extendsKey, text("A file with what several inventories share: any section but cluster, hosts and groups. It may extend another.\n"+
			"This file wins: maps merge key by key; lists, single values, load_balancer.hosts and artifact.sha256 replace; an empty key takes one away.\n"+
			"Paths and references in it are relative to it.").with("", "../defaults.yaml")),
		required("cluster", formatted(t.name, "Names the lock, the alerting label and the Redis prefixes.").with("", "prod")),
		key("ssh", t.ssh("How hosts are reached; defaults for every host. ~/.ssh/config is honoured.")),
		required("hosts", t.hosts("Every host here runs Grafana. Names may hold ranges: g[01:12].example.com, r[a:c]n[1:9:2].")),
		key("groups", t.groups()),
		required("grafana", t.grafana()),
		required("database", t.database()),
		key("remote_cache", t.remoteCache()),
		key("alerting", t.alerting()),
		key("live", t.live()),
		key("load_balancer", t.loadBalancer()),
		key("rollout", t.rollout()),
		key("hooks", t.hooks()),
		key("notify", t.notify()),
		key("paths", t.paths()),
		key("keep_releases", number("Generations that stay on a host besides what is current, previous or running.", "3", 1, 100)),
	)
}

// exampleSum is the checksum of nothing at all, so that nobody takes it for a real one.
const exampleSum = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// tables builds the parts of the table.
type tables struct{ *formats }

func (t tables) ssh(doc string) *item {
	identity := &item{kind: textKind, local: localPath}
	return section(doc,
		key("user", text("Login user.").with("as ~/.ssh/config says", "ops")),
		key("port", number("Port of sshd.", "22", 1, 65535)),
		key("identity_files", list("Private keys, tried besides the agent.", identity).with("as ~/.ssh/config says", "[~/.ssh/id_ed25519]")),
		key("password", secret("Login password, where keys are not to be had.").with("", `"${env:SSH_PASSWORD}"`)),
		key("known_hosts", either("File or list of files with the hosts' keys.", &item{kind: textKind, local: localPath}, list("", identity)).with("~/.ssh/known_hosts", "")),
		key("host_keys", formatted(t.fingerprint, "strict refuses an unknown key, accept-new learns it; a host's own fingerprint pins it.").with("strict", "")),
		key("legacy_algorithms", toggle("Also offer this host, and its jump hosts, algorithms with SHA-1, for a sshd of before 2014; last, and never DSA, RC4 or groups below 2048 bits.", "false")),
		key("proxy_jump", either("Jump hosts, user@host:port, outermost first: a comma-separated chain or a list. none overrides ~/.ssh/config.",
			text(""), list("", text(""))).with("as ~/.ssh/config says", "bastion.example.com")),
		key("proxy_command", (&item{kind: textKind, command: true, doc: "A command on this machine whose input and output are the connection, with %h, %p, %r, %n; in place of jump hosts. none overrides ~/.ssh/config."}).
			with("as ~/.ssh/config says", `"ssh -W %h:%p bastion.example.com"`)),
		key("connect_timeout", formatted(t.duration, "Longest wait for connect and handshake.").with("10s", "")),
		key("become", section("How the login user becomes root; not needed for root.",
			key("method", choice("", "sudo", "sudo", "doas", "none")),
			key("password", secret("For sudo or doas; goes to its standard input.").with("", `"${env:SUDO_PASSWORD}"`)),
		)),
	)
}

func (t tables) config(doc string) *item {
	return &item{kind: configKind, doc: doc, names: t.iniName, example: "{smtp: {enabled: true}}"}
}

func (t tables) env(doc string) *item {
	return mapping(doc, t.envName, &item{kind: scalarKind}).with("", `{HTTPS_PROXY: "http://proxy:3128"}`)
}

// overrides are the keys that cluster, groups and hosts share.
func (t tables) overrides() []field {
	return []field{
		key("config", t.config("Settings of grafana.ini for these hosts; over those of the cluster, key by key. Null leaves a key out.")),
		key("env", t.env("Environment of the Grafana process; over that of the cluster, name by name.")),
		key("ssh", t.ssh("As the section ssh of the cluster, over it key by key.")),
	}
}

func (t tables) hosts(doc string) *item {
	host := section("One host; every key may be left out.", append([]field{
		key("address", formatted(t.address, "Host name or IP that ghadeploy and the other hosts reach it at. With a range in the name, a range of the same size.").with("the name", "10.0.0.11")),
		key("labels", t.labels()),
	}, t.overrides()...)...)
	hosts := mapping(doc, t.hostName, host)
	hosts.nonEmpty = true
	return hosts.with("", "{g1: {address: 10.0.0.11}, g2: {}}")
}

func (t tables) labels() *item {
	return mapping("Free labels, for --limit rack=b and rollout.batch_label.", t.label, &item{kind: scalarKind}).with("", "{rack: b}")
}

func (t tables) groups() *item {
	hosts := list("Names of hosts; ranges are fine.", formatted(t.hostName, "")).with("", "[g1, g2]")
	hosts.nonEmpty = true
	group := section("", append([]field{
		required("hosts", hosts),
		key("labels", t.labels()),
	}, t.overrides()...)...)
	return mapping("Named sets of hosts with overrides. A later group wins over an earlier one, a host over its groups.",
		t.name, group).with("", "{rack-b: {hosts: [g2], config: {server: {http_port: 3001}}}}")
}

func (t tables) grafana() *item {
	source := text("Path, or URL, of the release archive; {version}, {arch} and {os} are filled in for each host.").with("", "./grafana-{version}.linux-{arch}.tar.gz")
	checksum := formatted(t.sha256, "")
	return section("What runs on the hosts.",
		required("version", formatted(t.version, "Version of Grafana.").with("", `"12.3.1"`)),
		required("artifact", section("Where the release comes from.",
			required("source", source),
			key("sha256", either("Checksum of the archive: one, or a map by architecture.", checksum, mapping("", t.label, checksum)).
				with("", "{amd64: "+exampleSum+"}")),
			key("delivery", choice("push uploads it over SSH; pull lets each host download the URL and verify it.", "push", "push", "pull")),
		)),
		key("root_url", formatted(t.url, "What users type; the same for all hosts.").with("", "https://grafana.example.com/")),
		required("secret_key", secret("Signs sessions and encrypts data source secrets; the same on all hosts.").with("", `"${file:secrets/secret_key}"`)),
		key("admin", section("Grafana's first administrator.",
			key("user", text("").with("admin", "")),
			key("password", secret("").with("", `"${cmd:op read op://ops/grafana/admin}"`)),
		)),
		key("config", t.config("Anything else that belongs in grafana.ini: section -> key -> value.")),
		key("env", t.env("Environment of the Grafana process.")),
		key("plugins", list("Plugin archives that every host gets.", section("",
			required("id", formatted(t.name, "").with("", "grafana-clock-panel")),
			key("version", text("").with("", `"2.1.8"`)),
			required("source", (&item{kind: textKind, doc: "Path or URL of the zip.", local: localArchive}).with("", "./plugins/clock.zip")),
			key("sha256", formatted(t.sha256, "Checksum of the zip.").with("", exampleSum)),
			key("unsigned", toggle("Load it without a signature.", "false")),
		))),
		key("provisioning", (&item{kind: textKind, doc: "A tree of data sources, dashboards and alerting, copied into the generation.", local: localDir}).with("", "./provisioning")),
		key("ldap", file("An ldap.toml.").with("", "./ldap.toml")),
		key("tls", section("Makes Grafana serve HTTPS itself.",
			required("cert", file("Certificate chain, PEM.").with("", "./tls/grafana.crt")),
			required("key", file("Private key, PEM.").with("", "./tls/grafana.key")),
		)),
		key("renderer", section("A remote image renderer.",
			required("server_url", formatted(t.url, "").with("", "http://renderer.example.com:8081/render")),
			key("callback_url", formatted(t.url, "How the renderer reaches Grafana.").with("grafana.root_url", "")),
			key("token", secret("").with("", `"${env:RENDERER_TOKEN}"`)),
		)),
		key("files", mapping("Further files shipped to etc/: name there -> local file.", t.relative, &item{kind: textKind, local: localFile}).with("", "{saml.xml: ./saml.xml}")),
	)
}

func (t tables) database() *item {
	return section("The database that all hosts share.",
		required("type", choice("mysql is MariaDB too; sqlite3 is for a single host.", "", "postgres", "mysql", "sqlite3").with("", "postgres")),
		key("host", formatted(t.hostPort, "One writer; the port defaults to 5432 or 3306.").with("", "db.example.com:5432")),
		key("name", text("").with("grafana", "")),
		key("user", text("").with("grafana", "")),
		key("password", secret("").with("", `"${env:GRAFANA_DB_PASSWORD}"`)),
		key("ssl_mode", choice("postgres: disable, require, verify-ca, verify-full; mysql: true, false, skip-verify.", "",
			"disable", "allow", "prefer", "require", "verify-ca", "verify-full", "true", "false", "skip-verify").with("as Grafana's default", "verify-full")),
		key("ca_cert", file("CA certificate, PEM.").with("", "./tls/db-ca.crt")),
		key("client_cert", file("Client certificate, PEM.").with("", "./tls/db-client.crt")),
		key("client_key", file("Client key, PEM.").with("", "./tls/db-client.key")),
		key("server_name", text("Name in the server's certificate (mysql).").with("", "db.example.com")),
		key("max_open_conn", number("Connections per host; 0 is unlimited, 1 deadlocks Grafana's migrations.", "25", 0, 100000)),
		key("max_idle_conn", number("Connections that are kept while idle; with fewer, a burst logs in anew for most queries. 0: Grafana's default, 2.", "10", 0, 100000)),
		key("conn_max_lifetime", number("Seconds; 0: Grafana's default.", "0", 0, 31536000)),
		key("create", section("Makes role and database when they are absent.",
			required("user", text("A database administrator.").with("", "postgres")),
			key("password", secret("").with("", `"${env:PGPASSWORD}"`)),
		)),
		key("backup", section("The dump that is taken before a version change.",
			key("on", text("Name of the host that dumps; operator: this machine, through a host.").with("the first host that has the tools, or else this machine", "g1")),
			key("keep", number("Dumps kept.", "5", 1, 1000)),
			key("command", &item{kind: textKind, command: true, doc: "Replaces the built-in dump; run by sh on that host.", example: "/usr/local/bin/dump-grafana"}),
			key("dir", formatted(t.path, "Where dumps lie on the host; with on: operator, on this machine.").with("/var/lib/ghadeploy/backups", "")),
		)),
		key("rehearsal", text("An empty database on the same server, of the same user, that upgrades are rehearsed in; without it create makes one and drops it.").with("", "grafana_rehearsal")),
	)
}
