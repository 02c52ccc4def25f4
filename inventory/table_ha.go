package inventory

func (t tables) redis(doc string) *item {
	return section(doc,
		key("address", formatted(t.hostList, "host:port; several separated by commas for Cluster and Sentinel.").with("", `"redis.example.com:6379"`)),
		key("username", text("").with("", "grafana")),
		key("password", secret("").with("", `"${env:REDIS_PASSWORD}"`)),
		key("db", number("", "0", 0, 1000000)),
		key("prefix", formatted(t.prefix, "Keeps clusters on one Redis apart.").with("the cluster's name, in braces with cluster: true", "")),
		key("tls", section("Turns TLS on; {} is enough for a certificate that the system trusts.",
			key("ca_cert", file("").with("", "./tls/redis-ca.crt")),
			key("cert", file("Client certificate, PEM.").with("", "./tls/redis.crt")),
			key("key", file("Client key, PEM.").with("", "./tls/redis.key")),
			key("server_name", text("").with("", "redis.example.com")),
			key("min_version", choice("", "", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13").with("", "VersionTLS12")),
			key("insecure_skip_verify", toggle("Trusts any certificate.", "false")),
		)),
		key("cluster", toggle("address is a Redis Cluster.", "false")),
		key("sentinel", section("address are Sentinels.",
			key("master", text("Name of the master.").with("", "mymaster")),
			key("username", text("").with("", "sentinel")),
			key("password", secret("").with("", `"${env:SENTINEL_PASSWORD}"`)),
		)),
		key("max_conns", number("Connections per host; 0: Grafana's default.", "0", 0, 100000)),
	)
}

func (t tables) remoteCache() *item {
	return section("Grafana's [remote_cache].",
		key("type", choice("", "", "database", "redis").with("database", "redis")),
		key("redis", t.redis("Needed with type: redis.")),
	)
}

func (t tables) alerting() *item {
	span := func(doc, example string) *item {
		return formatted(t.duration, doc).with("as Grafana's default", example)
	}
	return section("How the Alertmanagers of the hosts find each other, so that an alert is notified once.",
		key("ha", choice("none is for one host only.", "", "gossip", "redis", "none").with("gossip; none with one host", "gossip")),
		key("port", number("Of gossip, TCP and UDP between all hosts.", "9094", 1, 65535)),
		key("redis", t.redis("Needed with ha: redis.")),
		key("legacy", toggle("The alerting of Grafana before 9 instead of unified alerting.", "false")),
		key("label", formatted(t.label2, "Separates clusters that share a network.").with("the cluster's name", "")),
		key("peer_timeout", span("Wait per position before a host notifies in another's stead.", "15s")),
		key("group_interval", formatted(t.settle, "Longest group_interval of the notification policies: no host is stopped while an alert that resolved may not be told yet. auto reads it from the database; 0s: not waited for.").with("auto", "5m")),
		key("gossip_interval", span("", "200ms")),
		key("push_pull_interval", formatted(t.duration, "How often two hosts compare what they have told. Grafana's 60s leaves a host that was restarted without it.").with("10s", "")),
		key("reconnect_timeout", span("When a lost peer is forgotten (newer versions).", "6h")),
		key("single_node_evaluation", toggle("Only one host evaluates rules (13 and later).", "false")),
	)
}

func (t tables) live() *item {
	return section("Grafana Live over several hosts.",
		key("redis", t.redis("Without it Live stays on each host alone.")),
		key("prefix", formatted(t.prefix, "Same as redis.prefix; for versions that know ha_prefix.").with("the cluster's name", "")),
		key("max_connections", number("WebSockets per host; size it for one host less. 0: Grafana's default.", "0", 0, 10000000)),
		key("allowed_origins", list("Origins besides that of root_url.", text("")).with("", `["https://grafana.example.com"]`)),
	)
}

func (t tables) loadBalancer() *item {
	lb := t.hosts("Where the balancer runs; same keys as under hosts.")
	lb.nonEmpty = false
	lb.example = "{lb1: {address: 10.0.0.5}}"
	shell := func(doc, example string) *item {
		return &item{kind: textKind, command: true, local: localProgram, doc: doc, example: example}
	}
	return section("What stands before the hosts and is told when one of them is about to stop.",
		key("type", choice("command runs drain, undrain and status; none waits check_interval instead.", "none", "haproxy", "nginx", "command", "none").with("none", "haproxy")),
		key("hosts", lb),
		key("backend", formatted(t.label, "HAProxy backend or nginx upstream.").with("grafana", "")),
		key("manage", toggle("Write the backend too; false: only drain and undrain.", "false")),
		key("socket", text("HAProxy stats socket: a path, or host:port.").with("found in haproxy.cfg", "/run/haproxy/admin.sock")),
		key("config", formatted(t.path, "Configuration file on the balancer.").with("by type", "/etc/haproxy/haproxy.cfg")),
		key("url", formatted(t.url, "Reaches Grafana through the balancer.").with("grafana.root_url", "")),
		key("drain", shell("Run on the operator's machine with GHADEPLOY_HOST, _ADDRESS and _PORT set.", "./lb.sh drain")),
		key("undrain", shell("As drain, when the host serves again.", "./lb.sh undrain")),
		key("status", shell("As drain; prints up or drained.", "./lb.sh status")),
		key("check_interval", formatted(t.duration, "The balancer's health check interval times its fall count.").with("", "6s")),
	)
}

func (t tables) rollout() *item {
	size := func() *item {
		return either("", &item{kind: integerKind, min: 1, max: 100000}, formatted(t.size, ""))
	}
	batch := either("Hosts at a time: a number, a percentage, or a list of sizes of which the last repeats.", size().either[0], size().either[1], list("", size()))
	batch.either[2].nonEmpty = true
	unavailable := size()
	unavailable.doc = "Hard cap on hosts that are down at once, however large a batch is."
	return section("How changes reach the hosts.",
		key("batch", batch.with("1", `[1, "25%"]`)),
		key("batch_label", formatted(t.label, "Batches are the hosts with one value of this label.").with("", "rack")),
		key("max_unavailable", unavailable.with("1", "")),
		key("canary", toggle("One host first, watched for bake.", "false")),
		key("pause_after", number("Ask for confirmation after so many hosts; 0: never.", "0", 0, 100000)),
		key("bake", formatted(t.duration, "How long the canary is watched.").with("0s", "5m")),
		key("drain", formatted(t.duration, "Longest wait for requests in flight.").with("10s", "")),
		key("settle", formatted(t.settle, "Pause between turns; auto waits until the host notifies again, 10 to 30 s. Not counted is alerting.group_interval.").with("auto", "")),
		key("gate_timeout", formatted(t.duration, "Deadline of each gate.").with("2m", "")),
		key("start_timeout", formatted(t.duration, "Deadline of a start, migrations included.").with("30m", "")),
		key("on_failure", choice("rollback puts the failed host back when no migration ran.", "rollback", "rollback", "stop", "continue")),
		key("major", choice("A new major version: the first host takes over when it is ready (handover), or all but one are stopped before (one-first).", "auto", "auto", "handover", "one-first")),
		key("rehearse", choice("An upgrade first on a copy of the database: where a major version or a one-way step is crossed and it can be done (auto), of every upgrade, or never.", "auto", "auto", "always", "never")),
	)
}

func (t tables) hooks() *item {
	hook := func(name, doc string) field {
		return key(name, (&item{kind: textKind, command: true, local: localProgram, doc: doc}).with("", "./hooks/"+name+".sh"))
	}
	return section("Commands on the operator's machine, run by sh; each gets JSON on standard input.",
		hook("before_run", "Before anything is changed; a failure ends the run."),
		hook("after_run", "After the run, however it ended."),
		hook("before_host", "Before a host's turn; a failure ends the rollout."),
		hook("after_host", "After a host's turn that succeeded."),
		hook("on_failure", "When the run failed."),
		hook("on_rollback", "Before a host whose turn failed is put back."),
	)
}

func (t tables) notify() *item {
	return list("Who is told how a run goes.", section("",
		required("type", choice("annotation marks the rollout on the deployed cluster.", "", "webhook", "slack", "annotation").with("", "slack")),
		key("url", secret("Of the webhook.").with("", `"${env:SLACK_WEBHOOK}"`)),
		key("on", list("Which events; all when left out.", choice("", "", "start", "success", "failure")).with("all", "[failure]")),
	))
}

func (t tables) paths() *item {
	p := func(name, def, doc string) field { return key(name, formatted(t.path, doc).with(def, "")) }
	return section("Where things lie on a host.",
		p("root", "/opt/grafana", "Releases and generations."),
		p("data", "/var/lib/grafana", "Grafana's own data; never touched by a deploy."),
		p("logs", "/var/log/grafana", ""),
		p("etc", "/etc/grafana", "Link to the current configuration."),
		p("state", "/var/lib/ghadeploy", "Journal, lock and dumps."),
		key("service", formatted(t.unit, "systemd unit, without .service.").with("grafana-server", "")),
		key("user", formatted(t.unit, "System user; made when it is not there.").with("grafana", "")),
		key("group", formatted(t.group, "System group that Grafana runs with, and that may read its configuration.").with("the user's primary group", "grafana")),
	)
}
