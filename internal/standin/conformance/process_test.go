package conformance

import (
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stop sends half a login and stops the node: it does not wait for the other
// half. Whoever wants no request cut drains before SIGTERM.
func (s *suite) stop(t *testing.T) {
	n := s.nodes[0]
	conn, err := net.Dial("tcp", strings.TrimPrefix(n.url(""), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"user":"admin","password":"adminpw"}`
	if _, err := fmt.Fprintf(conn, "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body[:5]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // the server must have read the head: only then is the request in flight
	n.signal(t, syscall.SIGTERM)
	until(t, "the listener is closed at once", 5*time.Second, func() error {
		c, err := net.Dial("tcp", conn.RemoteAddr().String())
		if err != nil {
			return nil
		}
		return fmt.Errorf("it still accepts (%v)", c.Close())
	})
	if code := n.waitExit(t); code != 0 {
		t.Errorf("%s ended with %d", n.name, code)
	}
	if !strings.Contains(n.logs(t), `msg="Shutdown started" reason="System signal: terminated"`) {
		t.Errorf("%s does not log that it stops", n.name)
	}
	for _, other := range s.nodes[1:] {
		if !s.rel.atLeast(8, 2) {
			break
		}
		until(t, "members without "+n.name, patience, func() error {
			if v, err := other.metric(other.alerting("cluster_members")); err != nil || v != 2 {
				return fmt.Errorf("%s counts %v (%v)", other.name, v, err)
			}
			return nil
		})
	}
}

// plugin puts an unsigned plugin into the folder and looks for it in the metrics.
func (s *suite) plugin(t *testing.T) {
	n := newNode(t, s.rel, "plugged", s.pg, s.database, map[string]string{"plugins.allow_loading_unsigned_plugins": "conformance-test-panel"})
	dir := filepath.Join(n.dir, "plugins", "conformance-test-panel")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"plugin.json": `{"id":"conformance-test-panel","type":"panel","name":"Test","info":{"version":"1.2.3","updated":"2024-01-01","author":{"name":"x"},"logos":{"small":"","large":""}},"dependencies":{"grafanaDependency":">=8.0.0"}}`,
		"module.js":   "define([],function(){});\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.start(t)
	res, err := client(nil).Get(n.url("/metrics"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := `grafana_plugin_build_info{plugin_id="conformance-test-panel",plugin_type="panel",signature_status="unsigned",version="1.2.3"} 1`
	if !strings.Contains(string(b), want) {
		t.Errorf("/metrics has no %s", want)
	}
}

// dies starts a node that must end with 1 and say why.
func (s *suite) dies(t *testing.T, n *node, why string) {
	t.Helper()
	n.launch(t)
	if code := n.waitExit(t); code != 1 {
		t.Errorf("%s ended with %d, want 1", n.name, code)
	}
	if !strings.Contains(n.logs(t), why) {
		t.Errorf("%s does not say %q:\n%s", n.name, why, n.logs(t))
	}
}

func (s *suite) badAdvertise(t *testing.T) {
	n := newNode(t, s.rel, "named", s.pg, s.database, nil)
	n.join([]string{s.nodes[1].peer()})
	n.ini["unified_alerting.ha_advertise_address"] = "localhost:" + fmt.Sprint(n.gossip)
	s.dies(t, n, "unable to initialize gossip mesh")
}

func (s *suite) noDatabase(t *testing.T) {
	n := newNode(t, s.rel, "lost", s.pg, "absent", nil)
	s.dies(t, n, `database "absent" does not exist`)
}

// migrationLock holds the lock that the release takes, under the key that both
// the real thing and the stand-in derive from the database's name.
func (s *suite) migrationLock(t *testing.T) {
	key := int64(crc32.ChecksumIEEE([]byte(s.locked)) * 1486364155)
	ctx := t.Context()
	holder, err := s.pg.open(t, s.locked).Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if _, err := holder.ExecContext(ctx, "SELECT pg_advisory_lock($1)", key); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, s.rel, "second", s.pg, s.locked, nil)
	s.dies(t, n, "failed to obtain lock")
	if _, err := holder.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", key); err != nil {
		t.Fatal(err)
	}
	n.start(t)
}
