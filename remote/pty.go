package remote

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// doas reads a password from a terminal and nothing else. A terminal mixes stdout
// with stderr and changes line ends, so it is set raw, and the command's output
// comes in lines of base64, each behind a digit that tells the stream.

// terminalWrapper is the wrapper for a terminal: $1 the ready mark, $2 the pump.
// File 4 is the terminal, 5 the command's stdout, 7 its status.
const terminalWrapper = `printf '%s\n' "$1"
w=$2
shift 2
exec 3<&0 4>&1 2>/dev/null
s=$( { { {
sh -c "$w" 4>&- 5>&- 7>&- | {
IFS= read -r p
exec 3<&-
"$@" 2>&6 >&5 4>&- 5>&- 6>&- 7>&-
s=$?
kill -KILL "$p"
echo "$s" >&7
}
} 6>&1 | base64 | sed 's/^/2/' >&4
} 5>&1 | base64 | sed 's/^/1/' >&4
} 7>&1 )
exit "$s"`

// doas makes the plan for a password.
func (c *Client) doas(p *becomePlan, cmd *Command) error {
	words, err := cmd.words()
	if err != nil {
		return fmt.Errorf("%s: %s: %w", c.target.Name, cmd.step(), err)
	}
	script, feed := terminalWrapper, pump
	if cmd.Detach {
		script, feed = ignoreSignals+terminalWrapper, pumpDetached
	}
	p.words = append([]string{"sh", "-c", unlessRoot, "sh", "doas", "--", "sh", "-c", script, "sh", p.ready, feed}, words...)
	p.pty = true
	p.ready += "\n"
	// Of "doas (user@host) password: ", the host is its own idea of its name.
	p.prompt = ") password: "
	return nil
}

func requestPTY(ctx context.Context, ch ssh.Channel) error {
	const echoOff, end = 0, 0
	modes := ssh.Marshal(struct {
		Op    byte
		Value uint32
		End   byte
	}{ssh.ECHO, echoOff, end})
	ok, err := ask(ctx, ch, "pty-req", ssh.Marshal(struct {
		Term                         string
		Columns, Rows, Width, Height uint32
		Modes                        string
	}{"dumb", 80, 24, 0, 0, string(modes)}))
	if err == nil && !ok {
		err = errors.New("sshd refused a terminal, which doas needs for its password")
	}
	return err
}

// demux takes the two streams apart again.
type demux struct {
	stdout, stderr io.Writer
	line           []byte
}

func (d *demux) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		at := bytes.IndexByte(rest, '\n')
		if at < 0 {
			d.line = append(d.line, rest...)
			break
		}
		d.line = append(d.line, rest[:at]...)
		rest = rest[at+1:]
		if err := d.take(d.line); err != nil {
			return 0, err
		}
		d.line = d.line[:0]
	}
	return len(p), nil
}

func (d *demux) take(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	w := d.stdout
	if line[0] == '2' {
		w = d.stderr
	}
	data, err := base64.StdEncoding.AppendDecode(nil, line[1:])
	if err != nil {
		return fmt.Errorf("output from the terminal: %w", err)
	}
	_, err = w.Write(data)
	return err
}
