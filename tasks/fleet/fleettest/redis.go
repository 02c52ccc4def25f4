package fleettest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"path"
	"strconv"
	"strings"
	"sync"
)

// Redis answers as far as one has to that is asked who subscribes to what.
type Redis struct {
	// Channels are those that somebody subscribes to, at the time of the call.
	Channels func() []string
	// Refuse is the answer to PUBSUB in place of the channels, as "NOPERM ..."; empty: none.
	Refuse string
	// Raw is sent instead of any answer to PUBSUB, as it is; empty: it is not.
	Raw string

	mu       sync.Mutex
	patterns []string
}

// Patterns are those that channels were asked for by, in order.
func (r *Redis) Patterns() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.patterns...)
}

// Dial is a connection to it.
func (r *Redis) Dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go r.serve(theirs)
	return ours, nil
}

func (r *Redis) serve(conn net.Conn) {
	defer conn.Close()
	for in := bufio.NewReader(conn); ; {
		command, err := readCommand(in)
		if err != nil {
			return
		}
		if _, err := io.WriteString(conn, r.answer(command)); err != nil {
			return
		}
	}
}

// readCommand takes a list of strings, which is how clients send a command.
func readCommand(in *bufio.Reader) (words []string, err error) {
	number := func() (int, error) {
		line, err := in.ReadString('\n')
		if err != nil || len(line) < 3 {
			return 0, io.ErrUnexpectedEOF
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number()
	for ; err == nil && n > 0; n-- {
		var size int
		if size, err = number(); err != nil {
			break
		}
		text := make([]byte, size+2)
		_, err = io.ReadFull(in, text)
		words = append(words, string(text[:size]))
	}
	return words, err
}

func (r *Redis) answer(command []string) string {
	switch strings.ToUpper(command[0]) {
	case "HELLO":
		return "-ERR unknown command 'HELLO'\r\n"
	case "PING":
		return "+PONG\r\n"
	case "PUBSUB":
		return r.channels(command[len(command)-1])
	}
	return "+OK\r\n"
}

func (r *Redis) channels(pattern string) string {
	r.mu.Lock()
	r.patterns = append(r.patterns, pattern)
	r.mu.Unlock()
	if r.Raw != "" {
		return r.Raw
	}
	if r.Refuse != "" {
		return "-" + r.Refuse + "\r\n"
	}
	var list strings.Builder
	n := 0
	for _, c := range r.Channels() {
		if ok, err := path.Match(pattern, c); ok && err == nil {
			n++
			fmt.Fprintf(&list, "$%d\r\n%s\r\n", len(c), c)
		}
	}
	return fmt.Sprintf("*%d\r\n%s", n, list.String())
}
