package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
)

// uploadTimeout bounds the commands around an upload; hashing a release takes a
// slow disk some seconds. The transfer itself lasts as long as ctx.
const uploadTimeout = 10 * time.Minute

// Put puts a file on the host. What is there already, by size and hash, is not
// sent; what an earlier run left half is continued. The file is written to a
// temporary name in the folder of Path, verified there by hash, synced and renamed:
// at no time is there half a file under Path, and never is the content readable by
// more than its owner before Mode is set. The folder must exist.
//
// With Become the file travels to a private folder of the login user first, as
// SFTP runs as that user, and is copied and verified from there as root.
//
// Errors are those of [Client.Run] and *[UploadError]. A canceled or lost upload
// leaves its part behind to be continued; all others clean up.
func (c *Client) Put(ctx context.Context, up Upload) (UploadResult, error) {
	p, err := c.newPut(up)
	if err != nil {
		return UploadResult{}, err
	}
	unlock, err := c.paths.lock(ctx, p.part)
	if err != nil {
		return UploadResult{}, c.gaveUp(ctx, p.step)
	}
	defer unlock()
	had, err := p.look(ctx)
	if err != nil {
		return UploadResult{}, err
	}
	if had.same {
		p.progress.done(up.Size)
		return UploadResult{Skipped: true}, nil
	}
	sent, err := p.transfer(ctx, had.partial)
	if had.partial > 0 && errors.Is(err, errHostHash) {
		// What the earlier run left was damaged: once more from the start.
		var again int64
		again, err = p.transfer(ctx, 0)
		sent += again
	}
	return UploadResult{Sent: sent}, err
}

// UploadError is a file that did not get into place.
type UploadError struct {
	Host, Path string
	Cause      error
	// Kept is how many bytes the host keeps for the next run to continue with.
	Kept int64
}

// Error names host, path and cause.
func (e *UploadError) Error() string {
	s := fmt.Sprintf("%s: upload %s: %v", e.Host, e.Path, e.Cause)
	if e.Kept > 0 {
		s += fmt.Sprintf("; the next run continues after %d bytes", e.Kept)
	}
	return s
}

// Unwrap gives the cause.
func (e *UploadError) Unwrap() error { return e.Cause }

var (
	errHostHash   = errors.New("the host's copy has another hash than what was sent")
	errSourceHash = errors.New("the file does not have the hash that it should have: it has changed, or the sha256 is another file's")
)

// put is one upload under way.
type put struct {
	c        *Client
	up       Upload
	step     string
	part     string // temporary file beside the target
	progress *progress
}

func (c *Client) newPut(up Upload) (*put, error) {
	p := &put{c: c, up: up, step: "upload " + up.Path}
	sum, err := hex.DecodeString(up.SHA256)
	switch {
	case err != nil, len(sum) != sha256.Size:
		return nil, p.fault(fmt.Errorf("%q is not a SHA-256 in hexadecimal", up.SHA256))
	case !path.IsAbs(up.Path), path.Clean(up.Path) != up.Path, up.Path == "/":
		return nil, p.fault(errors.New("the path must be absolute and clean"))
	case up.Source == nil:
		return nil, p.fault(errors.New("there is no source"))
	case up.Size < 0:
		return nil, p.fault(fmt.Errorf("size %d", up.Size))
	}
	p.up.SHA256 = hex.EncodeToString(sum)
	if p.up.Mode.Perm() == 0 {
		p.up.Mode = 0o644
	}
	p.part = path.Join(path.Dir(up.Path), ".ghadeploy-"+p.up.SHA256[:12]+".part")
	p.progress = newProgress(up.Size, up.Progress)
	return p, nil
}

func (p *put) fault(err error) error {
	return &UploadError{Host: p.c.target.Name, Path: p.up.Path, Cause: err}
}

func (p *put) mode() string { return strconv.FormatUint(uint64(p.octal()), 8) }

// octal is the mode as chmod counts it.
func (p *put) octal() uint32 {
	m := uint32(p.up.Mode.Perm())
	for _, bit := range []struct {
		flag  fs.FileMode
		octal uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if p.up.Mode&bit.flag != 0 {
			m |= bit.octal
		}
	}
	return m
}

// found is what the host has already.
type found struct {
	same    bool  // the file itself
	partial int64 // bytes of an earlier try
}

