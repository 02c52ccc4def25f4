// Package livesocket reads Grafana Live over its WebSocket: enough of Centrifuge's JSON
// protocol to subscribe and to listen, in both of its versions. What the server answers
// to the first command tells which one it speaks (Grafana before 9: the older).
//
// There is a library for the newer version. It reads in goroutines of its own and
// panics there on answers of the older one, which ends the whole process; what comes
// from a host must not be able to do that.
package livesocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// Bounds of what a server may send, and of what is kept of it until it is read.
const (
	maxMessage  = 1 << 20
	maxWaiting  = 256
	writeWithin = 10 * time.Second
)

// Options say how to reach the server.
type Options struct {
	Header http.Header
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	TLS    *tls.Config
}

// Socket is an open WebSocket. Its methods may be called by one goroutine at a time,
// except for Close.
type Socket struct {
	conn     *websocket.Conn
	messages chan []byte
	replies  chan reply
	done     chan struct{}
	lastID   uint32
	older    bool

	writing sync.Mutex
	mu      sync.Mutex
	err     error
}

// RefusedError is the server's refusal of a command.
type RefusedError struct {
	Code    uint32
	Message string
}

// Error is the code and the server's words.
func (e *RefusedError) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// Open connects to url ("ws://127.0.0.1:3000/api/live/ws") and introduces itself.
func Open(ctx context.Context, url string, o Options) (*Socket, error) {
	dialer := websocket.Dialer{NetDialContext: o.Dial, TLSClientConfig: o.TLS, HandshakeTimeout: writeWithin}
	conn, resp, err := dialer.DialContext(ctx, url, o.Header)
	if resp != nil {
		_ = resp.Body.Close() // holds what is said in err already
	}
	if err != nil && resp != nil {
		return nil, fmt.Errorf("the server answers %s", resp.Status)
	}
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(maxMessage)
	s := &Socket{conn: conn, messages: make(chan []byte, maxWaiting), replies: make(chan reply, maxWaiting), done: make(chan struct{})}
	guard.Go(func() { s.read() })
	// The older protocol takes a command without method for connect as well.
	hello, err := s.ask(ctx, command{Connect: &struct{}{}})
	if err != nil {
		s.Close()
		return nil, err
	}
	switch {
	case hello.Connect != nil:
	case hello.Result != nil:
		s.older = true
	default:
		s.Close()
		return nil, fmt.Errorf("the server does not answer to connect in a protocol that is known here")
	}
	return s, nil
}

// Older says whether the server speaks the protocol of before Centrifuge 0.25.
func (s *Socket) Older() bool { return s.older }

// Subscribe listens to a channel too. Errors: a *RefusedError.
func (s *Socket) Subscribe(ctx context.Context, channel string) error {
	c := command{Subscribe: &target{channel}}
	if s.older {
		c = command{Method: methodSubscribe, Params: &target{channel}}
	}
	_, err := s.ask(ctx, c)
	return err
}

// Messages are what was published on all channels since, as JSON; what is not taken in
// time is dropped. The channel is closed when the connection ends.
func (s *Socket) Messages() <-chan []byte { return s.messages }

// Close ends the connection. It may be called more than once.
func (s *Socket) Close() {
	_ = s.conn.Close()
	<-s.done
}

// ask sends a command and waits for the answer to it.
func (s *Socket) ask(ctx context.Context, c command) (reply, error) {
	s.lastID++
	c.ID = s.lastID
	if err := s.write(c); err != nil {
		return reply{}, err
	}
	for {
		select {
		case r := <-s.replies:
			if r.ID != c.ID {
				continue
			}
			if r.Error != nil {
				return r, &RefusedError{r.Error.Code, r.Error.Message}
			}
			return r, nil
		case <-s.done:
			s.mu.Lock()
			defer s.mu.Unlock()
			return reply{}, fmt.Errorf("the server ended the connection: %w", s.err)
		case <-ctx.Done():
			return reply{}, ctx.Err()
		}
	}
}

func (s *Socket) write(v any) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	return s.conn.WriteJSON(v)
}

// read takes what comes until the connection ends.
func (s *Socket) read() {
	defer close(s.done)
	defer close(s.messages)
	err := s.readAll()
	_ = s.conn.Close()
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
}

func (s *Socket) readAll() error {
	for {
		_, frame, err := s.conn.ReadMessage()
		if err != nil {
			return err
		}
		for line := range bytes.Lines(frame) { // a frame may hold several messages
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			var r reply
			if err := json.Unmarshal(line, &r); err != nil {
				return fmt.Errorf("it sends what is no message of Live: %w", err)
			}
			if err := s.take(r); err != nil {
				return err
			}
		}
	}
}

// take sorts one message: an answer, something published, or a ping.
func (s *Socket) take(r reply) error {
	if r.ID != 0 {
		select {
		case s.replies <- r:
			return nil
		default:
			return fmt.Errorf("it answers what was not asked")
		}
	}
	if reason := r.disconnected(); reason != "" {
		return fmt.Errorf("it says %s", reason)
	}
	if data := r.publication(); data != nil {
		select {
		case s.messages <- data:
		default:
		}
		return nil
	}
	if r.ping() {
		return s.write(struct{}{})
	}
	return nil
}
