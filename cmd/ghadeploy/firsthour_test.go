package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// newcomer is somebody in the first hour: a folder, a home without anything, and one host.
type newcomer struct {
	*grounds
	t         *testing.T
	desk      string
	host      *hostileHost
	database  int
	redis     int
	inventory string
	answers   string // typed at the terminal; "": there is none
}

// postgresSays is a PostgreSQL that answers every login with one error.
func postgresSays(code, message string) func(net.Conn) {
	return func(c net.Conn) {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		for {
			var size uint32
			if binary.Read(c, binary.BigEndian, &size) != nil || size < 8 || size > 1<<16 {
				return
			}
			rest := make([]byte, size-4)
			if _, err := io.ReadFull(c, rest); err != nil {
				return
			}
			if binary.BigEndian.Uint32(rest) == 80877103 { // it asks for TLS
				_, _ = c.Write([]byte("N"))
				continue
			}
			fields := "SFATAL\x00VFATAL\x00C" + code + "\x00M" + message + "\x00\x00"
			_, _ = c.Write(append(binary.BigEndian.AppendUint32([]byte("E"), uint32(len(fields)+4)), fields...))
			return
		}
	}
}

func redisSays(line string) func(net.Conn) {
	return func(c net.Conn) {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			if _, err := c.Write([]byte(line + "\r\n")); err != nil {
				return
			}
		}
	}
}

func newNewcomer(t *testing.T, host func(*hostileHost)) *newcomer {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the hosts of this test become root by being it")
	}
	n := &newcomer{grounds: newGrounds(t), t: t, desk: t.TempDir()}
	t.Setenv("HOME", filepath.Join(n.desk, "home"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(n.desk, "cache"))
	t.Setenv("SSH_AUTH_SOCK", "")
	n.host = n.grounds.host("h1", honestGrafana(t))
	if host != nil {
		host(n.host)
	}
	n.host.start(t)
	n.database = listenFor(t, "127.0.0.1", postgresSays("28P01", `password authentication failed for user "grafana"`))
	n.redis = listenFor(t, "127.0.0.1", redisSays("-NOAUTH Authentication required."))
	for _, name := range []string{"CANARY_GOOD", "CANARY_KEY", "CANARY_ADMIN", "CANARY_DB", "CANARY_DBADMIN", "CANARY_REDIS", "CANARY_HOOK"} {
		t.Setenv(name, "https://canary.example.com/"+name)
	}
	n.know(n.host.ssh.HostKeys[0].PublicKey())
	n.write()
	return n
}

// know writes known_hosts.
func (n *newcomer) know(key ssh.PublicKey) {
	remotetest.WriteFile(n.t, filepath.Join(n.desk, "known_hosts"),
		fmt.Sprintf("[%s]:%d %s", n.host.address, n.host.port, ssh.MarshalAuthorizedKey(key)), 0o600)
}

// write writes the inventory, with changes made to it.
func (n *newcomer) write(changes ...string) {
	text := strings.NewReplacer(`, create: {user: root, password: "${env:CANARY_DBADMIN}"}`, "", "notify: [", "x-notify: [").
		Replace(n.inventoryText("postgres", n.database, n.redis, []*hostileHost{n.host}, nil))
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			n.t.Fatalf("no %q in\n%s", changes[i], text)
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	n.inventory = remotetest.WriteFile(n.t, filepath.Join(n.desk, "inventory.yaml"), text, 0o600)
}

// types runs one command in the newcomer's folder.
func (n *newcomer) types(args ...string) (code int, printed string) {
	n.t.Helper()
	n.t.Chdir(n.desk)
	var out bytes.Buffer
	tty := n.answers != ""
	a := &app{
		streams: ui.Streams{In: strings.NewReader(n.answers), Out: &out, Err: &out, InTTY: tty, ErrTTY: tty, Size: func() (int, int) { return 100, 0 }},
		getenv:  os.Getenv, now: time.Now, newRunner: realRunner,
	}
	code = a.main(n.t.Context(), args)
	n.t.Logf("$ ghadeploy %s   (exit %d)\n%s", strings.Join(args, " "), code, out.String())
	return code, out.String()
}

