package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"
)

// keepFrom is the size from which it is worth continuing a part.
const keepFrom = 1 << 20

// bring sends the file and puts it in place; afterwards the temporary file is
// gone, or p.kept says how much of it stays.
func (p *put) bring(ctx context.Context) (sent int64, err error) {
	var to sender = &streamSender{p}
	client, err := p.c.sftp(ctx)
	switch {
	case err == nil:
		to = &sftpSender{p: p, client: client, part: p.part}
	case !errors.Is(err, errNoSFTP):
		return 0, err
	}
	offset, err := to.open(ctx)
	if err != nil {
		return 0, errors.Join(err, p.discard(to))
	}
	if offset < 0 || offset > p.up.Size { // the host says so, and may say anything
		offset = 0
	}
	sent, have, err := p.transfer(ctx, to, offset)
	if offset > 0 && errors.Is(err, errHostHash) {
		// What the earlier run had left was damaged: once more from the start.
		if _, err = to.open(ctx); err == nil {
			var again int64
			again, have, err = p.transfer(ctx, to, 0)
			sent += again
		}
	}
	if err == nil {
		if s, ok := to.(*sftpSender); ok {
			s.tidy()
		}
		return sent, nil
	}
	interrupted := ctx.Err() != nil || p.c.Err() != nil
	if interrupted && have >= keepFrom {
		p.kept = have
		return sent, err
	}
	return sent, errors.Join(err, p.discard(to))
}

// transfer sends the file from offset on, whose hash must be right here and there.
func (p *put) transfer(ctx context.Context, to sender, offset int64) (sent, have int64, err error) {
	r, sum, err := p.source(ctx, offset)
	if err != nil {
		return 0, 0, err
	}
	have, err = to.send(ctx, offset, r)
	if err != nil {
		return have - offset, have, p.c.lostOrGaveUp(ctx, p.step, err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != p.up.SHA256 {
		return have - offset, 0, errSourceHash
	}
	return have - offset, have, p.finish(ctx, to)
}

// lostOrGaveUp finds the cause behind a failed exchange.
func (c *Client) lostOrGaveUp(ctx context.Context, step string, err error) error {
	if ctx.Err() != nil {
		return c.gaveUp(ctx, step)
	}
	if errors.Is(err, io.EOF) || isConnectionLost(err) {
		return c.lostOr(err)
	}
	return err
}

// source is the file from offset on; the hash covers the whole of it.
func (p *put) source(ctx context.Context, offset int64) (io.Reader, hash.Hash, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(p.up.Source, 0, offset)); err != nil {
		return nil, nil, fmt.Errorf("read the file: %w", err)
	}
	r := io.NewSectionReader(p.up.Source, offset, p.up.Size-offset)
	return &sourceReader{ctx: ctx, r: io.TeeReader(r, sum), progress: p.progress, at: offset}, sum, nil
}

// sourceReader ends with ctx and tells the progress.
type sourceReader struct {
	ctx      context.Context
	r        io.Reader
	progress *progress
	at       int64
}

func (s *sourceReader) Read(b []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	n, err := s.r.Read(b)
	s.at += int64(n)
	s.progress.set(s.at)
	return n, err
}

// finishScript verifies the part ($2), or first the copy of the staged file ($3)
// that root makes of it, and renames it over the target. An empty $4 means that
// the hash was verified otherwise. The disk syncs while the CPU hashes, unless $7
// says that the file is transient.
const finishScript = hashFunction + `f=$1 part=$2 from=$3 sum=$4 mode=$5 owner=$6 transient=$7
fail() { rm -f "$part"; exit 1; }
if [ -n "$from" ]; then
umask 077
rm -rf "$part"; cat <"$from" >"$part" || fail
fi
if [ -z "$transient" ]; then { sync "$part" 2>/dev/null || sync; } & fi
if [ -n "$sum" ]; then
h=$(sum <"$part")
if [ -z "$h" ]; then echo nohash; exit 0; fi
if [ "$h" != "$sum" ]; then rm -f "$part"; echo differs; exit 0; fi
fi
if [ -n "$owner" ]; then chown "$owner" "$part" || fail; fi
chmod "$mode" "$part" || fail
wait
mv -f -T "$part" "$f" || fail
[ -n "$transient" ] || sync "${f%/*}/" 2>/dev/null || :
[ -z "$from" ] || rm -f "$from"`

func (p *put) finish(ctx context.Context, to sender) error {
	said, err := p.place(ctx, to.staged(), p.up.SHA256)
	if err != nil {
		return err
	}
	switch said {
	case "differs":
		return errHostHash
	case "nohash":
		if err := p.readBack(ctx); err != nil {
			return errors.Join(err, p.removePart(ctx))
		}
		_, err = p.place(ctx, "", "")
	}
	return err
}

func (p *put) place(ctx context.Context, from, sum string) (string, error) {
	transient := ""
	if p.up.Transient {
		transient = "yes"
	}
	res, err := p.run(ctx, Command{Script: finishScript, Args: []string{p.up.Path, p.part, from, sum, p.mode(), p.up.Owner, transient}})
	return strings.TrimSpace(string(res.Stdout)), err
}

// readBack verifies the part on a host that cannot hash.
func (p *put) readBack(ctx context.Context) error {
	sum := sha256.New()
	if _, err := p.run(ctx, Command{Args: []string{"cat", p.part}, Stdout: sum, Output: p.up.Size + errorTail}); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != p.up.SHA256 {
		return errHostHash
	}
	return nil
}

// discardWithin is how long the clean-up after a failure may take.
const discardWithin = 10 * time.Second

// discard removes what was sent, in a time of its own as ctx may be over.
func (p *put) discard(to sender) error {
	if p.c.Err() != nil {
		return nil // nobody there to ask; the next run continues or replaces the part
	}
	ctx, cancel := context.WithTimeout(context.Background(), discardWithin)
	defer cancel()
	err := to.discard(ctx)
	if to.staged() != "" {
		err = errors.Join(err, p.removePart(ctx))
	}
	return err
}

// removePart removes the file beside the target.
func (p *put) removePart(ctx context.Context) error {
	_, err := p.run(ctx, Command{Args: []string{"rm", "-f", p.part}})
	return err
}
