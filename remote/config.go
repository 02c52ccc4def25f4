package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/kevinburke/ssh_config"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
)

// endpoint is one hop with all its settings found.
type endpoint struct {
	host           string
	port           int
	user           string
	guessedUser    bool // nobody named one
	identityFiles  []string
	proxyCommand   string // on this machine, in place of TCP; only of a first hop
	namedKeys      bool   // identityFiles stand in the inventory or the OpenSSH configuration
	identitiesOnly bool
	password       string
	knownHosts     []string
	alias          string // HostKeyAlias
	acceptNew      bool
	legacy         bool // algorithms with SHA-1 too
	fingerprint    string
	pinTry         int // index of pinnedTypes
}

func (e *endpoint) addr() string { return net.JoinHostPort(e.host, strconv.Itoa(e.port)) }

// knownName is what known_hosts is asked for.
func (e *endpoint) knownName() string {
	if e.alias != "" {
		return net.JoinHostPort(e.alias, "22")
	}
	return e.addr()
}

// sshConfig are the OpenSSH client configurations, most important first.
type sshConfig struct {
	files []*ssh_config.Config
	home  string
	login string // the local user
	note  func(string)
}

func loadConfig(files []string, note func(string)) *sshConfig {
	c := &sshConfig{note: note}
	c.home, _ = os.UserHomeDir() // without one the defaults are not found, that is all
	if u, err := user.Current(); err == nil {
		c.login = u.Username
	}
	if files == nil {
		files = []string{filepath.Join(c.home, ".ssh", "config"), "/etc/ssh/ssh_config"}
	}
	for _, f := range files {
		text, err := localfile.Read(context.Background(), f, localfile.Small)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			c.remark("left out: %v", err)
			continue
		}
		if localfile.IsPrivateKey(text) {
			c.remark("%s is left out: it is a private key", f)
			continue
		}
		conf, err := ssh_config.DecodeBytes(c.understood(f, text))
		if err != nil {
			c.remark("%s is left out: %v", f, err)
			continue
		}
		c.files = append(c.files, conf)
	}
	return c
}

func (c *sshConfig) remark(format string, args ...any) {
	if c.note != nil {
		c.note(fmt.Sprintf(format, args...))
	}
}

// understood blanks the Match blocks that the library refuses, for one of them
// makes it refuse the whole file. Blank lines keep the line numbers.
func (c *sshConfig) understood(file string, text []byte) []byte {
	var out bytes.Buffer
	skip, number := false, 0
	for l := range bytes.Lines(text) {
		number++
		words := strings.Fields(strings.Replace(string(l), "=", " ", 1))
		if len(words) > 0 {
			switch strings.ToLower(words[0]) {
			case "host":
				skip = false
			case "match":
				skip = !matchable(words[1:])
				if skip {
					c.remark("%s:%d: \"Match %s\" is not supported and left out (Match all and Match host are)", file, number,
						strings.Join(words[1:], " "))
				}
			}
		}
		leaveOut := skip
		if !skip && len(words) > 1 && strings.EqualFold(words[0], "include") {
			if err := c.unreadable(file, words[1:], 0); err != nil {
				c.remark("%s:%d: Include is left out: %v", file, number, err)
				leaveOut = true
			}
		}
		if leaveOut {
			out.WriteByte('\n')
			continue
		}
		out.Write(l)
	}
	return out.Bytes()
}

func matchable(words []string) bool {
	switch {
	case len(words) == 1:
		return strings.EqualFold(words[0], "all")
	case len(words) == 2:
		return strings.EqualFold(words[0], "host")
	}
	return false
}

// get is the first value found, as in OpenSSH.
func (c *sshConfig) get(alias, key string) string {
	for _, f := range c.files {
		if v, err := f.Get(alias, key); err == nil && v != "" {
			return v
		}
	}
	return ""
}

func (c *sshConfig) all(alias, key string) []string {
	var out []string
	for _, f := range c.files {
		if v, err := f.GetAll(alias, key); err == nil {
			out = append(out, v...)
		}
	}
	return out
}

// maxHops ends a ProxyJump that leads back to itself.
const maxHops = 16

// route is every hop to a target, the target last.
func (c *sshConfig) route(t Target) ([]*endpoint, error) {
	if t.Address == "" {
		t.Address = t.Name
	}
	last, err := c.endpoint(t, t.Address)
	if err != nil {
		return nil, err
	}
	jumps := t.Jumps
	if len(jumps) == 0 {
		jumps = c.jumps(t.Address)
	}
	hops, err := c.hops(t, jumps, 0)
	if err != nil {
		return nil, err
	}
	if len(hops) == 0 && len(t.Jumps) == 0 {
		command := t.ProxyCommand
		if command == "" {
			command = c.proxyCommand(t.Address)
		}
		if last.proxyCommand, err = expandProxyCommand(command, t.Address, last); err != nil {
			return nil, err
		}
	}
	return append(hops, last), nil
}

// proxyCommand is that of an alias, where no ProxyJump comes before it.
func (c *sshConfig) proxyCommand(alias string) string {
	if c.get(alias, "ProxyJump") != "" {
		return ""
	}
	return c.get(alias, "ProxyCommand")
}

