package database

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Operator names the operator's machine as the place of a dump: in database.backup.on,
// in plans and in HOST:PATH.
const Operator = "operator"

// OperatorHas tells whether this machine has the tools for a dump of the type.
func OperatorHas(kind string) bool {
	return HasTools(kind, func(command string) bool { _, err := exec.LookPath(command); return err == nil })
}

// OperatorHost is this machine as the place of a dump. The database is reached through
// via: what runs here never dials it itself.
func OperatorHost(via fleet.Conn) fleet.Host {
	return fleet.Host{Host: &inventory.Host{Name: Operator}, Conn: operator{via}}
}

// onOperator tells whether a host is this machine, and through which connection it
// reaches the database.
func onOperator(h fleet.Host) (via fleet.Conn, ok bool) {
	o, ok := h.Conn.(operator)
	return o.Conn, ok
}

// operator runs commands on this machine, as the user that runs ghadeploy.
type operator struct{ fleet.Conn }

// Close does nothing: the connection belongs to the host that lends it.
func (operator) Close() error { return nil }

// Run runs a command here; Become and LowPriority mean nothing.
func (operator) Run(ctx context.Context, cmd remote.Command) (remote.Result, error) {
	if cmd.Timeout >= 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(cmd.Timeout, 10*time.Second))
		defer cancel()
	}
	args := cmd.Args
	if cmd.Script != "" {
		args = append([]string{"sh", "-c", cmd.Script, "sh"}, args...)
	}
	c := exec.CommandContext(ctx, args[0], args[1:]...)
	c.Env = cleanEnvironment()
	c.Stdin, c.WaitDelay = cmd.Stdin, time.Second
	// Its own group, so that its children end with it.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if cmd.Stdout != nil {
		c.Stdout = cmd.Stdout
	}
	err := c.Run()
	res := remote.Result{Stdout: out.Bytes(), Stderr: errs.Bytes()}
	if ctx.Err() != nil {
		return res, fmt.Errorf("%s: %s: %w", Operator, cmd.Step, context.Cause(ctx))
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return res, &remote.ExitError{Host: Operator, Step: cmd.Step, Status: exit.ExitCode(), Stderr: lastOf(errs.Bytes())}
	}
	if err != nil {
		return res, fmt.Errorf("%s: %s: %w", Operator, cmd.Step, err)
	}
	return res, nil
}

// lastOf is the end of what a command complained of.
func lastOf(b []byte) string {
	const most = 2000
	return string(b[max(len(b)-most, 0):])
}

// cleanEnvironment is what the tools get of this shell's: no PG... or MYSQL... variable
// of the operator's may lead them elsewhere, and no secret of it is theirs.
func cleanEnvironment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "USER", "TMPDIR", "LD_LIBRARY_PATH"} {
		if v, there := os.LookupEnv(name); there {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// OperatorDir is where dumps lie on this machine: the folder that the inventory names
// for it, or one beside the cluster's journal.
func OperatorDir(db inventory.Database, cluster string) (string, error) {
	if db.Backup.On == Operator && db.Backup.Dir != "" && db.Backup.Dir != DefaultBackupDir {
		return db.Backup.Dir, nil
	}
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find a place for the dump on this machine: %w", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "ghadeploy", cluster, "backups"), nil
}

// backupDir is where dumps of a cluster lie on a host.
func backupDir(h fleet.Host, db inventory.Database, cluster string) (string, error) {
	if _, here := onOperator(h); here {
		return OperatorDir(db, cluster)
	}
	if db.Backup.Dir != "" {
		return db.Backup.Dir, nil
	}
	return DefaultBackupDir, nil
}

// relay lets tools of this machine reach the database through a host. It listens on a
// Unix socket in a folder that only we may enter, and speaks TLS itself: with the
// server's real name, which the tools could not check at a socket.
type relay struct {
	dir    string
	listen net.Listener
	stop   context.CancelFunc
	done   chan struct{}
	asked  func() error // what a server asked for in vain
}

// socketPort is in the name of a PostgreSQL socket.
const socketPort = "5432"

// socketDir makes a folder that only we may enter, with a name short enough for a
// socket in it: the kernel takes 104 bytes or some more.
func socketDir() (string, error) {
	parent := os.TempDir()
	if len(parent) > 60 {
		parent = "/tmp"
	}
	return os.MkdirTemp(parent, "ghadeploy-db") // 0700
}

// openRelay listens until Close.
func openRelay(ctx context.Context, via fleet.Conn, db inventory.Database) (*relay, error) {
	host, _, err := hostPort(db.Host, 1)
	if err != nil {
		return nil, err
	}
	secure, err := tlsConfig(db, host)
	if err != nil {
		return nil, err
	}
	dir, err := socketDir()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL."+socketPort))
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("listen for the dump's tools: %w", err)
	}
	life, stop := context.WithCancel(ctx)
	r := &relay{dir: dir, listen: l, stop: stop, done: make(chan struct{})}
	var last guarded
	r.asked = func() error {
		if last == nil {
			return nil
		}
		return last.refused()
	}
	dial := func() (net.Conn, error) {
		c, err := dialServer(life, via, db)
		if err != nil {
			return nil, err
		}
		if db.Type == "mysql" {
			g := guardMySQL(c, secure, VerifiedTLS(db))
			g.noFiles, last = true, g
			return g, nil
		}
		g, err := guardPostgres(life, c, secure, VerifiedTLS(db))
		if err != nil {
			_ = c.Close()
			last = failed{err}
			return nil, err
		}
		last = g
		return g, nil
	}
	guard.Go(func() { r.serve(life, dial) })
	return r, nil
}

// guarded is a connection that knows what a server asked for in vain.
type guarded interface{ refused() error }

type failed struct{ error }

func (f failed) refused() error { return f.error }

func dialServer(ctx context.Context, via fleet.Conn, db inventory.Database) (net.Conn, error) {
	host, port, err := hostPort(db.Host, usualPort(db.Type))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	return via.Dial(ctx, "tcp", net.JoinHostPort(host, fmt.Sprint(port)))
}

// serve passes one connection after another on: the tools use one at a time.
func (r *relay) serve(ctx context.Context, dial func() (net.Conn, error)) {
	defer close(r.done)
	for {
		c, err := r.listen.Accept()
		if err != nil {
			return
		}
		if s, err := dial(); err == nil {
			pass(ctx, c, s)
		}
		_ = c.Close()
	}
}

// pass copies both ways until one side ends.
func pass(ctx context.Context, client, server net.Conn) {
	ends := context.AfterFunc(ctx, func() { _ = client.Close(); _ = server.Close() })
	defer ends()
	both := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		guard.Go(func() {
			_, _ = io.Copy(struct{ io.Writer }{way[0]}, struct{ io.Reader }{way[1]})
			_, _ = client.Close(), server.Close()
			both <- struct{}{}
		})
	}
	<-both
	<-both
}

// Close ends the listening and every connection. What a server asked for in vain is
// told: the tool itself knows only that the connection ended.
func (r *relay) Close(err error) error {
	if r == nil {
		return err
	}
	r.stop()
	_ = r.listen.Close()
	<-r.done
	_ = os.RemoveAll(r.dir)
	if err != nil && r.asked() != nil {
		return fmt.Errorf("%w (%w)", r.asked(), err)
	}
	return err
}
