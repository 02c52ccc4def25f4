package conformance

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	_ "github.com/lib/pq"
)

// patience bounds every wait of the suite.
const patience = 60 * time.Second

// until polls ok until it holds; what names the thing in the failure.
func until(t *testing.T, what string, limit time.Duration, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, limit, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// freePort is a TCP port that nobody listened on a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// find returns a program from PATH or the folders that Debian keeps off it; the
// test is skipped when it is not installed.
func find(t *testing.T, name, pkg string) string {
	t.Helper()
	if p, err := exec.LookPath(name); err == nil && filepath.Dir(p) != "/usr/local/bin" {
		return p
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	dirs = append(dirs, "/usr/sbin/"+name)
	for _, p := range dirs {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	t.Skipf("needs %s: apt-get install %s", name, pkg)
	return ""
}

// service is a program that the suite started.
type service struct {
	cmd  *exec.Cmd
	args []string
	as   *syscall.Credential
	log  string
}

func (s *service) start(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile(s.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.cmd = exec.Command(s.args[0], s.args[1:]...)
	s.cmd.Stdout, s.cmd.Stderr, s.cmd.Dir = f, f, "/"
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (s *service) stop() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Signal(syscall.SIGINT) // PostgreSQL: fast shutdown
		_ = s.cmd.Wait()
	}
}

type postgres struct {
	service
	port int
}

// startPostgres runs a PostgreSQL as the user postgres when the test is root,
// who may not run one.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	initdb, server := find(t, "initdb", "postgresql"), find(t, "postgres", "postgresql")
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &postgres{port: freePort(t)}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Skip("needs the user postgres: apt-get install postgresql")
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		p.as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	init := exec.Command(initdb, "-D", data, "-A", "trust", "-U", "postgres", "--no-sync")
	init.Dir, init.SysProcAttr = "/", &syscall.SysProcAttr{Credential: p.as}
	if b, err := init.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, b)
	}
	p.log = filepath.Join(dir, "log")
	p.args = []string{server, "-D", data, "-p", strconv.Itoa(p.port), "-k", dir, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=300"}
	p.start(t)
	t.Cleanup(p.stop)
	p.wait(t)
	return p
}

func (p *postgres) open(t *testing.T, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open("postgres", fmt.Sprintf("host=127.0.0.1 port=%d user=postgres dbname=%s sslmode=disable", p.port, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func (p *postgres) wait(t *testing.T) {
	t.Helper()
	db := p.open(t, "postgres")
	until(t, "PostgreSQL", patience, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return db.PingContext(ctx)
	})
}

// database makes a fresh one.
func (p *postgres) database(t *testing.T, name string) {
	t.Helper()
	if _, err := p.open(t, "postgres").Exec("CREATE DATABASE " + name); err != nil {
		t.Fatal(err)
	}
}

type redisServer struct {
	service
	port     int
	password string
}

// startRedis runs a Redis; before 10.3 Live knows none with a password.
func startRedis(t *testing.T, password string) *redisServer {
	t.Helper()
	server := find(t, "redis-server", "redis-server")
	dir := t.TempDir()
	r := &redisServer{port: freePort(t), password: password}
	r.log = filepath.Join(dir, "log")
	r.args = []string{server, "--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--save", "", "--dir", dir}
	if password != "" {
		r.args = append(r.args, "--requirepass", password)
	}
	r.start(t)
	t.Cleanup(r.stop)
	until(t, "Redis", patience, func() error {
		c, err := net.DialTimeout("tcp", r.address(), time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	return r
}

func (r *redisServer) address() string { return fmt.Sprintf("127.0.0.1:%d", r.port) }
