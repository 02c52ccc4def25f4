package balancer

import (
	"errors"
	"net"
	"slices"
	"strings"
)

// findSocket finds the address of a stats socket of level admin in the text of
// haproxy.cfg, as a path or host:port.
func findSocket(config string) (string, error) {
	weak := ""
	for line := range strings.Lines(config) {
		words := configWords(line)
		if len(words) < 3 || words[0] != "stats" || words[1] != "socket" {
			continue
		}
		address, ok := socketAddress(words[2])
		if !ok {
			continue
		}
		if i := slices.Index(words, "level"); i > 0 && i+1 < len(words) && words[i+1] == "admin" {
			return address, nil
		}
		weak = address
	}
	if weak != "" {
		return "", errors.New("its stats socket " + weak +
			" does not have `level admin`, which draining needs; add it in section global and reload HAProxy")
	}
	return "", errors.New("it has no stats socket; add `stats socket /run/haproxy/admin.sock mode 660 level admin` to section global and reload HAProxy, or set load_balancer.socket")
}

// socketAddress turns an address of HAProxy's bind syntax into a path or
// host:port; false for the kinds that cannot be reached (fd@, abns@).
func socketAddress(s string) (string, bool) {
	for _, prefix := range []string{"unix@", "ipv4@", "ipv6@"} {
		s = strings.TrimPrefix(s, prefix)
	}
	if strings.HasPrefix(s, "/") {
		return s, true
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.Contains(s, "@") {
		return "", false
	}
	if host == "" || host == "*" || host == "0.0.0.0" || host == "::" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), true
}

// configWords splits a line of haproxy.cfg as far as is needed here: words
// without their comment.
func configWords(line string) []string {
	words := strings.Fields(line)
	for i, w := range words {
		if strings.HasPrefix(w, "#") {
			return words[:i]
		}
	}
	return words
}

// traits are what matters of a configuration to a drain.
type traits struct {
	// persistent: a client may stick to a server that is in drain.
	persistent bool
	// cuts: going to maint ends the sessions (on-marked-down shutdown-sessions).
	cuts bool
}

// readTraits errs on the side of persistence; it looks at the whole file
// because defaults and named defaults reach into every backend.
func readTraits(config string) traits {
	var t traits
	for line := range strings.Lines(config) {
		words := configWords(line)
		if len(words) == 0 {
			continue
		}
		switch {
		case words[0] == "cookie", words[0] == "stick", words[0] == "force-persist", words[0] == "appsession":
			t.persistent = true
		case len(words) > 1 && words[0] == "option" && (words[1] == "prefer-last-server" || words[1] == "persist"):
			t.persistent = true
		}
		if i := slices.Index(words, "on-marked-down"); i >= 0 && i+1 < len(words) && words[i+1] == "shutdown-sessions" {
			t.cuts = true
		}
	}
	return t
}