// nextOf is what the newcomer is told to type; there must be exactly one thing.
func nextOf(t *testing.T, printed string) string {
	t.Helper()
	at, next := 0, ""
	lines := strings.Split(printed, "\n")
	for i, l := range lines {
		if after, ok := strings.CutPrefix(l, "next:"); ok {
			at++
			next = strings.TrimSpace(after)
			for _, more := range lines[i+1:] {
				if !strings.HasPrefix(more, "       ") {
					break
				}
				next += " " + strings.TrimSpace(more)
			}
		}
	}
	if at != 1 || next == "" {
		t.Errorf("%d times next:\n%s", at, printed)
	}
	return next
}

// What a newcomer gets wrong first ends at one thing to type or to change.
func TestFirstMistakesEndAtOneNextStep(t *testing.T) {
	for _, tt := range []struct {
		name string
		host func(*hostileHost)
		make func(t *testing.T, n *newcomer)
		code int
		says string
		next string
		skip string // what else is wrong with hosts that share a machine without systemd
	}{
		{name: "no key at all", code: exitUnreachable, says: "neither agent, key nor password", next: "ssh-keygen -t ed25519 && ssh-copy-id -p ",
			make: func(_ *testing.T, n *newcomer) { n.write("identity_files: ["+n.key+"], ", "") }},
		{name: "an agent that is gone", code: exitUnreachable, says: "agent: ", next: "ssh-add",
			make: func(t *testing.T, n *newcomer) {
				n.write("identity_files: ["+n.key+"], ", "")
				t.Setenv("SSH_AUTH_SOCK", filepath.Join(n.desk, "gone"))
			}},
		{name: "a key with a passphrase", code: exitUnreachable, says: "is encrypted", next: "ssh-add ",
			make: func(t *testing.T, n *newcomer) {
				file, _ := remotetest.KeyFile(t, "a passphrase")
				n.write(n.key, file)
			}},
		{name: "unknown host key", code: exitUnreachable, says: "is unknown", next: "ghadeploy trust inventory.yaml --limit h1",
			make: func(t *testing.T, n *newcomer) {
				remotetest.WriteFile(t, filepath.Join(n.desk, "known_hosts"), "", 0o600)
			}},
		{name: "changed host key", code: exitUnreachable, says: "DANGER", next: "ssh-keygen -R ",
			make: func(t *testing.T, n *newcomer) { n.know(remotetest.NewKey(t).PublicKey()) }},
		{name: "wrong key or user", code: exitUnreachable, says: "refused, tried: key ", next: "ssh-copy-id -i ",
			make: func(t *testing.T, n *newcomer) {
				file, _ := remotetest.KeyFile(t, "")
				n.write(n.key, file)
			}},
		{name: "nobody named a user", code: exitUnreachable, says: "login as root at", next: "set ssh.user in inventory.yaml",
			make: func(t *testing.T, n *newcomer) {
				file, _ := remotetest.KeyFile(t, "")
				n.write(n.key, file, "user: root, ", "")
			}},
		{name: "sshd does not listen there", code: exitUnreachable, says: "connection refused", next: "systemctl start ssh",
			make: func(_ *testing.T, n *newcomer) { n.write(fmt.Sprintf("port: %d}", n.host.port), "port: 1}") }},
		{name: "sudo wants a password", code: exitFailed, says: "sudo asks user ops for a password", next: "ghadeploy check inventory.yaml -K",
			host: func(h *hostileHost) {
				// Whoever logs in there is not root, and sudo asks.
				plain := filepath.Join(h.dir, "plain")
				_ = os.Mkdir(plain, 0o755)
				remotetest.WriteFile(t, filepath.Join(plain, "id"), "#!/bin/sh\n[ \"$1\" = -u ] && echo 1000 || exec /usr/bin/id \"$@\"\n", 0o755)
				remotetest.WriteFile(t, filepath.Join(plain, "sudo"), "#!/bin/sh\necho 'sudo: a password is required' >&2\nexit 1\n", 0o755)
				for i, v := range h.ssh.Env {
					if path, is := strings.CutPrefix(v, "PATH="); is {
						h.ssh.Env[i] = "PATH=" + plain + ":" + path
					}
				}
			},
			make: func(_ *testing.T, n *newcomer) { n.write("user: root", "user: ops") }},
		{name: "no archive", code: exitCheck, says: "is not there", next: "https://grafana.com/grafana/download/10.3.1 (edition OSS)",
			make: func(_ *testing.T, n *newcomer) {
				n.write(filepath.Join(n.dir, n.file), "./grafana-{version}.linux-{arch}.tar.gz")
			}},
		{name: "the archive has the publisher's name", code: exitCheck, says: "but grafana_10.3.1_123_linux_amd64.tar.gz is", next: "mv ",
			make: func(t *testing.T, n *newcomer) {
				remotetest.WriteFile(t, filepath.Join(n.desk, "grafana_10.3.1_123_linux_amd64.tar.gz"), "x", 0o600)
				n.write(filepath.Join(n.dir, n.file), "./grafana-{version}.linux-{arch}.tar.gz")
			}},
		{name: "a page saved as the archive", code: exitCheck, says: "archive", next: "https://grafana.com/grafana/download/10.3.1",
			make: func(t *testing.T, n *newcomer) {
				remotetest.WriteFile(t, filepath.Join(n.desk, "g.tar.gz"), "<html>", 0o600)
				n.write(filepath.Join(n.dir, n.file), "./g.tar.gz")
			}},
		{name: "another version in the archive", code: exitCheck, says: "holds Grafana 10.3.1, the inventory says 10.3.2", next: "set grafana.version in inventory.yaml to 10.3.1",
			make: func(_ *testing.T, n *newcomer) { n.write(`version: "10.3.1"`, `version: "10.3.2"`) }},
		{name: "database refuses the login", code: exitCheck, says: "password authentication failed", next: "read -rs CANARY_DB && export CANARY_DB"},
		{name: "no such database", code: exitCheck, says: `database "grafana" does not exist`, next: "createdb -h 127.0.0.1 -p ",
			make: func(t *testing.T, n *newcomer) {
				n.database = listenFor(t, "127.0.0.1", postgresSays("3D000", `database "grafana" does not exist`))
				n.write()
			}},
		{name: "no database server", code: exitCheck, says: "cannot reach the database", next: "start the server there",
			make: func(_ *testing.T, n *newcomer) { n.database = 1; n.write() }},
		{name: "port taken", code: exitCheck, says: "is held by ", next: "set grafana.config.server.http_port: ",
			skip: "platform"},
		{name: "redis refuses", code: exitCheck, says: "wants a password", next: "set password: of Redis at ", skip: "platform,ports,database"},
		{name: "a key misspelt", code: exitUsage, says: `did you mean "user"`, next: "correct inventory.yaml:2:",
			make: func(_ *testing.T, n *newcomer) { n.write("ssh: {user:", "ssh: {usr:") }},
		{name: "no inventory", code: exitUsage, says: "no such file", next: "ghadeploy init HOST",
			make: func(_ *testing.T, n *newcomer) { _ = os.Remove(n.inventory) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNewcomer(t, tt.host)
			if tt.make != nil {
				tt.make(t, n)
			}
			code, printed := n.types("check", "inventory.yaml", "--skip-check", cmp.Or(tt.skip, "platform,ports"))
			if code != tt.code || !strings.Contains(strings.Join(strings.Fields(printed), " "), tt.says) {
				t.Errorf("exit %d, want %d, and %q:\n%s", code, tt.code, tt.says, printed)
			}
			if next := nextOf(t, printed); !strings.Contains(next, tt.next) {
				t.Errorf("next: %s\nwant %s", next, tt.next)
			}
		})
	}
}

