package database

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Codes of PostgreSQL's protocol (https://www.postgresql.org/docs/current/protocol-message-formats.html).
const (
	postgresSSLRequest = 80877103
	postgresAuth       = 'R'
	postgresAuthOK     = 0
	postgresAuthMD5    = 5
	postgresAuthSASL   = 10 // to 12, with its continuation and end
	// postgresLoginMessage bounds a message of a login.
	postgresLoginMessage = 64 << 10
)

// postgresGuard stands between a client of PostgreSQL's protocol and the server until
// the login is over, as [mysqlGuard] does for MySQL: libpq before 16 cannot be told
// which methods are too much.
type postgresGuard struct {
	net.Conn
	verified bool
	over     bool // the login has ended: bytes pass. For the reader alone.
	left     []byte

	mu     sync.Mutex
	refuse error
}

// guardPostgres agrees on TLS (nil: none) on a fresh connection and guards the login
// when that does not prove who answers.
func guardPostgres(ctx context.Context, c net.Conn, secure *tls.Config, verified bool) (*postgresGuard, error) {
	if secure == nil {
		return &postgresGuard{Conn: c, verified: verified}, nil
	}
	// A server that says nothing holds nobody: what is read here has no deadline of its own.
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, postgresSSLRequest)
	if _, err := c.Write(request); err != nil {
		return nil, err
	}
	answer := make([]byte, 1)
	if _, err := io.ReadFull(c, answer); err != nil {
		return nil, err
	}
	if answer[0] != 'S' {
		return nil, errors.New("server refused TLS connection")
	}
	t := tls.Client(c, secure)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	return &postgresGuard{Conn: t, verified: verified}, nil
}

func (g *postgresGuard) refused() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.refuse
}

// Read gives the client what the server sends, as far as it may.
func (g *postgresGuard) Read(p []byte) (int, error) {
	if len(g.left) == 0 && !g.over {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	if len(g.left) > 0 {
		n := copy(p, g.left)
		g.left = g.left[n:]
		return n, nil
	}
	return g.Conn.Read(p)
}

// next reads a message of the login whole.
func (g *postgresGuard) next() error {
	head := make([]byte, 5)
	if _, err := io.ReadFull(g.Conn, head); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[1:])
	err := error(nil)
	if size < 4 || size > postgresLoginMessage {
		err = errors.New("the server does not speak PostgreSQL's protocol")
	} else {
		body := make([]byte, size-4)
		if _, err := io.ReadFull(g.Conn, body); err != nil {
			return err
		}
		g.left = append(head, body...)
		err = g.inspect(head[0], body)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = err
	return err
}

func (g *postgresGuard) inspect(kind byte, body []byte) error {
	if kind != postgresAuth || len(body) < 4 {
		return nil
	}
	switch code := binary.BigEndian.Uint32(body); {
	case code == postgresAuthOK:
		g.over = true
	case code == postgresAuthSASL:
		g.left = withoutBinding(body)
	case g.verified, code == postgresAuthMD5, code > postgresAuthSASL && code <= postgresAuthSASL+2:
	default:
		g.left = nil
		return &InsecureError{Type: "postgres", Wanted: "the password in clear (password in pg_hba.conf)"}
	}
	return nil
}

// withoutBinding is a server's list of methods without the one that binds the login to
// the TLS connection: the client, which sees none, takes it for an attack.
func withoutBinding(body []byte) []byte {
	kept := bytes.Clone(body[:4])
	for name := range bytes.SplitSeq(body[4:], []byte{0}) {
		if len(name) > 0 && string(name) != "SCRAM-SHA-256-PLUS" {
			kept = append(append(kept, name...), 0)
		}
	}
	kept = append(kept, 0)
	return append(binary.BigEndian.AppendUint32([]byte{postgresAuth}, uint32(4+len(kept))), kept...)
}
