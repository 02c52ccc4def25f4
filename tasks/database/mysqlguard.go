package database

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// Bits of MySQL's protocol
// (https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html).
const (
	mysqlClientSSL  = 0x0800
	mysqlOK         = 0x00
	mysqlMore       = 0x01
	mysqlLocalFile  = 0xfb
	mysqlSwitch     = 0xfe
	mysqlErr        = 0xff
	mysqlFastOK     = 0x03
	mysqlFullLogin  = 0x04
	mysqlGreeting   = 0x0a
	mysqlHelloBytes = 32 // of a handshake response that an SSLRequest repeats
	// mysqlLoginPacket bounds a packet of a login; real ones have some hundred bytes.
	mysqlLoginPacket = 64 << 10
)

// challenges are the methods whose answer shows neither the password nor what would
// log in instead of it. caching_sha2_password belongs here up to the point where the
// server wants more than the answer.
var challenges = []string{"mysql_native_password", "client_ed25519", "caching_sha2_password"}

// mysqlGuard stands between a client of MySQL's protocol and the server until the login
// is over. It makes the TLS connection, so that what is asked for inside it is seen too,
// and lets a server that is not verified ask for the answer to a challenge only. What
// the server asks for beyond that never reaches the client, so no client (Go's driver,
// mysqldump, mysql) can answer it. Afterwards bytes pass as they are.
type mysqlGuard struct {
	net.Conn // as it was dialled: below TLS
	secure   *tls.Config
	verified bool
	// noFiles refuses a server that asks for a file of the client's afterwards (LOAD
	// DATA LOCAL): mysqldump and mysql may send any that they can read. Go's driver
	// refuses by itself.
	noFiles bool
	// answers bounds what comes afterwards; nil: nothing does.
	answers *mysqlAnswers

	shift byte        // what TLS adds to the numbers of packets
	login bool        // the greeting has passed
	over  atomic.Bool // the login has ended: bytes pass
	read  bytes.Buffer
	wrote bytes.Buffer // of the client's packet, until it is whole
	after packets      // of the server, once the login is over
	// answered is closed when the client's first packet was sent: until then the
	// connection may still become one with TLS.
	answered chan struct{}
	once     sync.Once
	closed   chan struct{}
	shut     sync.Once

	mu     sync.Mutex
	stream io.ReadWriter // what bytes go through: Conn, or TLS on it
	refuse error
}

// guardMySQL puts a guard around a fresh connection. secure is nil without TLS;
// verified tells that it proves who answers.
func guardMySQL(c net.Conn, secure *tls.Config, verified bool) *mysqlGuard {
	return &mysqlGuard{Conn: c, stream: c, secure: secure, verified: verified, answered: make(chan struct{}), closed: make(chan struct{})}
}

// refused is what the server asked for and did not get, or what is wrong with its TLS.
func (g *mysqlGuard) refused() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refuse
}

func (g *mysqlGuard) stop(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.refuse == nil {
		g.refuse = err
	}
	return g.refuse
}

func (g *mysqlGuard) wire() io.ReadWriter {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stream
}

// Close closes the connection; who reads from it or writes to it goes on with an error.
func (g *mysqlGuard) Close() error {
	g.shut.Do(func() { close(g.closed) })
	return g.Conn.Close()
}

