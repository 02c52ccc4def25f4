package redisconn

import (
	"errors"
	"net"
	"strconv"
	"sync/atomic"
)

// The most that is taken from one reply. The client library makes room for as much as a
// reply announces before it has come, and a host in between may announce anything.
const (
	maxBulk = 1 << 20 // bytes of one string; INFO has some thousands
	maxMany = 1 << 16 // elements of one list, and characters of one line
	// maxReply bounds what a whole reply costs here, in bytes: lists in lists and many long
	// strings are each within the bounds above. The longest that is asked for, what
	// COMMAND says of all commands, costs one million.
	maxReply = 2 << 20
	// element is what one of a list costs besides its text, in bytes.
	element = 48
)

// maxDials is how many connections one client makes. A Redis Cluster says itself which
// nodes it has, and may name any number.
const maxDials = 200

// errManyNodes ends a client whose Redis names more nodes than any cluster has.
var errManyNodes = errors.New("more than 200 nodes are named by Redis")

// errTooMuch ends a connection whose replies are out of proportion.
var errTooMuch = errors.New("the reply from Redis is larger than any that was asked for")

// bounded is a connection to Redis that ends when a reply announces too much. It follows
// the replies by their protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/):
// a line that begins with its kind, and after "$" so many bytes.
type bounded struct {
	net.Conn
	line  []byte      // the line that is being read
	skip  int         // bytes of a string that are still to come, its end of line included
	spent int         // of maxReply
	asked atomic.Bool // something was sent since the last reply began
}

// Write sends; what comes then answers it.
func (b *bounded) Write(p []byte) (int, error) {
	b.asked.Store(true)
	return b.Conn.Write(p)
}

// Read hands over nothing of what it has found to be too much.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Conn.Read(p)
	if b.asked.Swap(false) {
		b.spent = 0
	}
	if tooMuch := b.follow(p[:n]); tooMuch != nil {
		_ = b.Close()
		return 0, tooMuch
	}
	return n, err
}

func (b *bounded) follow(text []byte) error {
	for len(text) > 0 {
		if b.skip > 0 {
			n := min(b.skip, len(text))
			b.skip, text = b.skip-n, text[n:]
			continue
		}
		c := text[0]
		text = text[1:]
		if c != '\n' {
			if b.line = append(b.line, c); len(b.line) > maxMany {
				return errTooMuch
			}
			continue
		}
		b.spent += element + len(b.line)
		if err := b.announced(); err != nil {
			return err
		}
		if b.spent > maxReply {
			return errTooMuch
		}
	}
	return nil
}

// announced looks at a whole line, of which '\r' is the last character.
func (b *bounded) announced() error {
	line := b.line
	b.line = b.line[:0]
	if len(line) < 3 {
		return nil
	}
	switch kind := line[0]; kind {
	case '$', '!', '=', '*', '~', '%', '>', '|':
		n, err := strconv.Atoi(string(line[1 : len(line)-1]))
		isString := kind == '$' || kind == '!' || kind == '='
		if err != nil || isString && n > maxBulk || !isString && n > maxMany {
			return errTooMuch
		}
		if isString && n >= 0 {
			b.skip = n + len("\r\n")
			b.spent += n
		} else if n > 0 {
			b.spent += n * element // there is room for them before they come
		}
	}
	return nil
}
