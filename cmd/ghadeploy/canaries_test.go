package main_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// canaries are secrets that appear nowhere by chance, by the name of what they are.
type canaries struct {
	dir    string
	mu     sync.Mutex
	values map[string]string
}

// ref makes a canary and gives a reference to it, as an inventory has one.
func (s *canaries) ref(t *testing.T, name string) string {
	t.Helper()
	s.renew(t, name)
	return "${file:" + name + "}"
}

// renew gives a secret another value; the old one stays one that must not be seen.
func (s *canaries) renew(t *testing.T, name string) {
	t.Helper()
	value := "canary" + strings.ReplaceAll(strings.ReplaceAll(name, "_", ""), " ", "") + rand.Text()
	s.mu.Lock()
	s.values[fmt.Sprintf("%s %d", name, len(s.values))] = value
	s.mu.Unlock()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// now is the current value.
func (s *canaries) now(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// seenIn names the canaries that a text holds.
func (s *canaries) seenIn(text string) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, v := range s.values {
		if strings.Contains(text, v) {
			names = append(names, name)
		}
	}
	return names
}

// patterns is all canaries, one a line, for grep -f.
func (s *canaries) patterns() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, v := range s.values {
		b.WriteString(v + "\n")
	}
	return b.String()
}

// watchProcesses looks for canaries in the command line and environment of every
// process on this machine and on the hosts until the test calls what it returns,
// which gives what was found and how often each place was looked at. The canary
// "env" is what the inventory puts into Grafana's environment. Canaries that come later are
// looked for from this machine alone, which sees the hosts' processes too.
func (c *trial) watchProcesses(t *testing.T, s *canaries) func() (found []string, looks map[string]int) {
	t.Helper()
	stop := make(chan struct{})
	var mu sync.Mutex
	var found []string
	looks := map[string]int{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			mu.Lock()
			looks["control"]++
			found = append(found, s.inProcesses()...)
			mu.Unlock()
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	for _, h := range c.hosts {
		c.tell(t, s, h)
		c.Sh(t, h, "touch /run/canaries.watch")
		wg.Go(func() {
			// It ends with the file, at the latest when the host does. Real releases
			// take minutes for what is watched.
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
			defer cancel()
			out, err := c.Run(ctx, h, `n=0
				while [ -e /run/canaries.watch ]; do
					n=$((n+1))
					for f in $(grep -laFf /root/canaries.known /proc/[0-9]*/cmdline 2>/dev/null) $(grep -laFf /root/canaries.environ /proc/[0-9]*/environ 2>/dev/null); do
						echo "$f: $(tr '\0' ' ' <${f%/*}/cmdline | cut -c 1-60)"
					done
					sleep 0.2
				done
				echo looks $n`)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				found = append(found, fmt.Sprintf("%s could not be watched: %v", h, err))
			}
			for line := range strings.Lines(out) {
				n := 0
				if _, err := fmt.Sscanf(line, "looks %d", &n); err == nil {
					looks[h] = n
					continue
				}
				found = append(found, h+": "+line)
			}
		})
	}
	return func() ([]string, map[string]int) {
		close(stop)
		for _, h := range c.hosts {
			c.Sh(t, h, "rm -f /run/canaries.watch")
		}
		wg.Wait()
		return found, looks
	}
}

// tell leaves the canaries known so far on a host, where grep finds them.
func (c *trial) tell(t *testing.T, s *canaries, host string) {
	t.Helper()
	c.Sh(t, host, "umask 077; cat >/root/canaries.known <<'END'\n"+s.patterns()+"END\ngrep -v '^canaryenv' /root/canaries.known >/root/canaries.environ")
}

// inProcesses looks once at every process of this machine that it may read.
func (s *canaries) inProcesses() (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, cmdline := range files {
		dir := filepath.Dir(cmdline)
		for _, f := range []string{cmdline, filepath.Join(dir, "environ")} {
			b, err := os.ReadFile(f)
			if err != nil {
				continue // it ended, or is somebody else's
			}
			names := s.seenIn(string(b))
			if f != cmdline {
				names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "env ") })
			}
			if len(names) > 0 {
				exe, _ := os.Readlink(filepath.Join(dir, "exe"))
				found = append(found, fmt.Sprintf("control: %v in %s of %s", names, filepath.Base(f), exe))
			}
		}
	}
	return found
}

// onHosts finds every file of every host that holds a canary, and what systemd's
// journal says, and gives what is more open than it may be.
func (c *trial) onHosts(t *testing.T, s *canaries) (open []string, files int) {
	t.Helper()
	for _, h := range c.hosts {
		c.tell(t, s, h)
	}
	out := c.each(t, `
		journalctl --sync
		journalctl -o export --no-pager | grep -aFf /root/canaries.known | cut -c 1-200 | sed 's/^/JOURNAL /'
		grep -rlaFf /root/canaries.known / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev --exclude-dir=releases --exclude-dir=usr 2>/dev/null |
			while read -r f; do stat -c '%a %U:%G %n' "$f"; done
		true`)
	for h, lines := range out {
		for line := range strings.Lines(lines) {
			line = strings.TrimSpace(line)
			switch w := strings.Fields(line); {
			case strings.Contains(line, " /root/canaries."): // the test's own
			case strings.HasPrefix(line, "640 root:grafana /opt/grafana/generations/"), strings.HasPrefix(line, "600 grafana:grafana /opt/grafana/generations/"):
				files++
			default:
				open = append(open, h+": "+strings.Join(w, " "))
			}
		}
	}
	return open, files
}

// secretRedis is a Redis server of the test's own that asks for a password.
func (c *trial) secretRedis(t *testing.T, password string) string {
	t.Helper()
	address := c.Redis(t)
	port := address[strings.LastIndex(address, ":")+1:]
	c.Sh(t, "svc", "redis-cli -p "+port+" <<'END'\nCONFIG SET requirepass "+password+"\nEND")
	return address
}

// textOf runs a command whatever its exit code and gives all that it said.
func (c *trial) textOf(t *testing.T, args ...string) (string, int) {
	t.Helper()
	r := labtest.Ghadeploy(t, append([]string{args[0], c.inv.Path}, args[1:]...)...)
	return r.Stdout + r.Stderr, r.Code
}
