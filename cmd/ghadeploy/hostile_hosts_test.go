package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// grounds are what the hosts of a hostile test stand on: a folder for each, and commands
// that take the place of those that would change this machine.
type grounds struct {
	t    *testing.T
	dir  string
	key  string // private key file that may log in everywhere
	pub  ssh.PublicKey
	file string // name of the archive below dir
	made int    // hosts
}

// here is where every host's own folder is, under one name for all: the inventory's paths
// hold for all hosts, and these share a machine. It is a link to a descriptor that the
// login shell has open.
func (g *grounds) here() string { return filepath.Join(g.dir, "host") }

const fakeSystemctl = `#!/bin/sh
case "$*" in
--version*) echo 'systemd 252 (252.1)' ;;
*is-system-running*) echo running ;;
*is-active*) echo inactive; exit 3 ;;
show*) for u; do case $u in
	ghadeploy-turn*) printf 'Id=%s\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nMainPID=0\nNRestarts=0\n\n' "$u" ;;
	*.service) printf 'Id=%s\nLoadState=loaded\nActiveState=active\nSubState=running\nMainPID=%s\nNRestarts=0\nUnitFileState=enabled\nNeedDaemonReload=no\nResult=success\nExecMainStartTimestampMonotonic=1000000\nControlGroup=\n\n' "$u" "$GRAFANA_PID" ;;
	esac; done ;;
esac
exit 0
`

// fakeSocat is HAProxy's runtime API of a host.
const fakeSocat = `#!/bin/sh
read -r command
case $command in
"show servers state"*) printf '1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port srv_fqdn\n'; while read -r n a p; do echo "3 grafana 1 $n $a 2 0 $p -"; done <"$HOST_DIR/servers" ;;
"show stat"*) echo '# pxname,svname,scur,status,lastchg,check_status,check_code'; while read -r n _ _; do echo "grafana,$n,0,UP,99,L7OK,200"; done <"$HOST_DIR/servers" ;;
*) echo ;;
esac
`

// login is the login shell. As root it keeps what hosts write to places of the system
// away from this machine.
const login = `#!/bin/bash
exec 47<"$HOST_DIR"
[ "$(/usr/bin/id -u)" = 0 ] || exec sh "$@"
exec unshare -m sh -c 'for d in /run /var/lib /etc/systemd/system; do mount -t tmpfs none $d || exit 1; done; exec sh "$@"' sh "$@"
`

func newGrounds(t *testing.T) *grounds {
	t.Helper()
	g := &grounds{t: t, dir: t.TempDir()}
	g.key, g.pub = remotetest.KeyFile(t, "")
	bin := filepath.Join(g.dir, "bin")
	if err := errors.Join(os.Mkdir(bin, 0o755), os.Symlink("/proc/self/fd/47", g.here())); err != nil {
		t.Fatal(err)
	}
	do := func(name, text string) { remotetest.WriteFile(t, filepath.Join(bin, name), text, 0o755) }
	do("systemctl", fakeSystemctl)
	do("journalctl", "#!/bin/sh\nfor i in 1 2 3; do echo \"2026-11-24T12:00:0$i.000000+0000 h grafana[7]: logger=x level=info msg=hello\"; done\n")
	do("socat", fakeSocat)
	do("id", "#!/bin/sh\ncase $#$1 in 0 | 1-*) exec /usr/bin/id \"$@\" ;; 1*) echo 'uid=998(grafana) gid=998(grafana) groups=998(grafana)' ;; ?-gn) echo grafana ;; *) echo 998 ;; esac\n")
	do("systemd-run", "#!/bin/sh\nexit 1\n")
	for _, name := range []string{"useradd", "groupadd", "adduser", "addgroup", "userdel", "groupdel", "chown", "chgrp", "restorecon", "sync", "pg_dump", "psql", "pg_restore"} {
		do(name, "#!/bin/sh\nexit 0\n")
	}
	// bash: other shells do not take a descriptor of two digits.
	remotetest.WriteFile(t, filepath.Join(g.dir, "login"), login, 0o755)
	g.file = "grafana-10.3.1.tar.gz"
	remotetest.WriteFile(t, filepath.Join(g.dir, g.file), string(smallArchive(t)), 0o600)
	return g
}

