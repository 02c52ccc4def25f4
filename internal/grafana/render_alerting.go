package grafana

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const ua = "unified_alerting"

func (s *settings) alerting() {
	a, v := s.node.Alerting, s.node.Version
	if a.Legacy {
		s.legacyAlerting(a, v)
		return
	}
	if !HasUnifiedAlerting(v) {
		if a.Mode != Alone && a.Mode != "" {
			s.refuse("alerting.ha", "%w; set alerting.legacy: true for the alerting of before 8, or for one host alone alerting.ha: none",
				unknownKey(v, ua, "ha_peers"))
		}
		return
	}
	s.set(ua, "enabled", "true")
	s.want("alerting", "enabled", "false")
	switch a.Mode {
	case Gossip:
		s.gossip(a)
	case OnRedis:
		s.onRedis(a)
	case Alone, "":
		if len(a.Peers) > 1 {
			s.refuse("alerting.ha", "alerting.ha is none with %d hosts: each of them would send every notification (#53990)", len(a.Peers))
		}
	default:
		s.refuse("alerting.ha", "alerting.ha %q: want gossip, redis or none", a.Mode)
	}
	if a.Mode == Gossip || a.Mode == OnRedis {
		s.configPoll()
	}
	if a.SingleNodeEvaluation {
		if a.Mode != Gossip && a.Mode != OnRedis {
			s.refuse("unified_alerting.ha_single_node_evaluation",
				"ha_single_node_evaluation without a cluster evaluates wrongly and says nothing; it needs alerting.ha gossip or redis")
		}
		s.singleEvaluation()
	}
}

// configPoll has hosts look for changed contact points and policies more often than
// every minute, where Grafana's own pages write them to the database alone: until all
// hosts have looked, one and the same alert goes two ways. An operator's own value stays.
func (s *settings) configPoll() {
	const key = "alertmanager_config_poll_interval"
	if v := s.node.Version; !able(v, wholeAlertConfig) && !s.node.asks(ua, key) {
		s.want(ua, key, fmt.Sprintf("%.0fs", ConfigPoll(v).Seconds()))
	}
}

// singleEvaluation lets position 0 alone evaluate. Grafana 12.4 reads the key without
// documenting it, and there every host went on evaluating (#125705).
func (s *settings) singleEvaluation() {
	if !SingleEvaluation(s.node.Version) {
		s.errs = append(s.errs, unable(s.node.Version, ua, "ha_single_node_evaluation", singleEvaluation))
		return
	}
	s.set(ua, "ha_single_node_evaluation", "true")
	s.warn("alerting.single_node_evaluation: when the host that evaluates stops, no rule is evaluated until another one has taken over, " +
		"some seconds later; after a start every host may evaluate until the cluster has settled (#125705)")
}

func (s *settings) legacyAlerting(a Alerting, v Version) {
	if !HasLegacyAlerting(v) {
		s.errs = append(s.errs, unknownKey(v, "alerting", "enabled"))
		return
	}
	s.set("alerting", "enabled", "true")
	s.set("alerting", "execute_alerts", "true")
	s.want(ua, "enabled", "false")
	s.warn("legacy alerting: every node evaluates every rule; notifications are de-duplicated through the database, " +
		"best effort (#35083), and not at all on a multi-master MySQL (#13497)")
	if a.Mode == OnRedis {
		s.warn("alerting.ha redis does nothing for legacy alerting")
	}
}

// gossip writes the memberlist settings. The advertised address is always an IP
// and always written: Grafana does not resolve names here (#45060), finds no
// address on hosts without a private one, and may take the wrong one of several.
func (s *settings) gossip(a Alerting) {
	if a.Port < 1 || a.Port > 65535 {
		s.refuse("alerting.port", "alerting.port %d is no port", a.Port)
	}
	ip, err := netip.ParseAddr(s.node.PerNode.Address)
	if err != nil {
		s.refuse("hosts", "unified_alerting.ha_advertise_address needs an IP address, %q is none (Grafana does not resolve names here)",
			s.node.PerNode.Address)
		return
	}
	if ip.IsUnspecified() || ip.IsLoopback() {
		s.refuse("hosts", "unified_alerting.ha_advertise_address %s cannot be reached by the other hosts", ip)
	}
	port := strconv.Itoa(a.Port)
	listen := "0.0.0.0"
	if ip.Is6() && !ip.Is4In6() {
		listen = "::"
	}
	s.set(ua, "ha_listen_address", net.JoinHostPort(listen, port))
	s.set(ua, "ha_advertise_address", net.JoinHostPort(ip.WithZone("").String(), port))
	if len(a.Peers) == 0 {
		s.refuse("hosts", "unified_alerting.ha_peers is empty: without peers every node notifies on its own (#53990)")
	}
	for _, p := range a.Peers {
		if _, _, err := net.SplitHostPort(p); err != nil {
			s.refuse("hosts", "unified_alerting.ha_peers: %q is not host:port", p)
		}
	}
	s.set(ua, "ha_peers", strings.Join(a.Peers, ","))
	s.want(ua, "ha_label", a.Label)
	s.duration("ha_peer_timeout", a.PeerTimeout)
	s.duration("ha_gossip_interval", a.GossipInterval)
	s.duration("ha_push_pull_interval", a.PushPullInterval)
	s.duration("ha_reconnect_timeout", a.ReconnectTimeout)
}