// lookScript tells whether the target is there already, and sets its mode and
// owner then; else how much of the part is. Links and devices are not followed.
const lookScript = `f=$1 part=$2 size=$3 sum=$4 mode=$5 owner=$6
if [ -f "$f" ] && [ ! -L "$f" ] && [ "$(wc -c <"$f")" -eq "$size" ]; then
h=$(sha256sum <"$f" 2>/dev/null)
if [ "${h%% *}" = "$sum" ]; then
set -e
[ "$(stat -c %a "$f")" = "$mode" ] || chmod "$mode" "$f"
[ -z "$owner" ] || [ "$(stat -c %U:%G "$f")" = "$owner" ] || chown "$owner" "$f"
rm -f "$part"
echo same; exit 0
fi; fi
if [ -d "$f" ]; then echo "is a folder" >&2; exit 1; fi
if [ ! -d "${f%/*}/" ]; then echo "folder ${f%/*} does not exist" >&2; exit 1; fi
if [ -n "$part" ]; then
umask 077
if [ -L "$part" ] || [ -e "$part" ] && [ ! -f "$part" ]; then rm -rf "$part"; fi
: >>"$part" && chmod 600 "$part" || exit 1
wc -c <"$part"
fi`

// look asks the host in one command, which also makes the part with a mode that
// nobody else can read.
func (p *put) look(ctx context.Context) (found, error) {
	part := p.part
	if p.staged() {
		part = ""
	}
	res, err := p.c.Run(ctx, Command{
		Script: lookScript, Become: p.up.Become, Step: p.step, Timeout: uploadTimeout,
		Args: []string{p.up.Path, part, strconv.FormatInt(p.up.Size, 10), p.up.SHA256, p.mode(), p.up.Owner},
	})
	if err != nil {
		return found{}, err
	}
	said := strings.TrimSpace(string(res.Stdout))
	if said == "same" {
		return found{same: true}, nil
	}
	if p.staged() {
		return found{}, nil
	}
	n, err := strconv.ParseInt(said, 10, 64)
	if err != nil {
		return found{}, p.fault(fmt.Errorf("the host answered %q", said))
	}
	return found{partial: n}, nil
}

// staged tells whether the file takes the way over the login user's folder.
func (p *put) staged() bool { return false }

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

// transfer sends what is missing and puts the file in place.
func (p *put) transfer(ctx context.Context, offset int64) (int64, error) {
	if offset > p.up.Size {
		offset = 0
	}
	r, sum, err := p.source(ctx, offset)
	if err != nil {
		return 0, p.fault(err)
	}
	if err := p.stream(ctx, offset, r); err != nil {
		return 0, err
	}
	if hex.EncodeToString(sum.Sum(nil)) != p.up.SHA256 {
		return p.up.Size - offset, errors.Join(p.fault(errSourceHash), p.discard())
	}
	if err := p.finish(ctx, p.part); err != nil {
		return p.up.Size - offset, err
	}
	p.progress.done(p.up.Size)
	return p.up.Size - offset, nil
}

// stream is the way for hosts without SFTP.
func (p *put) stream(ctx context.Context, offset int64, r io.Reader) error {
	_, err := p.c.Run(ctx, Command{
		Script: `umask 077; if [ "$2" -eq 0 ]; then cat >"$1"; else cat >>"$1"; fi`,
		Args:   []string{p.part, strconv.FormatInt(offset, 10)},
		Stdin:  r, Become: p.up.Become, Step: p.step, Timeout: -1,
	})
	return err
}

// finishScript verifies the part ($2), or first the copy of the staged file ($3)
// that root makes of it, and renames it over the target.
const finishScript = `f=$1 part=$2 from=$3 sum=$4 mode=$5 owner=$6
fail() { rm -f "$part"; exit 1; }
if [ -n "$from" ]; then
umask 077
rm -rf "$part" && cat <"$from" >"$part" || fail
fi
h=$(sha256sum <"$part") || fail
if [ "${h%% *}" != "$sum" ]; then rm -f "$part"; [ -z "$from" ] || rm -f "$from"; echo differs; exit 0; fi
if [ -n "$owner" ]; then chown "$owner" "$part" || fail; fi
chmod "$mode" "$part" || fail
sync "$part" 2>/dev/null || sync
mv -f -T "$part" "$f" || fail
sync "${f%/*}/" 2>/dev/null
[ -z "$from" ] || rm -f "$from"
echo done`

func (p *put) finish(ctx context.Context, part string) error {
	res, err := p.c.Run(ctx, Command{
		Script: finishScript, Become: p.up.Become, Step: p.step, Timeout: uploadTimeout,
		Args: []string{p.up.Path, part, "", p.up.SHA256, p.mode(), p.up.Owner},
	})
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(res.Stdout)) == "differs" {
		return p.fault(errHostHash)
	}
	return nil
}

// discard removes the part, on a context of its own as ours may have ended.
func (p *put) discard() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := p.c.Run(ctx, Command{Args: []string{"rm", "-f", p.part}, Become: p.up.Become, Step: "remove " + p.part})
	return err
}