// beforeInit leaves the ~/.ssh/config of somebody who logs in to the host already.
func (n *newcomer) beforeInit() {
	t := n.t
	_ = os.Remove(n.inventory)
	home := filepath.Join(n.desk, "home", ".ssh")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	remotetest.WriteFile(t, filepath.Join(home, "config"), fmt.Sprintf("Host *\n  Port %d\n  IdentityFile %s\n", n.host.port, n.key), 0o600)
}

// inHome has the home's known_hosts know the host.
func (n *newcomer) inHome() {
	text, err := os.ReadFile(filepath.Join(n.desk, "known_hosts"))
	if err != nil {
		n.t.Fatal(err)
	}
	remotetest.WriteFile(n.t, filepath.Join(n.desk, "home", ".ssh", "known_hosts"), string(text), 0o600)
}

// At a terminal init asks, logs in, offers to trust, and what it writes names the schema;
// without one it is as it was, and what ends it before the end writes nothing.
func TestInitAsksAndLogsInAtATerminal(t *testing.T) {
	n := newNewcomer(t, nil)
	n.beforeInit()
	n.answers = "g1=" + n.host.address + "\n"
	if code, printed := n.types("init"); code == 0 {
		t.Errorf("answers that end early are taken: %s", printed)
	}
	if left, _ := os.ReadDir(n.desk); len(left) != 2 { // home and known_hosts
		t.Errorf("something was written: %v", left)
	}
	n.answers = "g1=" + n.host.address + "\nroot\noracle\n\n\ndb.example.com\ngrafana.example.com\nhttps://grafana.example.com/\n\n\n\n\ny\n"
	code, printed := n.types("init")
	for _, want := range []string{"Hosts, separated", "postgres or mysql (MariaDB too)", "name its server", "begins with http", "Trust the new keys of 1 host?",
		"ok     g1: root, ", "wrote  inventory.schema.json", "wrote  inventory.yaml", "next:  put the database's password into secrets/database_password"} {
		if !strings.Contains(printed, want) {
			t.Errorf("no %q in\n%s", want, printed)
		}
	}
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	text, err := os.ReadFile(n.inventory)
	if err != nil || !strings.HasPrefix(string(text), "# yaml-language-server: $schema=./inventory.schema.json\n") || !strings.Contains(string(text), "https://grafana.example.com/") {
		t.Errorf("%v\n%s", err, text)
	}
}