var grafanaDuration = regexp.MustCompile(`^(\d+(ms|s|m|h|d|w))+$`)

func (s *settings) duration(key, value string) {
	if value != "" && !grafanaDuration.MatchString(value) {
		s.refuse(ua+"."+key, "unified_alerting.%s %q is no duration like 15s or 200ms", key, value)
	}
	s.set(ua, key, value)
}

// onRedis writes the Redis settings. Prefix and peer name are always written:
// without a prefix the members are all keys of the database, with the default
// peer name a killed node haunts the cluster, and two equal ones notify twice.
func (s *settings) onRedis(a Alerting) {
	r := a.Redis
	for what, value := range map[string]string{
		"ha_redis_address": r.Address, "ha_redis_prefix": r.Prefix, "ha_redis_peer_name": s.node.PerNode.RedisPeerName,
	} {
		if value == "" {
			s.refuse(ua+"."+what, "unified_alerting.%s must be set when alerting meets on Redis", what)
		}
	}
	s.set(ua, "ha_redis_address", r.Address)
	s.set(ua, "ha_redis_prefix", r.Prefix)
	s.set(ua, "ha_redis_peer_name", s.node.PerNode.RedisPeerName)
	s.set(ua, "ha_redis_username", r.Username)
	s.secret(ua, "ha_redis_password", r.Password)
	if r.DB != 0 {
		s.set(ua, "ha_redis_db", strconv.Itoa(r.DB))
	}
	if r.MaxConns != 0 {
		s.set(ua, "ha_redis_max_conns", strconv.Itoa(r.MaxConns))
	}
	s.duration("ha_peer_timeout", a.PeerTimeout)
	s.redisTLS(r)
	s.redisTopology(r)
}

func (s *settings) redisTLS(r Redis) {
	if !r.TLS {
		return
	}
	s.set(ua, "ha_redis_tls_enabled", "true")
	s.set(ua, "ha_redis_tls_ca_path", r.CACert)
	s.set(ua, "ha_redis_tls_cert_path", r.Cert)
	s.set(ua, "ha_redis_tls_key_path", r.Key)
	s.set(ua, "ha_redis_tls_server_name", r.ServerName)
	s.set(ua, "ha_redis_tls_min_version", r.MinVersion)
	if r.InsecureSkipVerify {
		s.set(ua, "ha_redis_tls_insecure_skip_verify", "true")
		s.warn("unified_alerting.ha_redis_tls_insecure_skip_verify: anyone in between can read and forge notifications state")
	}
}

func (s *settings) redisTopology(r Redis) {
	const redis = "alerting.redis"
	switch {
	case r.Cluster && r.SentinelMaster != "":
		s.refuse(redis, "alerting on Redis: cluster and sentinel exclude each other; Grafana refuses to start")
	case r.Cluster:
		s.set(ua, "ha_redis_cluster_mode_enabled", "true")
	case r.SentinelMaster != "":
		s.set(ua, "ha_redis_sentinel_mode_enabled", "true")
		s.set(ua, "ha_redis_sentinel_master_name", r.SentinelMaster)
		s.set(ua, "ha_redis_sentinel_username", r.SentinelUsername)
		s.secret(ua, "ha_redis_sentinel_password", r.SentinelPassword)
	case strings.Contains(r.Address, ","):
		s.refuse(redis, "alerting on Redis: several addresses need redis.cluster or redis.sentinel")
	}
}

// PeerTimeout is how long a node waits for each position before its own until it
// notifies in another's stead: the setting, or Grafana's default of
// unified_alerting.ha_peer_timeout, 15 s.
func PeerTimeout(setting string) time.Duration {
	d, err := time.ParseDuration(setting)
	if err != nil || d <= 0 {
		return 15 * time.Second
	}
	return d
}

// ConfigPoll is how often a host of a cluster looks for contact points and policies that
// were changed on another one, where the operator says nothing:
// unified_alerting.alertmanager_config_poll_interval.
func ConfigPoll(v Version) time.Duration {
	if v.IsZero() || able(v, wholeAlertConfig) {
		return time.Minute // Grafana's own
	}
	return 20 * time.Second
}
