package labtest_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/inventory"
)

func TestOpenReadsTheHostsOfALab(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/run", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/run/hosts", []byte("::1 localhost ip6\n10.0.0.1 control\n10.0.0.11 h1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	lab, err := labtest.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if lab.Host("h1") != "10.0.0.11" || lab.Host("h2") != "" {
		t.Errorf("h1 is %q, h2 is %q", lab.Host("h1"), lab.Host("h2"))
	}
}

func TestAHostIsBackWithAFreshDiskAndTheSameKey(t *testing.T) {
	lab := labtest.Need(t, "h1")
	lab.Lock(t, "h1")
	before := lab.Sh(t, "h1", "touch /root/was-here; cat /proc/sys/kernel/random/boot_id /etc/ssh/ssh_host_ed25519_key.pub | tail -n 1")
	lab.Wipe(t, "h1")
	after := lab.Sh(t, "h1", "test ! -e /root/was-here && tail -n 1 /etc/ssh/ssh_host_ed25519_key.pub")
	if before != after {
		t.Errorf("the host's key was %q and is %q", before, after)
	}
}

func TestAHostThatWasKilledComesBackWithItsDisk(t *testing.T) {
	lab := labtest.Need(t, "h2")
	lab.Lock(t, "h2")
	lab.Sh(t, "h2", "echo still >/root/here")
	lab.Do(t, "kill", "h2")
	if out, err := lab.Run(t.Context(), "h2", "true"); err == nil {
		t.Fatalf("a host without power answered %q", out)
	}
	lab.Do(t, "start", "h2")
	if got := lab.Sh(t, "h2", "cat /root/here"); got != "still" {
		t.Errorf("its disk says %q", got)
	}
}

func TestABlockedPortStaysBlockedUntilTheTestEnds(t *testing.T) {
	lab := labtest.Need(t, "h1", "h2")
	lab.Lock(t, "h1", "h2")
	knock := "timeout 2 bash -c 'exec 3<>/dev/tcp/h2/22' 2>/dev/null && echo open || echo shut"
	t.Run("blocked", func(t *testing.T) {
		lab.BlockPort(t, "h1", "h2", "tcp", 22)
		if got := lab.Sh(t, "h1", knock); got != "shut" {
			t.Errorf("port 22 of h2 is %s", got)
		}
	})
	if got := lab.Sh(t, "h1", knock); got != "open" {
		t.Errorf("afterwards port 22 of h2 is %s", got)
	}
}

func TestServicesAnswerAndEachTestHasItsOwn(t *testing.T) {
	lab := labtest.Need(t, "svc")
	lab.Do(t, "db", "t_labtest")
	got := lab.Sh(t, "svc", `PGPASSWORD=grafana psql -h 127.0.0.1 -U grafana -tAc 'select 1' t_labtest
		mariadb -ugrafana -pgrafana -h 127.0.0.1 -Ne 'select 2' t_labtest
		REDISCLI_AUTH=labredis redis-cli -p 6380 ping
		redis-cli -p 26379 sentinel get-master-addr-by-name mymaster | head -n 1`)
	if want := "1\n2\nPONG\n" + lab.Host("svc"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	a, b := lab.Redis(t), lab.Redis(t)
	port := a[strings.LastIndex(a, ":")+1:]
	if got := lab.Sh(t, "svc", "redis-cli -p "+port+" ping"); got != "PONG" || a == b {
		t.Errorf("Redis at %s says %q; the second is %s", a, got, b)
	}
}

func TestWaitReturnsWithTheCondition(t *testing.T) {
	n := 0
	labtest.Wait(t, 10*time.Second, "three looks", func() (bool, string) { n++; return n == 3, "not yet" })
	if n != 3 {
		t.Errorf("looked %d times", n)
	}
}

func TestTheInventoryOfATestIsValid(t *testing.T) {
	lab := labtest.Need(t)
	for _, o := range []labtest.Options{
		{},
		{Hosts: []string{"h1"}, User: "opspw", Database: "mysql", Alerting: "none", NoLive: true},
		{User: "ops", Alerting: "redis", Balancer: "haproxy"},
		{Balancer: "nginx"},
	} {
		inv := lab.Inventory(t, o)
		c, err := inventory.Load(t.Context(), inv.Path, inventory.Options{})
		if err != nil {
			t.Fatalf("%+v: %v", o, err)
		}
		if len(c.Warnings) > 0 {
			t.Errorf("%+v: %v", o, c.Warnings)
		}
		if c.Name != inv.Cluster || c.Database.Name != inv.Database {
			t.Errorf("cluster %s with database %s, want %s with %s", c.Name, c.Database.Name, inv.Cluster, inv.Database)
		}
	}
}