func (c *sshConfig) jumps(alias string) []string {
	v := c.get(alias, "ProxyJump")
	if v == "" || strings.EqualFold(v, "none") {
		return nil
	}
	return strings.Split(v, ",")
}

func (c *sshConfig) hops(t Target, jumps []string, depth int) ([]*endpoint, error) {
	var out []*endpoint
	for i, j := range jumps {
		spec, err := parseJump(strings.TrimSpace(j))
		if err != nil {
			return nil, err
		}
		// Of the target's own settings a jump host gets those that are about us,
		// not about the target: its password would be in the wrong hands there.
		hop := Target{
			Name: spec.host, User: spec.user, Port: spec.port, KnownHosts: t.KnownHosts,
			AcceptNew: t.AcceptNew, IdentityFiles: t.IdentityFiles, LegacyAlgorithms: t.LegacyAlgorithms,
		}
		if hop.User == "" && c.get(spec.host, "User") == "" {
			hop.User = t.User
		}
		e, err := c.endpoint(hop, spec.host)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			// Only the first hop is reached as its own configuration says: the
			// others are reached from the one before.
			if depth >= maxHops {
				return nil, fmt.Errorf("ProxyJump of %s leads in a circle", spec.host)
			}
			before, err := c.hops(t, c.jumps(spec.host), depth+1)
			if err != nil {
				return nil, err
			}
			if len(before) == 0 {
				if e.proxyCommand, err = expandProxyCommand(c.proxyCommand(spec.host), spec.host, e); err != nil {
					return nil, err
				}
			}
			out = append(out, before...)
		}
		out = append(out, e)
	}
	return out, nil
}

type jumpSpec struct {
	user, host string
	port       int
}

func parseJump(s string) (jumpSpec, error) {
	var j jumpSpec
	rest := strings.TrimPrefix(s, "ssh://")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		j.user, rest = rest[:at], rest[at+1:]
	}
	j.host = strings.Trim(rest, "[]")
	if host, port, err := net.SplitHostPort(rest); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return j, fmt.Errorf("jump host %q: port %q is no port", s, port)
		}
		j.host, j.port = host, n
	}
	if j.host == "" {
		return j, fmt.Errorf("jump host %q: want [user@]host[:port]", s)
	}
	return j, nil
}

// hostName is HostName of an alias; the alias itself without one.
func (c *sshConfig) hostName(alias string) string {
	if h := c.get(alias, "HostName"); h != "" {
		return strings.NewReplacer("%%", "%", "%h", alias).Replace(h)
	}
	return alias
}

// endpoint fills a target's empty values from the configuration of alias, and
// what is still empty with OpenSSH's defaults.
func (c *sshConfig) endpoint(t Target, alias string) (*endpoint, error) {
	e := &endpoint{
		port: t.Port, user: t.User, password: t.Password,
		acceptNew: t.AcceptNew, fingerprint: t.Fingerprint, legacy: t.LegacyAlgorithms,
		identitiesOnly: strings.EqualFold(c.get(alias, "IdentitiesOnly"), "yes"),
		alias:          c.get(alias, "HostKeyAlias"),
	}
	e.host = c.hostName(alias)
	if p := c.get(alias, "Port"); p != "" && e.port == 0 {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			return nil, fmt.Errorf("OpenSSH configuration of %s: Port %q is no port", alias, p)
		}
		e.port = n
	}
	if e.port == 0 {
		e.port = 22
	}
	if e.user == "" {
		e.user = c.get(alias, "User")
	}
	if e.user == "" {
		e.user, e.guessedUser = c.login, true
	}
	e.identityFiles = c.identities(t, e, alias)
	e.knownHosts = c.knownHosts(t, e, alias)
	return e, nil
}

func (c *sshConfig) identities(t Target, e *endpoint, alias string) []string {
	files := append(append([]string{}, t.IdentityFiles...), c.all(alias, "IdentityFile")...)
	if len(files) == 0 {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			f := filepath.Join(c.home, ".ssh", name)
			if _, err := os.Stat(f); err == nil {
				files = append(files, f)
			}
		}
		return files
	}
	e.namedKeys = true
	return c.expandAll(files, e, alias)
}

func (c *sshConfig) knownHosts(t Target, e *endpoint, alias string) []string {
	if len(t.KnownHosts) > 0 {
		return c.expandAll(t.KnownHosts, e, alias)
	}
	files := strings.Fields(c.get(alias, "UserKnownHostsFile"))
	if len(files) == 0 {
		files = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
	}
	global := strings.Fields(c.get(alias, "GlobalKnownHostsFile"))
	if len(global) == 0 {
		global = []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}
	}
	return c.expandAll(append(files, global...), e, alias)
}

func (c *sshConfig) expandAll(files []string, e *endpoint, alias string) []string {
	tokens := strings.NewReplacer("%%", "%", "%d", c.home, "%h", e.host, "%n", alias,
		"%p", strconv.Itoa(e.port), "%r", e.user, "%u", c.login)
	out := make([]string, 0, len(files))
	for _, f := range files {
		if strings.EqualFold(f, "none") {
			continue
		}
		f = tokens.Replace(strings.Trim(f, `"`))
		if rest, ok := strings.CutPrefix(f, "~/"); ok {
			f = filepath.Join(c.home, rest)
		}
		out = append(out, f)
	}
	return out
}
