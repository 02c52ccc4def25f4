// Package remotetest is a small SSH server for tests: it runs commands with the
// machine's own sh, each in a session of its own as OpenSSH does, serves SFTP and
// forwards. It is no part of the tool.
package remotetest

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// Server is one host. Set its fields before Start.
type Server struct {
	// HostKeys are what it identifies itself with; Start makes an Ed25519 one
	// when there is none.
	HostKeys []ssh.Signer
	// Keys may log in, as any user.
	Keys []ssh.PublicKey
	// Password may log in too, asked by "password" or, with Interactive, by
	// keyboard-interactive only.
	Password    string
	Interactive bool
	// NoSFTP, NoForwarding and NoExec refuse what they name.
	NoSFTP, NoForwarding, NoExec bool
	// DropFirst connections are closed before the banner.
	DropFirst int32
	// Algorithms are what it offers; the library's default when empty.
	Algorithms ssh.Config
	// Session and Forward, where set, are called with every channel of their kind
	// instead of the serving here: for hosts that misbehave.
	Session, Forward func(ssh.NewChannel)
	// Output, where set, stands between a command and its standard output: for hosts
	// that lie. A writer that is an io.Closer is closed at the command's end.
	Output func(io.Writer) io.Writer
	// Heard, where set, gets all that clients send to sessions, commands' input and
	// uploads, and to forwarded ports. Several write to it at once.
	Heard io.Writer
	// Shell is the login shell, which gets the command line with -c; default sh.
	Shell string
	// MaxSessions is how many sessions a connection may have at once; 0: any number.
	MaxSessions int32
	// MaxAuthTries is sshd's, an even number; 0: any number.
	MaxAuthTries int
	// Banner is shown before the login.
	Banner string
	// Listen is the loopback address that it listens on; default 127.0.0.1.
	Listen string
	// Dir is the users' home.
	Dir string
	// Env is added to the commands' environment.
	Env []string

	// Addr is host:port once started.
	Addr string
	// Connections counts TCP connections, Sessions session channels.
	Connections, Sessions atomic.Int32
	// Mute stops answering: as a host does whose cable was pulled.
	mute atomic.Bool

	t        testing.TB
	config   *ssh.ServerConfig
	listener net.Listener
	running  sync.WaitGroup
	mu       sync.Mutex
	conns    map[net.Conn]bool
}

// NewKey makes a key pair.
func NewKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// Start listens on a free port of the loopback address until the test ends.
func (s *Server) Start(t testing.TB) *Server {
	t.Helper()
	s.t = t
	if len(s.HostKeys) == 0 {
		s.HostKeys = []ssh.Signer{NewKey(t)}
	}
	s.config = s.serverConfig()
	var err error
	if s.listener, err = net.Listen("tcp", net.JoinHostPort(cmp.Or(s.Listen, "127.0.0.1"), "0")); err != nil {
		t.Fatal(err)
	}
	s.Addr = s.listener.Addr().String()
	s.conns = map[net.Conn]bool{}
	s.running.Go(s.accept)
	t.Cleanup(s.stop)
	return s
}

var errDenied = errors.New("denied")

func (s *Server) serverConfig() *ssh.ServerConfig {
	// The library lets as many keys be asked for before it counts them.
	tries := s.MaxAuthTries / 2
	if tries == 0 {
		tries = -1
	}
	c := &ssh.ServerConfig{
		Config:         s.Algorithms,
		MaxAuthTries:   tries,
		BannerCallback: func(ssh.ConnMetadata) string { return s.Banner },
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			for _, k := range s.Keys {
				if string(k.Marshal()) == string(key.Marshal()) {
					return nil, nil
				}
			}
			return nil, errDenied
		},
	}
	if s.Password != "" && !s.Interactive {
		c.PasswordCallback = func(_ ssh.ConnMetadata, p []byte) (*ssh.Permissions, error) {
			if string(p) != s.Password {
				return nil, errDenied
			}
			return nil, nil
		}
	}
	if s.Password != "" && s.Interactive {
		c.KeyboardInteractiveCallback = func(_ ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			a, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(a) != 1 || a[0] != s.Password {
				return nil, errDenied
			}
			return nil, nil
		}
	}
	for _, k := range s.HostKeys {
		c.AddHostKey(k)
	}
	return c
}

// Port is the port that it listens on.
func (s *Server) Port() int {
	_, port, _ := net.SplitHostPort(s.Addr)
	n, _ := strconv.Atoi(port)
	return n
}

// KnownHosts writes a known_hosts file with the host's keys and returns its path.
func (s *Server) KnownHosts(t testing.TB) string {
	t.Helper()
	lines := ""
	for _, k := range s.HostKeys {
		lines += knownhosts.Line([]string{s.Addr}, k.PublicKey()) + "\n"
	}
	return WriteFile(t, filepath.Join(t.TempDir(), "known_hosts"), lines, 0o600)
}

// Mute makes the host silent without closing anything.
func (s *Server) Mute() { s.mute.Store(true) }

// Drop closes all connections, as a host does that dies.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

func (s *Server) stop() {
	_ = s.listener.Close()
	s.Drop()
	s.running.Wait()
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.Connections.Add(1)
		if atomic.AddInt32(&s.DropFirst, -1) >= 0 {
			_ = conn.Close()
			continue
		}
		s.mu.Lock()
		s.conns[conn] = true
		s.mu.Unlock()
		s.running.Go(func() {
			s.serve(&muteConn{Conn: conn, s: s})
			s.mu.Lock()
			delete(s.conns, conn)
			s.mu.Unlock()
			_ = conn.Close()
		})
	}
}

// muteConn swallows what the host would say.
type muteConn struct {
	net.Conn
	s *Server
}

func (m *muteConn) Write(p []byte) (int, error) {
	if m.s.mute.Load() {
		return len(p), nil
	}
	return m.Conn.Write(p)
}

func (s *Server) serve(conn net.Conn) {
	c, chans, reqs, err := ssh.NewServerConn(conn, s.config)
	if err != nil {
		return
	}
	var inside sync.WaitGroup
	defer inside.Wait()
	forwards := &forwards{s: s, conn: c}
	defer forwards.close()
	inside.Go(func() { forwards.serve(reqs) })
	session, forward := s.Session, s.Forward
	if session == nil {
		session = s.ServeSession
	}
	if forward == nil {
		forward = s.ServeForward
	}
	var sessions atomic.Int32
	for ch := range chans {
		switch ch.ChannelType() {
		case "session":
			if n := sessions.Add(1); s.MaxSessions > 0 && n > s.MaxSessions {
				sessions.Add(-1)
				_ = ch.Reject(ssh.ConnectionFailed, "open failed") // as OpenSSH does
				continue
			}
			s.Sessions.Add(1)
			inside.Go(func() {
				defer sessions.Add(-1)
				session(ch)
			})
		case "direct-tcpip", "direct-streamlocal@openssh.com":
			inside.Go(func() { forward(ch) })
		default:
			_ = ch.Reject(ssh.UnknownChannelType, "unknown")
		}
	}
}
