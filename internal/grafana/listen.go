package grafana

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Listen is where a Grafana answers, as [server] of its grafana.ini says.
type Listen struct {
	Protocol string // http, https or h2
	// Addr is an IP address without brackets, or a name; empty: all addresses.
	Addr string
	Port int
}

// DefaultListen is what Grafana does without [server].
func DefaultListen() Listen { return Listen{Protocol: "http", Port: 3000} }

// ParseListen reads protocol, http_addr and http_port; empty ones are Grafana's
// defaults. Errors: a port that is none, a protocol that has no port (socket), an
// address that is neither an IP address nor a name. What could be read is returned
// beside them.
func ParseListen(protocol, addr, port string) (Listen, error) {
	l := DefaultListen()
	var errs []error
	if protocol != "" {
		l.Protocol = protocol
	}
	if protocol == "socket" || protocol == "socket_h2" {
		errs = append(errs, fmt.Errorf("server.protocol %s has no port", protocol))
	}
	var err error
	if l.Addr, err = ParseAddr(addr); err != nil {
		errs = append(errs, err)
	}
	if port != "" {
		if l.Port, err = ParsePort(port); err != nil {
			l.Port = DefaultListen().Port
			errs = append(errs, err)
		}
	}
	return l, errors.Join(errs...)
}

var portDigits = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)

// ParsePort reads http_port. Grafana hands the text to the listener as it is, so
// blanks, signs and leading zeros are errors here. 0 would be another port at every start.
func ParsePort(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || !portDigits.MatchString(s) || n > 65535 {
		return 0, fmt.Errorf("server.http_port %q is not a port: digits only, 1 to 65535", s)
	}
	return n, nil
}

// hostName is what DNS calls one, an underscore allowed.
var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$`)

// ParseAddr reads http_addr: one IP address has one form, without brackets and as
// short as can be, however it is written. A name stays as it is.
func ParseAddr(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if ip, err := netip.ParseAddr(bare); err == nil {
		if ip.Zone() != "" || ip.Is6() && ip.IsLinkLocalUnicast() {
			return s, fmt.Errorf("server.http_addr %q is a link-local address, which others reach by a zone of their own only: use a global or a unique local one (fd00::/8)", s)
		}
		return ip.String(), nil
	}
	if bare != s || !hostName.MatchString(s) || dottedNumbers.MatchString(s) {
		return s, fmt.Errorf("server.http_addr %q is not an IP address", s)
	}
	return s, nil
}

// dottedNumbers looks like an IPv4 address; one that is none is a mistake, not a name.
var dottedNumbers = regexp.MustCompile(`^[0-9.]+$`)

// IsAll tells whether Grafana answers at all addresses of its host.
func (l Listen) IsAll() bool {
	ip, err := netip.ParseAddr(l.Addr)
	return l.Addr == "" || err == nil && ip.IsUnspecified()
}

// IsLoopback tells whether only the host itself reaches it.
func (l Listen) IsLoopback() bool {
	ip, err := netip.ParseAddr(l.Addr)
	return err == nil && ip.IsLoopback() || strings.EqualFold(l.Addr, "localhost")
}

// Scheme is that of its URLs: h2 is https.
func (l Listen) Scheme() string {
	if l.Protocol == "https" || l.Protocol == "h2" {
		return "https"
	}
	return "http"
}

// Local is host:port where the host itself reaches it.
func (l Listen) Local() string {
	addr := l.Addr
	if l.IsAll() {
		addr = "127.0.0.1"
	}
	return net.JoinHostPort(addr, strconv.Itoa(l.Port))
}

// LocalURL is its address for programs on the host, without a path.
func (l Listen) LocalURL() string { return l.Scheme() + "://" + l.Local() }

// At is host:port where others reach it on a host of that address.
func (l Listen) At(host string) string {
	if !l.IsAll() {
		host = l.Addr
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(l.Port))
}

// spellAddr is http_addr as a version wants it. Up to 11.0 an IPv6 address stands in
// brackets: 6.7 puts the port behind it as it is (pkg/api/http_server.go), 10.3
// does so for its API server (pkg/services/grafana-apiserver/config.go, host) and
// strips the brackets for the listener. From 11.1 on the API server takes a bare
// address and nothing else (pkg/services/apiserver/config.go, net.ParseIP).
func spellAddr(v Version, addr string) string {
	if ip, err := netip.ParseAddr(addr); err == nil && ip.Is6() && !v.AtLeast(release(11, 1, 0)) {
		return "[" + addr + "]"
	}
	return addr
}

// takesName tells whether a version starts with a name as http_addr.
func takesName(v Version) bool { return !v.AtLeast(release(11, 1, 0)) }

// listenKey judges and spells where an operator has Grafana listen; other keys stay as
// they are.
func (s *settings) listenKey(section string, k Key) (Key, bool) {
	full := section + "." + k.Name
	switch full {
	case "server.http_port":
		if _, err := ParsePort(k.Value); err != nil {
			s.refuse(full, "%w", err)
			return k, false
		}
	case "server.http_addr":
		addr, err := ParseAddr(k.Value)
		if err != nil {
			s.refuse(full, "%w", err)
			return k, false
		}
		_, notIP := netip.ParseAddr(addr)
		if notIP != nil && !takesName(s.node.Version) {
			s.refuse(full, "server.http_addr %q is a name: Grafana %s does not start with one (since 11.1.0); write an IP address", addr,
				s.node.Version)
			return k, false
		}
		if strings.Contains(addr, "%") {
			s.refuse(full, "server.http_addr %q has a zone, which Grafana does not take; write an address without one", addr)
			return k, false
		}
		k.Value = spellAddr(s.node.Version, addr)
	}
	return k, true
}

// listenWarnings say who cannot reach a Grafana that listens at one address.
func (s *settings) listenWarnings() {
	l, err := ParseListen("", s.get("server", "http_addr"), "")
	switch {
	case err != nil || l.IsAll():
	case l.IsLoopback():
		s.warn("server.http_addr is %s: only this host itself reaches Grafana, the other hosts and a load balancer elsewhere do not", l.Addr)
	default:
		s.warn("server.http_addr is %s: Grafana answers there only, not on the loopback address", l.Addr)
	}
}
