package grafana

import (
	"net/url"
	"path"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"
)

// publicSecretKey is the secret_key of every defaults.ini since 2014.
const publicSecretKey = "SW2YcwTIb9zpOOhoPsMm"

func (s *settings) http() {
	h := s.node.HTTP
	s.set(ini.DefaultSection, "instance_name", s.node.PerNode.InstanceName)
	protocol := h.Protocol
	if protocol == "" {
		protocol = "http"
	}
	if protocol != "http" && protocol != "https" && protocol != "h2" {
		s.refuse("server.protocol", "server.protocol %q cannot be gated over TCP; use http, https or h2", protocol)
	}
	if (protocol == "https" || protocol == "h2") && (h.CertFile == "" || h.KeyFile == "") {
		s.refuse("server.protocol", "server.protocol is %s, but there is no certificate and key", protocol)
	}
	s.set("server", "protocol", protocol)
	s.set("server", "http_addr", h.Addr)
	if h.Port < 1 || h.Port > 65535 {
		s.refuse("server.http_port", "server.http_port %d is no port", h.Port)
	}
	s.set("server", "http_port", strconv.Itoa(h.Port))
	s.set("server", "cert_file", h.CertFile)
	s.set("server", "cert_key", h.KeyFile)
	s.rootURL(h)
}

func (s *settings) rootURL(h HTTP) {
	if h.RootURL == "" {
		s.set("server", "domain", h.Domain)
		return
	}
	u, err := url.Parse(h.RootURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		s.refuse("grafana.root_url", "server.root_url %q is no http or https URL", h.RootURL)
		return
	}
	domain := h.Domain
	if domain == "" {
		domain = u.Hostname()
	}
	s.set("server", "domain", domain)
	s.set("server", "root_url", h.RootURL)
	if h.ServeFromSubPath {
		s.set("server", "serve_from_sub_path", "true")
	} else if strings.Trim(u.Path, "/") != "" {
		s.warn("server.root_url has the path %s and serve_from_sub_path is off: the load balancer must strip it", u.Path)
	}
	if u.Scheme == "https" {
		s.node.Security.CookieSecure = true
	}
}

func (s *settings) security() {
	sec := s.node.Security
	switch sec.SecretKey {
	case "":
		s.refuse("security.secret_key", "security.secret_key is not set; without one of its own every Grafana uses the same public key")
	case publicSecretKey:
		s.refuse("security.secret_key", "security.secret_key is the public default of every Grafana; make one with `openssl rand -base64 32`")
	}
	s.secret("security", "secret_key", sec.SecretKey)
	s.set("security", "admin_user", sec.AdminUser)
	s.secret("security", "admin_password", sec.AdminPassword)
	s.set("security", "cookie_secure", strconv.FormatBool(sec.CookieSecure))
}

// rest are paths, plugins and the renderer.
func (s *settings) rest() {
	p := s.node.Paths
	for key, value := range map[string]string{"data": p.Data, "logs": p.Logs, "plugins": p.Plugins, "provisioning": p.Provisioning} {
		if value != "" && !path.IsAbs(value) {
			s.refuse("paths."+key, "paths.%s %q is not absolute", key, value)
		}
		s.set("paths", key, value)
	}
	// Plugins belong to the generation: one that a user installs on one node
	// would be missing on the others (#36111, #37935), and the default preinstall
	// calls grafana.com at every start.
	s.want("plugins", "plugin_admin_enabled", "false")
	s.want("plugins", "preinstall_disabled", "true")
	s.set("plugins", "allow_loading_unsigned_plugins", strings.Join(s.node.UnsignedPlugins, ","))

	r := s.node.Renderer
	s.set("rendering", "server_url", r.ServerURL)
	s.set("rendering", "callback_url", r.CallbackURL)
	s.secret("rendering", "renderer_token", r.Token)
	if r.ServerURL != "" && r.Token == "" && s.isKnown("rendering", "renderer_token") {
		s.warn("rendering.renderer_token is not set: the renderer accepts the default token \"-\" from anyone")
	}
}
