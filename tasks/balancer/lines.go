package balancer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// Line is one line of a balancer's configuration that names a host which is to answer
// elsewhere, in a file that is not ours to write.
type Line struct {
	Balancer, Host string
	// File is empty where the configuration is not known, Number counts from 1 and is 0
	// where the host was not found in it.
	File   string
	Number int
	// Text is the line as it stands, Add what has to stand beside it.
	Text, Add string
}

// String is "lb1: /etc/haproxy/haproxy.cfg:12 `server h1 ...`: add `server h1-new ...`".
func (l Line) String() string {
	if l.Number == 0 {
		return fmt.Sprintf("%s: %s does not name %s: add `%s`", l.Balancer, l.File, l.Host, l.Add)
	}
	return fmt.Sprintf("%s: %s:%d `%s`: add `%s`", l.Balancer, l.File, l.Number, l.Text, l.Add)
}

// Liner is a [Balancer] that can say where its configuration names hosts.
type Liner interface {
	// Lines finds what has to be changed by hand for hosts that come to answer elsewhere.
	Lines(ctx context.Context, to map[string]grafana.Listen) ([]Line, error)
}

// reader is a member that knows its configuration's text.
type reader interface {
	lines(ctx context.Context, h *inventory.Host, to grafana.Listen) ([]Line, error)
}

func (s *set) Lines(ctx context.Context, to map[string]grafana.Listen) (out []Line, err error) {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	var mu sync.Mutex
	found := map[string][]Line{}
	err = s.each(func(m member) error {
		r, ok := m.(reader)
		if !ok {
			return nil
		}
		for _, h := range s.cluster.Hosts {
			next, moves := to[h.Name]
			if !moves {
				continue
			}
			lines, err := r.lines(ctx, h, next)
			if err != nil {
				return named(m, "find the line of "+h.Name, err)
			}
			mu.Lock()
			found[m.name()] = append(found[m.name()], lines...)
			mu.Unlock()
		}
		return nil
	})
	for _, m := range s.members {
		out = append(out, found[m.name()]...)
	}
	return out, err
}

// lines finds the server lines of a host in the backend's section.
func (p *haproxy) lines(ctx context.Context, h *inventory.Host, to grafana.Listen) ([]Line, error) {
	config, err := p.readConfig(ctx)
	if err != nil {
		return nil, err
	}
	all := addresses(ctx, h, p.at.of(h))
	found := Line{Balancer: p.host, Host: h.Name, File: p.config}
	inside, rest := false, []string{"check"}
	for i, line := range strings.Split(config, "\n") {
		words := configWords(line)
		if len(words) == 0 {
			continue
		}
		if slices.Contains([]string{"global", "defaults", "frontend", "backend", "listen", "userlist", "peers", "resolvers"}, words[0]) {
			inside = len(words) > 1 && (words[0] == "backend" || words[0] == "listen") && words[1] == p.backend
		}
		if inside && words[0] == "server" && len(words) > 2 && (slices.Contains(all, words[2]) || words[1] == h.Name && found.Number == 0) {
			found.Number, found.Text, rest = i+1, strings.Join(words, " "), words[3:]
		}
	}
	found.Add = strings.Join(append([]string{"server", h.Name + "-new", to.At(h.Address)}, withTLS(rest, to)...), " ")
	return []Line{found}, nil
}

// withTLS are the options of a server line, for a scheme.
func withTLS(options []string, to grafana.Listen) []string {
	out := slices.Clone(options)
	if to.Scheme() == "https" && !slices.Contains(out, "ssl") {
		return append(out, "ssl", "verify", "none")
	}
	if to.Scheme() == "http" {
		if i := slices.Index(out, "ssl"); i >= 0 {
			out = slices.Delete(out, i, i+1)
		}
	}
	return out
}

// lines finds the server lines of a host in the upstream.
func (n *nginx) lines(ctx context.Context, h *inventory.Host, to grafana.Listen) ([]Line, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	text, servers, err := n.read(ctx)
	if err != nil {
		return nil, err
	}
	found := Line{Balancer: n.host, Host: h.Name, File: n.path, Add: "server " + to.At(h.Address) + ";"}
	if s, ok := n.pick(ctx, servers, h); ok {
		found.Number = 1 + strings.Count(text[:s.end], "\n")
		begin := strings.LastIndexByte(text[:s.end], '\n') + 1
		found.Text = strings.TrimSpace(text[begin : s.end+1])
	}
	if to.Scheme() == "https" && n.at.of(h).Scheme() != "https" {
		found.Add += "` and, once all hosts answer so, `proxy_pass https://" + n.upstream + ";"
	}
	return []Line{found}, nil
}