// Flags leave nothing to ask.
func TestInitWithFlagsAsksNothing(t *testing.T) {
	n := newNewcomer(t, nil)
	n.beforeInit()
	n.know(n.host.ssh.HostKeys[0].PublicKey())
	n.inHome()

	// Flags leave nothing to ask; a host that is known is logged in to; nothing is written over.
	n.answers = "x\n"
	flags := []string{"init", "g1=" + n.host.address, "--user", "root", "--database", "mysql", "--database-host", "db", "--root-url", "http://g/"}
	if code, printed := n.types(append(flags, "-O", "second.yaml")...); code != 0 || strings.Contains(printed, "A few questions") || !strings.Contains(printed, "ok     g1") {
		t.Errorf("exit %d\n%s", code, printed)
	}
	if code, printed := n.types(append(flags, "-O", "second.yaml")...); code != exitUsage || strings.Contains(printed, "log in") {
		t.Errorf("a file that is there: exit %d\n%s", code, printed)
	}
	n.answers = ""
	before := n.host.ssh.Connections.Load()
	if code, printed := n.types("init", "g1="+n.host.address, "-O", "third.yaml"); code != 0 || n.host.ssh.Connections.Load() != before {
		t.Errorf("without a terminal: exit %d, and it dials\n%s", code, printed)
	}
}

// A changed key is not added beside the old one, and a host that is down keeps nobody from
// trusting the others.
func TestTrustAddsOnlyWhatNobodyKnows(t *testing.T) {
	n := newNewcomer(t, nil)
	other := remotetest.NewKey(t).PublicKey()
	n.know(other)
	before, _ := os.ReadFile(filepath.Join(n.desk, "known_hosts"))
	n.answers = "y\n"
	code, printed := n.types("trust", "inventory.yaml")
	after, _ := os.ReadFile(filepath.Join(n.desk, "known_hosts"))
	if code != exitFailed || !bytes.Equal(before, after) || !strings.Contains(printed, "another one than known_hosts") {
		t.Errorf("exit %d\n%s\n%s", code, printed, after)
	}
	if next := nextOf(t, printed); !strings.Contains(next, "ssh-keygen -R ") {
		t.Errorf("next: %s", next)
	}
	remotetest.WriteFile(t, filepath.Join(n.desk, "known_hosts"), "", 0o600)
	n.write("hosts:\n  h1:", "hosts:\n  gone: {address: 127.0.0.77, ssh: {port: 1}}\n  h1:")
	code, printed = n.types("trust", "inventory.yaml")
	after, _ = os.ReadFile(filepath.Join(n.desk, "known_hosts"))
	if code != exitUnreachable || len(after) == 0 {
		t.Errorf("exit %d, known_hosts %q\n%s", code, after, printed)
	}
}
