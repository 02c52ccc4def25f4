package grafana

import (
	"net/url"
	"strconv"
	"strings"
)

// cache writes [remote_cache]. Its Redis is one "key=value,key=value" string
// with no escapes, and TLS trusts the system's CAs only (pkg/infra/remotecache).
func (s *settings) cache() {
	c := s.node.Cache
	if c.Type == "" {
		return
	}
	s.set("remote_cache", "type", c.Type)
	if c.Type != "redis" {
		return
	}
	r := c.Redis
	for what, v := range map[string]string{"address": r.Address, "password": r.Password, "username": r.Username} {
		if strings.Contains(v, ",") {
			s.refuse("remote_cache.redis", "remote_cache: the Redis %s holds a comma, at which Grafana cuts remote_cache.connstr", what)
		}
	}
	switch {
	case r.Address == "":
		s.refuse("remote_cache.redis", "remote_cache.redis.address must be set")
	case r.Cluster || r.SentinelMaster != "":
		s.refuse("remote_cache.redis", "remote_cache: Grafana's cache speaks to a single Redis; cluster and sentinel are not supported")
	case r.TLS && (r.CACert != "" || r.Cert != ""):
		s.refuse("remote_cache.redis",
			"remote_cache: Grafana's cache trusts the system's CAs only; put the CA into the host's trust store and drop ca_cert")
	}
	s.put("remote_cache", "connstr", setting{value: s.connstr(r), secret: r.Password != ""})
	s.want("remote_cache", "prefix", r.Prefix)
}

// connstr is remote_cache.connstr. The password stands in the middle, where no
// trimming can reach it.
func (s *settings) connstr(r Redis) string {
	parts := []string{"addr=" + r.Address}
	if r.Username != "" {
		if !able(s.node.Version, cacheUsername) {
			s.errs = append(s.errs, unable(s.node.Version, "remote_cache", "connstr (username)", cacheUsername))
		}
		parts = append(parts, "username="+r.Username)
	}
	if r.Password != "" {
		parts = append(parts, "password="+r.Password)
	}
	parts = append(parts, "db="+strconv.Itoa(r.DB))
	if r.MaxConns > 0 {
		parts = append(parts, "pool_size="+strconv.Itoa(r.MaxConns))
	}
	if r.TLS {
		mode := "true"
		if r.InsecureSkipVerify {
			mode = "insecure"
		}
		parts = append(parts, "ssl="+mode)
	}
	return strings.Join(parts, ",")
}

// live writes [live]. Before 13.3 Live speaks to one plain Redis without user
// name, database number or TLS.
func (s *settings) live() {
	l := s.node.Live
	if l.MaxConnections != 0 {
		s.set("live", "max_connections", strconv.Itoa(l.MaxConnections))
	}
	s.set("live", "allowed_origins", strings.Join(l.AllowedOrigins, ","))
	r := l.Redis
	if r.Address == "" {
		return
	}
	s.set("live", "ha_engine", "redis")
	if r.Cluster || r.SentinelMaster != "" || strings.Contains(r.Address, ",") {
		s.refuse("live.redis",
			"live.redis: Grafana Live speaks to a single Redis; put a proxy that follows the master in front of cluster or sentinel")
		return
	}
	if r.Username != "" || r.TLS || r.DB != 0 {
		s.liveURL(r)
	} else {
		s.set("live", "ha_engine_address", r.Address)
		s.secret("live", "ha_engine_password", r.Password)
	}
	if s.isKnown("live", "ha_prefix") {
		s.set("live", "ha_prefix", r.Prefix)
	} else {
		s.warn("live: Grafana %s has no live.ha_prefix (since 11.3.0); clusters that share this Redis would mix their Live messages, whatever the database number", s.node.Version)
	}
}

func (s *settings) liveURL(r Redis) {
	if !able(s.node.Version, liveURL) {
		s.errs = append(s.errs, unable(s.node.Version, "live", "ha_engine_address with user name, TLS or database number", liveURL))
		return
	}
	if r.CACert != "" || r.Cert != "" || r.InsecureSkipVerify {
		s.refuse("live.redis", "live.redis: Grafana Live trusts the system's CAs only; put the CA into the host's trust store")
	}
	u := url.URL{Scheme: "redis", Host: r.Address}
	if r.TLS {
		u.Scheme = "rediss"
	}
	if r.Username != "" || r.Password != "" {
		u.User = url.UserPassword(r.Username, r.Password)
	}
	if r.DB != 0 {
		u.Path = "/" + strconv.Itoa(r.DB)
	}
	s.put("live", "ha_engine_address", setting{value: u.String(), secret: r.Password != ""})
}
