package database

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// realServers are PostgreSQL and MariaDB on this machine's loopback address, with TLS
// for db.example.com, for where there is no lab. What is not installed is left out.
type realServers struct {
	dir  string
	stop []func()
	ca   string
	port map[string]int // by database.type
}

var local struct {
	once sync.Once
	s    *realServers
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if local.s != nil {
		for _, stop := range local.s.stop {
			stop()
		}
		_ = os.RemoveAll(local.s.dir)
	}
	os.Exit(code)
}

// localServers starts them once for all tests.
func localServers(t *testing.T) *realServers {
	t.Helper()
	if testing.Short() {
		t.Skip("starts database servers")
	}
	local.once.Do(func() { local.s, local.err = startServers(t) })
	if local.err != nil {
		t.Fatal(local.err)
	}
	return local.s
}

// port is where a server listens; a test that needs one that is not there is skipped.
func (s *realServers) need(t *testing.T, kind string) int {
	t.Helper()
	if s.port[kind] == 0 {
		t.Skipf("no server of type %s is installed on this machine", kind)
	}
	return s.port[kind]
}

func startServers(t *testing.T) (*realServers, error) {
	dir, err := os.MkdirTemp("", "ghadeploy-db")
	if err != nil {
		return nil, err
	}
	s := &realServers{dir: dir, port: map[string]int{}}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	ca := labtest.NewCA(t, "db")
	pair := ca.Issue(t, "db", "db.example.com")
	s.ca = filepath.Join(dir, "ca.pem")
	for from, to := range map[string]string{ca.File: s.ca, pair.Cert: filepath.Join(dir, "cert.pem"), pair.Key: filepath.Join(dir, "key.pem")} {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, text, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	_ = os.Chmod(s.ca, 0o644)
	return s, errors.Join(s.postgres(), s.mariadb())
}

func find(name string, folders ...string) string {
	if path, err := exec.LookPath(name); err == nil && len(folders) == 0 {
		return path
	}
	for _, f := range folders {
		if all, _ := filepath.Glob(filepath.Join(f, name)); len(all) > 0 {
			return all[len(all)-1]
		}
	}
	return ""
}

func (s *realServers) run(as *syscall.Credential, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir, c.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: as}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// serve starts a server and waits until its log says that it is ready.
func (s *realServers) serve(ready string, as *syscall.Credential, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir, c.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGKILL}
	log, err := os.Create(filepath.Join(s.dir, filepath.Base(name)+".log"))
	if err != nil {
		return err
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		return err
	}
	s.stop = append(s.stop, func() { _ = c.Process.Kill(); _ = c.Wait() })
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		said, _ := os.ReadFile(log.Name())
		if strings.Contains(string(said), ready) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("%s does not start: %s", name, said)
		}
	}
}

func freePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// postgres refuses to run as root.
func (s *realServers) postgres() error {
	initdb, postgres := find("initdb", "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/bin"), find("postgres", "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/bin")
	if initdb == "" || postgres == "" {
		return nil
	}
	data, port, password := filepath.Join(s.dir, "pg"), freePort(), filepath.Join(s.dir, "pw")
	if err := errors.Join(os.Mkdir(data, 0o700), os.WriteFile(password, []byte("labadmin"), 0o644)); err != nil {
		return err
	}
	var as *syscall.Credential
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			return err
		}
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(data, uid, gid); err != nil {
			return err
		}
	}
	if err := s.run(as, initdb, "-D", data, "-U", "labadmin", "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile="+password, "--no-sync", "-E", "UTF8", "--no-locale"); err != nil {
		return err
	}
	for _, name := range []string{"cert.pem", "key.pem"} {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(data, name), text, 0o600)
		}
		if err == nil && as != nil {
			err = os.Chown(filepath.Join(data, name), int(as.Uid), int(as.Gid))
		}
		if err != nil {
			return err
		}
	}
	s.port["postgres"] = port
	return s.serve("ready to accept connections", as, postgres, "-D", data, "-k", data, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(port), "-c", "fsync=off",
		"-c", "ssl=on", "-c", "ssl_cert_file=cert.pem", "-c", "ssl_key_file=key.pem")
}