// smallArchive is a release of 10.3.1 with hardly anything in it.
func smallArchive(t *testing.T) []byte {
	t.Helper()
	elf := make([]byte, 64)
	copy(elf, "\x7fELF\x02\x01\x01")
	elf[16], elf[18] = 2, 62
	if runtime.GOARCH == "arm64" {
		elf[18] = 183
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for name, body := range map[string]string{"VERSION": "10.3.1", "conf/defaults.ini": "[server]\nhttp_port = 3000\n", "bin/grafana": string(elf)} {
		if err := w.WriteHeader(&tar.Header{Name: "grafana-v10.3.1/" + name, Mode: 0o755, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hostileHost is one host of a cluster under attack.
type hostileHost struct {
	name    string
	ssh     *remotetest.Server
	address string
	port    int // of SSH
	grafana int // of whoever answers as Grafana there
	dir     string
	heard   *recorder
}

// host makes one that behaves, with two generations, a journal and a dump of its own.
// What answers on Grafana's port is answer, served by the process that systemd names.
func (g *grounds) host(name string, answer func(net.Conn)) *hostileHost {
	return g.hostIn(name, name, answer)
}

// hostIn is a host whose folder has another name.
func (g *grounds) hostIn(folder, name string, answer func(net.Conn)) *hostileHost {
	t := g.t
	t.Helper()
	g.made++
	h := &hostileHost{name: name, address: fmt.Sprintf("127.0.0.%d", g.made), dir: filepath.Join(g.dir, folder), heard: &recorder{}}
	h.grafana = listenFor(t, "127.0.0.1", answer)
	ini := fmt.Sprintf("[server]\nhttp_port = %d\n", h.grafana)
	for file, text := range map[string]string{
		"opt/releases/10.3.1-0123456789ab/VERSION":           "10.3.1\n",
		"opt/releases/10.2.0-0123456789ab/VERSION":           "10.2.0\n",
		"opt/generations/aaaaaaaaaaaa/manifest.json":         "{}\n",
		"opt/generations/aaaaaaaaaaaa/etc/grafana.ini":       ini,
		"opt/generations/aaaaaaaaaaaa/shown/etc/grafana.ini": ini,
		"opt/generations/bbbbbbbbbbbb/manifest.json":         "{}\n",
		"data/grafana.db":  "",
		"logs/grafana.log": "logger=x t=2026-11-24T12:00:00Z level=info msg=hello\n",
		"state/good":       "bbbbbbbbbbbb 1764000000\naaaaaaaaaaaa 1764000100\n",
		"state/journal.jsonl": `{"time":"2026-11-24T12:00:00Z","run":"20261124T120000Z-aaaa","cluster":"prod","step":"run","result":"started","data":{"user":"ops","from":"laptop","command":"apply"}}
{"time":"2026-11-24T12:01:00Z","run":"20261124T120000Z-aaaa","cluster":"prod","host":"good","step":"stop","result":"done","message":"stopped","seconds":1.5}
{"time":"2026-11-24T12:02:00Z","run":"20261124T120000Z-aaaa","cluster":"prod","step":"run","result":"done","data":{"good":"done"}}
`,
		"state/freeze.json.off": "{}", "state/backups/prod-20261124T120000Z-10.2.0.dump": "dump\n", "grafana.ini": "[smtp]\npassword = aSecretOfTheHost\nenabled = true\n",
	} {
		f := filepath.Join(h.dir, file)
		if err := os.MkdirAll(filepath.Dir(f), 0o755); err != nil {
			t.Fatal(err)
		}
		remotetest.WriteFile(t, f, text, 0o644)
	}
	// A minute apart: releases are told in order of time.
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(h.dir, "opt/generations/bbbbbbbbbbbb/manifest.json"), old, old); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"current": "generations/aaaaaaaaaaaa", "generations/aaaaaaaaaaaa/release": "../../releases/10.3.1-0123456789ab", "generations/bbbbbbbbbbbb/release": "../../releases/10.2.0-0123456789ab"} {
		if err := os.Symlink(to, filepath.Join(h.dir, "opt", link)); err != nil {
			t.Fatal(err)
		}
	}
	h.ssh = &remotetest.Server{
		Listen: h.address,
		Keys:   []ssh.PublicKey{g.pub}, Shell: filepath.Join(g.dir, "login"), Dir: h.dir, NoSFTP: true, Heard: h.heard,
		Env: []string{"HOST_DIR=" + h.dir, "HOME=" + h.dir, "PATH=" + filepath.Join(g.dir, "bin") + ":/usr/sbin:/usr/bin:/sbin:/bin", fmt.Sprintf("GRAFANA_PID=%d", os.Getpid())},
	}
	return h
}

// start lets it take connections, once its hooks are set.
func (h *hostileHost) start(t *testing.T) *hostileHost {
	h.ssh.Start(t)
	h.port = h.ssh.Port()
	return h
}

// listenFor serves a port with one function for each connection.
func listenFor(t *testing.T, address string, serve func(net.Conn)) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				serve(c)
				_ = c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().(*net.TCPAddr).Port
}

// honestGrafana answers as much of Grafana as a health check needs.
func honestGrafana(t *testing.T) func(net.Conn) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/health" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, `{"database": "ok", "version": "10.3.1"}`)
	}))
	t.Cleanup(srv.Close)
	return func(c net.Conn) {
		to, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			return
		}
		defer to.Close()
		go func() { _, _ = io.Copy(to, c); _ = to.Close() }()
		_, _ = io.Copy(c, to)
	}
}

