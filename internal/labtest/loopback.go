package labtest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Loopback are a PostgreSQL and a MariaDB on the loopback address, for tests that need a
// database and no lab. Login "tester", on MariaDB with the password "tester", who may do
// anything. Stop it.
type Loopback struct {
	// Port by database.type; 0: that server is not installed.
	Port map[string]int

	dir  string
	stop []func()
}

// StartLoopback starts them in a folder of their own.
func StartLoopback() (*Loopback, error) {
	dir, err := os.MkdirTemp("", "ghadeploy-loopback")
	if err != nil {
		return nil, err
	}
	s := &Loopback{dir: dir, Port: map[string]int{}}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	if err := errors.Join(s.postgres(), s.mariadb()); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Stop ends the servers and removes what they had.
func (s *Loopback) Stop() {
	for _, stop := range s.stop {
		stop()
	}
	_ = os.RemoveAll(s.dir)
}

func program(name string) string {
	if all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name); len(all) > 0 {
		return all[len(all)-1]
	}
	path, _ := exec.LookPath(name)
	return path
}

// FreePort is one of the loopback address on which nobody listens; 0: there is none.
func FreePort() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *Loopback) run(as *syscall.Credential, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir, c.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: as}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// serve starts a server and waits until its log says that it is ready.
func (s *Loopback) serve(ready string, as *syscall.Credential, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Dir, c.SysProcAttr = s.dir, &syscall.SysProcAttr{Credential: as}
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

// postgres refuses to run as root.
func (s *Loopback) postgres() error {
	initdb, server := program("initdb"), program("postgres")
	if initdb == "" || server == "" {
		return nil
	}
	data := filepath.Join(s.dir, "pg")
	if err := os.Mkdir(data, 0o700); err != nil {
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
	if err := s.run(as, initdb, "-D", data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8", "--no-locale"); err != nil {
		return err
	}
	s.Port["postgres"] = FreePort()
	return s.serve("ready to accept connections", as, server, "-D", data, "-k", data, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(s.Port["postgres"]), "-c", "fsync=off")
}

func (s *Loopback) mariadb() error {
	server, install := program("mariadbd"), program("mariadb-install-db")
	if server == "" || install == "" {
		return nil
	}
	base, err := filepath.EvalSymlinks(install)
	if err != nil {
		return err
	}
	base = filepath.Dir(filepath.Dir(base))
	data, init := filepath.Join(s.dir, "my"), filepath.Join(s.dir, "init.sql")
	if err := os.WriteFile(init, []byte("CREATE USER tester@'%' IDENTIFIED BY 'tester';\nGRANT ALL ON *.* TO tester@'%';\n"), 0o600); err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return err
	}
	if err := s.run(nil, install, "--no-defaults", "--basedir="+base, "--datadir="+data, "--user="+me.Username, "--skip-test-db"); err != nil {
		return err
	}
	s.Port["mysql"] = FreePort()
	return s.serve("ready for connections", nil, server, "--no-defaults", "--basedir="+base, "--datadir="+data, "--user="+me.Username, "--bind-address=127.0.0.1",
		"--port="+strconv.Itoa(s.Port["mysql"]), "--socket="+filepath.Join(data, "s"), "--init-file="+init, "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0")
}