// Read gives the client what the server sends, as far as it may.
func (g *mysqlGuard) Read(p []byte) (int, error) {
	for g.read.Len() == 0 {
		if g.over.Load() && g.answers != nil {
			if g.answers.in == nil {
				g.answers.in = bufio.NewReaderSize(g.wire(), 16<<10)
			}
			n, err := g.answers.Read(p)
			if errors.Is(err, errNoMySQL) || errors.Is(err, errLongAnswer) || errors.Is(err, errLongRow) {
				err = g.stop(err)
			}
			return n, err
		}
		if g.over.Load() {
			n, err := g.wire().Read(p)
			if g.noFiles && g.after.askForFile(p[:n]) {
				return 0, g.stop(errors.New("the server asks for a file of this machine (LOAD DATA LOCAL): nothing was sent"))
			}
			return n, err
		}
		if g.login {
			select {
			case <-g.answered:
			case <-g.closed:
				return 0, net.ErrClosed
			}
		}
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	return g.read.Read(p)
}

// next reads one packet of the server's.
func (g *mysqlGuard) next() error {
	if err := g.refused(); err != nil {
		return err
	}
	head := make([]byte, 4)
	if _, err := io.ReadFull(g.wire(), head); err != nil {
		return err
	}
	size := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if size == 0 || size > mysqlLoginPacket {
		return g.stop(fmt.Errorf("the server does not speak MySQL's protocol: a packet of %d bytes during the login", size))
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(g.wire(), body); err != nil {
		return err
	}
	if err := g.inspect(body); err != nil {
		return g.stop(err)
	}
	if g.login {
		head[3] -= g.shift
	}
	g.login = true
	g.read.Write(head)
	g.read.Write(body)
	return nil
}

// inspect looks at a packet of the login before the client sees it.
func (g *mysqlGuard) inspect(body []byte) error {
	if !g.login {
		return g.greeting(body)
	}
	switch {
	case body[0] == mysqlOK, body[0] == mysqlErr:
		g.over.Store(true)
	case g.verified:
	case body[0] == mysqlSwitch && len(body) == 1:
		return &InsecureError{Type: "mysql", Wanted: "the hash of before MySQL 4.1 (mysql_old_password), which is as good as the password"}
	case body[0] == mysqlSwitch:
		name, _, _ := bytes.Cut(body[1:], []byte{0})
		return challenge(string(name))
	case body[0] == mysqlMore && len(body) == 2 && body[1] == mysqlFastOK:
	case body[0] == mysqlMore && len(body) == 2 && body[1] == mysqlFullLogin:
		return &InsecureError{Type: "mysql", Wanted: "the password itself, in clear or under a key that it sends (caching_sha2_password, which does so at the first login after its start)"}
	case body[0] == mysqlMore:
		return &InsecureError{Type: "mysql", Wanted: "more than the answer to a challenge (a key of its own, or PAM)"}
	default:
		return errors.New("the server does not speak MySQL's protocol: an unknown packet during the login")
	}
	return nil
}

func challenge(plugin string) error {
	switch {
	case plugin == "" || slices.Contains(challenges, plugin):
		return nil
	case plugin == "sha256_password":
		return &InsecureError{Type: "mysql", Wanted: "the password under a key that it sends (sha256_password)"}
	case plugin == "mysql_old_password":
		return &InsecureError{Type: "mysql", Wanted: "the hash of before MySQL 4.1 (mysql_old_password), which is as good as the password"}
	case plugin == "mysql_clear_password" || plugin == "dialog" || plugin == "auth_pam":
		return &InsecureError{Type: "mysql", Wanted: fmt.Sprintf("the password in clear (%s)", plugin)}
	}
	return &InsecureError{Type: "mysql", Wanted: fmt.Sprintf("a login by %q", clip(plugin))}
}

func clip(s string) string {
	if len(s) > 40 {
		s = s[:40]
	}
	return s
}

// greeting looks at the server's first packet, and takes the offer of TLS out of it:
// that is the guard's business.
func (g *mysqlGuard) greeting(body []byte) error {
	if body[0] == mysqlErr { // "Too many connections", "Host is blocked"
		g.over.Store(true)
		return nil
	}
	_, rest, found := bytes.Cut(body, []byte{0}) // version text
	// connection id, first part of the challenge, a filler, capabilities
	if body[0] != mysqlGreeting || !found || len(rest) < 4+8+1+2 {
		return errors.New("the server does not speak MySQL's protocol: no greeting that is known")
	}
	flags := rest[13:15]
	offered := binary.LittleEndian.Uint16(flags)
	if g.secure != nil && offered&mysqlClientSSL == 0 {
		return errors.New("TLS requested but server does not support TLS")
	}
	binary.LittleEndian.PutUint16(flags, offered&^mysqlClientSSL)
	if g.verified {
		return nil
	}
	// character set, status, capabilities, length of the challenge, filler, rest of the
	// challenge with its end; then the method's name
	if len(rest) > 15+6+10+13 {
		name, _, _ := bytes.Cut(rest[15+6+10+13:], []byte{0})
		return challenge(string(name))
	}
	return nil
}

// Write sends what the client says.
func (g *mysqlGuard) Write(p []byte) (int, error) {
	if err := g.refused(); err != nil {
		return 0, err
	}
	if g.over.Load() && g.wrote.Len() == 0 {
		if g.answers != nil {
			g.answers.sent()
		}
		g.after.command()
		return g.wire().Write(p)
	}
	g.wrote.Write(p)
	for {
		b := g.wrote.Bytes()
		if len(b) < 4 {
			return len(p), nil
		}
		size := 4 + (int(b[0]) | int(b[1])<<8 | int(b[2])<<16)
		if size > mysqlLoginPacket {
			return 0, g.stop(errors.New("the client does not speak MySQL's protocol"))
		}
		if len(b) < size {
			return len(p), nil
		}
		if err := g.send(g.wrote.Next(size)); err != nil {
			return 0, err
		}
	}
}

// send sends a whole packet of the login; before the first one TLS begins.
func (g *mysqlGuard) send(packet []byte) error {
	packet = bytes.Clone(packet)
	if g.secure != nil && g.shift == 0 {
		if err := g.startTLS(packet); err != nil {
			return g.stop(err)
		}
		g.shift = 1
		binary.LittleEndian.PutUint16(packet[4:], binary.LittleEndian.Uint16(packet[4:])|mysqlClientSSL)
	}
	packet[3] += g.shift
	_, err := g.wire().Write(packet)
	g.once.Do(func() { close(g.answered) })
	return err
}

// startTLS asks for TLS with the capabilities that the client names: those count, and
// not the ones of the packet after it.
func (g *mysqlGuard) startTLS(first []byte) error {
	if len(first) < 4+mysqlHelloBytes {
		return errors.New("the client does not speak MySQL's protocol: its answer is too short")
	}
	request := append([]byte{mysqlHelloBytes, 0, 0, 1}, first[4:4+mysqlHelloBytes]...)
	binary.LittleEndian.PutUint16(request[4:], binary.LittleEndian.Uint16(request[4:])|mysqlClientSSL)
	if _, err := g.Conn.Write(request); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), DialTimeout)
	defer cancel()
	t := tls.Client(g.Conn, g.secure)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stream = t
	return nil
}

// packets follows where the server's packets begin. The zero value is at the beginning
// of one.
type packets struct {
	fresh atomic.Bool // the client has sent something since the last packet began
	head  []byte      // of the header, until it is whole
	left  int         // bytes of the packet at hand that are to come
	first bool        // the packet at hand is the first after a command, and none of it came
}

// command notes that the client has sent something: the next packet answers it.
func (p *packets) command() { p.fresh.Store(true) }

// askForFile follows b and tells whether an answer in it asks for a file.
func (p *packets) askForFile(b []byte) bool {
	for len(b) > 0 {
		if p.left == 0 {
			n := min(4-len(p.head), len(b))
			p.head, b = append(p.head, b[:n]...), b[n:]
			if len(p.head) < 4 {
				return false
			}
			p.left = int(p.head[0]) | int(p.head[1])<<8 | int(p.head[2])<<16
			p.head, p.first = p.head[:0], p.fresh.Swap(false)
			continue
		}
		if p.first && b[0] == mysqlLocalFile {
			return true
		}
		p.first = false
		n := min(p.left, len(b))
		p.left, b = p.left-n, b[n:]
	}
	return false
}