func (s *realServers) mariadb() error {
	server, install := find("mariadbd"), find("mariadb-install-db")
	if server == "" || install == "" {
		return nil
	}
	base, err := filepath.EvalSymlinks(install)
	if err != nil {
		return err
	}
	base = filepath.Dir(filepath.Dir(base))
	data, port := filepath.Join(s.dir, "my"), freePort()
	init := filepath.Join(s.dir, "init.sql")
	const sql = "CREATE USER labadmin@'%' IDENTIFIED BY 'labadmin';\nGRANT ALL ON *.* TO labadmin@'%' WITH GRANT OPTION;\n"
	if err := os.WriteFile(init, []byte(sql), 0o600); err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	if err := s.run(nil, install, "--no-defaults", "--basedir="+base, "--datadir="+data, "--user="+me.Username, "--skip-test-db"); err != nil {
		return err
	}
	s.port["mysql"] = port
	return s.serve("ready for connections", nil, server, "--no-defaults", "--basedir="+base, "--datadir="+data, "--user="+me.Username, "--bind-address=127.0.0.1",
		"--port="+strconv.Itoa(port), "--socket="+filepath.Join(data, "s"), "--init-file="+init, "--skip-name-resolve",
		"--ssl-ca="+s.ca, "--ssl-cert="+filepath.Join(s.dir, "cert.pem"), "--ssl-key="+filepath.Join(s.dir, "key.pem"), "--innodb-flush-log-at-trx-commit=0")
}

// localHost is this machine as a host; what it dials at port is answered by the server.
func localHost(name string, port int) fleet.Host {
	to := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, to)
	}
	return fleet.Host{Host: &inventory.Host{Name: name, Address: "127.0.0.1"}, Conn: &fleettest.Local{Name: name, DialFunc: dial}}
}

// Real servers are reached in every mode, by the guard's TLS as by the drivers'.
func TestEveryTLSModeReachesTheRealServer(t *testing.T) {
	for kind, modes := range map[string][]string{"postgres": {"disable", "require", "verify-ca", "verify-full"}, "mysql": {"false", "skip-verify", "true"}} {
		t.Run(kind, func(t *testing.T) {
			s := localServers(t)
			h := localHost("h1", s.need(t, kind))
			for _, mode := range modes {
				db := inventory.Database{Type: kind, Host: "db.example.com", User: "labadmin", Password: inventory.NewSecret("labadmin", "literal"), SSLMode: mode, CACert: s.ca}
				open, err := Open(t.Context(), h, db, &inventory.Credentials{User: "labadmin", Password: db.Password})
				if err != nil {
					t.Errorf("%s: %v", mode, err)
					continue
				}
				query, want := "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()", map[bool]string{true: "true", false: "false"}
				if kind == "mysql" {
					query, want = "SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'Ssl_cipher'", map[bool]string{true: "1", false: "0"}
				}
				secure, err := scan[string](t.Context(), open, query)
				if plain := mode == "disable" || mode == "false"; err != nil || secure != want[!plain] {
					t.Errorf("%s: TLS %q, %v", mode, secure, err)
				}
				// A long answer passes whole.
				if n, err := scan[string](t.Context(), open, "SELECT repeat('x', 300000)"); err != nil || len(n) != 300000 {
					t.Errorf("%s: %d bytes, %v", mode, len(n), err)
				}
				_ = open.Close()
			}
			db := inventory.Database{Type: kind, Host: "other.example.com", User: "labadmin", SSLMode: modes[len(modes)-1], CACert: s.ca}
			_, err := Open(t.Context(), h, db, &inventory.Credentials{User: "labadmin", Password: inventory.NewSecret("labadmin", "literal")})
			if failed, ok := errors.AsType[*LoginError](err); !ok || failed.Kind != BadTLS {
				t.Errorf("a certificate for another name: %v", err)
			}
		})
	}
}
