package main_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// The whole of the main job on bare hosts, as root: planning writes nothing, one
// apply makes the cluster, and the next finds nothing to do.
func TestLabBareHostsBecomeOneCluster(t *testing.T) {
	c := newTrial(t, labtest.Options{Balancer: "haproxy"})
	c.bare(t)

	before := c.trees(t, everything)
	c.run(t, 2, "plan", "--detailed-exitcode")
	sameTrees(t, "plan on bare hosts", before, c.trees(t, everything))

	since := c.logins(t)
	c.run(t, 0, "apply", "--yes")
	c.loggedInOnce(t, "the first apply", since)
	c.one(t)
	c.oneSession(t)
	c.balanced(t, len(c.hosts))
	c.bare(t)

	c.nothingToDo(t)
}

// A login without root's rights does the same, whether or not sudo and sshd ask
// for a password.
func TestLabUnprivilegedLoginsDeployAsWell(t *testing.T) {
	for _, login := range []string{"ops", "opspw"} {
		t.Run(login, func(t *testing.T) {
			c := newTrial(t, labtest.Options{Hosts: []string{"h1"}, User: login, Alerting: "none", NoLive: true})
			before := c.trees(t, everything)
			c.run(t, 2, "plan", "--detailed-exitcode")
			sameTrees(t, "plan on bare hosts as "+login, before, c.trees(t, everything))
			since := c.logins(t)
			c.run(t, 0, "apply", "--yes")
			c.loggedInOnce(t, "apply as "+login, since)
			c.oneSession(t)
			c.nothingToDo(t)
			left := c.each(t, `ls -A /home/`+login+`/.cache/ghadeploy 2>/dev/null`)
			for h, files := range left {
				if files != "" {
					t.Errorf("%s: apply left in the home folder: %s", h, files)
				}
			}
		})
	}
}

// bare asserts that the hosts have none of the programs a deployer might lean on.
func (c *trial) bare(t *testing.T) {
	t.Helper()
	for h, found := range c.each(t, `for p in python python3 curl wget perl6 ruby rsync; do command -v $p; done; true`) {
		if found != "" {
			t.Errorf("%s has %s: that a host needs none of it is not shown here", h, found)
		}
	}
}

// logins counts the connections that sshd has accepted so far.
func (c *trial) logins(t *testing.T) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for h, n := range c.each(t, `journalctl --sync; journalctl -b -o cat _COMM=sshd + SYSLOG_IDENTIFIER=sshd | grep -c '^Accepted '; true`) {
		i, err := strconv.Atoi(n)
		if err != nil {
			t.Fatalf("%s: %v", h, err)
		}
		counts[h] = i
	}
	return counts
}

// loggedInOnce compares with an earlier count, which itself took one login.
func (c *trial) loggedInOnce(t *testing.T, what string, since map[string]int) {
	t.Helper()
	for h, n := range c.logins(t) {
		// the login of this count is in it, as the earlier one's was in the earlier
		if own := n - since[h] - 1; own != 1 {
			t.Errorf("%s: %s logged in %d times, want once", h, what, own)
		}
	}
}

// oneSession shows the session made on each node to every other.
func (c *trial) oneSession(t *testing.T) {
	t.Helper()
	for _, made := range c.hosts {
		cookie := c.session(t, c.url(made))
		for _, shown := range c.hosts {
			if status := user(t, c.url(shown), cookie); status != http.StatusOK {
				t.Errorf("the session made on %s is answered %d by %s", made, status, shown)
			}
		}
	}
	if status := user(t, c.url(c.hosts[0]), "grafana_session=nobodys"); status != http.StatusUnauthorized {
		t.Errorf("a made-up session is answered %d: the others prove nothing", status)
	}
}

// balanced waits until HAProxy itself says that n of the hosts are up.
func (c *trial) balanced(t *testing.T, n int) {
	t.Helper()
	labtest.Wait(t, 20*time.Second, fmt.Sprintf("%d servers up in HAProxy", n), func() (bool, string) {
		_, csv, err := request("GET", "http://"+c.Host("svc")+":8404/;csv", "", nil)
		up := 0
		for line := range strings.Lines(string(csv)) {
			f := strings.Split(line, ",")
			if len(f) > 17 && f[0] == "lab_grafana" && strings.HasPrefix(f[1], "h") && f[17] == "UP" {
				up++
			}
		}
		return up == n, fmt.Sprintf("%d up, %v", up, err)
	})
}

// nothingToDo plans and applies once more: nothing is written or restarted.
func (c *trial) nothingToDo(t *testing.T) {
	t.Helper()
	before, running := c.trees(t, ownedPlaces), c.processes(t)
	c.run(t, 0, "plan", "--detailed-exitcode")
	sameTrees(t, "plan on a converged cluster", before, c.trees(t, ownedPlaces))
	r := c.run(t, 0, "apply", "--yes", "-o", "json")
	if !strings.Contains(r.Stdout, `"changed":false`) {
		t.Errorf("the second apply says that it changed something:\n%s", r.Stdout)
	}
	sameTrees(t, "the second apply", before, c.trees(t, ownedPlaces))
	for h, now := range c.processes(t) {
		if now != running[h] {
			t.Errorf("%s: the second apply restarted Grafana: %q, then %q", h, running[h], now)
		}
	}
}