// recorder keeps what somebody was sent, to be searched for secrets.
type recorder struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.buf.Len() < 64<<20 {
		r.buf.Write(p)
	}
	return len(p), nil
}

// take gives what came since the last time.
func (r *recorder) take() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := r.buf.String()
	r.buf.Reset()
	return text
}

// hearing serves a connection as do does, while what comes is recorded.
func (r *recorder) hearing(do func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		go func() { _, _ = io.Copy(r, c) }()
		do(c)
	}
}

// inventoryText is the cluster of these hosts.
func (g *grounds) inventoryText(databaseType string, databasePort, redisPort int, hosts, balancers []*hostileHost) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("cluster: prod")
	p("ssh: {user: root, identity_files: [%s], known_hosts: ./known_hosts, connect_timeout: 4s}", g.key)
	p("hosts:")
	for _, h := range hosts {
		secret := ""
		if h.name == "good" {
			secret = `, auth.google: {client_secret: "${env:CANARY_GOOD}"}`
		}
		p("  %s: {address: %s, ssh: {port: %d}, config: {server: {http_port: %d}%s}}", h.name, h.address, h.port, h.grafana, secret)
	}
	p("grafana:")
	p("  version: \"10.3.1\"")
	p("  artifact: {source: %q}", filepath.Join(g.dir, g.file))
	p("  root_url: http://127.0.0.1:1/")
	p("  secret_key: \"${env:CANARY_KEY}\"")
	p("  admin: {password: \"${env:CANARY_ADMIN}\"}")
	p("database:")
	p("  {type: %s, host: \"127.0.0.1:%d\", name: grafana, user: grafana, password: \"${env:CANARY_DB}\", create: {user: root, password: \"${env:CANARY_DBADMIN}\"}, backup: {dir: %s/state/backups}}", databaseType, databasePort, g.here())
	p("alerting: {ha: redis, redis: {address: \"127.0.0.1:%d\", password: \"${env:CANARY_REDIS}\"}}", redisPort)
	if len(balancers) == 0 {
		p("load_balancer: {type: command, drain: \"true\", undrain: \"true\", status: \"echo up\"}")
	} else {
		p("load_balancer:\n  type: haproxy\n  backend: grafana\n  config: %[1]s/haproxy.cfg\n  socket: %[1]s/admin.sock\n  hosts:", g.here())
	}
	for _, h := range balancers {
		p("    %s: {address: %s, ssh: {port: %d}}", h.name, h.address, h.port)
		servers := ""
		for _, h := range hosts {
			servers += fmt.Sprintf("%s %s %d\n", h.name, h.address, h.grafana)
		}
		// The same for all runs of a siege but the honest host's address and port.
		remotetest.WriteFile(g.t, filepath.Join(h.dir, "servers"), servers, 0o644)
		remotetest.WriteFile(g.t, filepath.Join(h.dir, "haproxy.cfg"), "global\n\tstats socket "+g.here()+"/admin.sock level admin\nbackend grafana\n", 0o644)
	}
	p("rollout: {gate_timeout: 2s, start_timeout: 3s, drain: 0s, settle: 0s}")
	p("notify: [{type: webhook, url: \"${env:CANARY_HOOK}\"}]")
	p("paths: {root: %[1]s/opt, data: %[1]s/data, logs: %[1]s/logs, etc: %[1]s/etc, state: %[1]s/state, service: hostile-test-grafana}", g.here())
	return b.String()
}

// onceASecond writes a byte a second for as long as somebody reads.
func onceASecond(w io.Writer) {
	for {
		if _, err := w.Write([]byte("x")); err != nil {
			return
		}
		time.Sleep(time.Second)
	}
}
