package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
	same, err := p.look(ctx)
	if err != nil {
		return UploadResult{}, err
	}
	if same {
		p.progress.done(up.Size)
		return UploadResult{Skipped: true}, nil
	}
	sent, err := p.bring(ctx)
	if err != nil {
		return UploadResult{Sent: sent}, p.fault(err)
	}
	p.progress.done(up.Size)
	return UploadResult{Sent: sent}, nil
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
	kept     int64  // bytes left on the host after a failure
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

// fault names host and path, unless the error does so already.
func (p *put) fault(err error) error {
	return &UploadError{Host: p.c.target.Name, Path: p.up.Path, Cause: err, Kept: p.kept}
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

// lookScript tells whether the target is there already, and sets its mode and
// owner then; else it makes the part ($2, if any). Links and devices are not followed.
const lookScript = hashFunction + `f=$1 part=$2 size=$3 sum=$4 mode=$5 owner=$6
if [ -f "$f" ] && [ ! -L "$f" ] && [ "$(wc -c <"$f")" -eq "$size" ] && [ "$(sum <"$f")" = "$sum" ]; then
set -e
[ "$(stat -c %a "$f")" = "$mode" ] || chmod "$mode" "$f"
[ -z "$owner" ] || [ "$(stat -c %U:%G "$f")" = "$owner" ] || chown "$owner" "$f"
[ -z "$part" ] || rm -f "$part"
echo same; exit 0
fi
if [ -d "$f" ]; then echo "$f is a folder" >&2; exit 1; fi
if [ ! -d "${f%/*}/" ]; then echo "the folder ${f%/*} does not exist" >&2; exit 1; fi
[ -n "$part" ] || exit 0
set -- "$part"
` + openPartScript

// hashFunction reads stdin and prints its SHA-256, or nothing where the host has
// no tool for it.
const hashFunction = `sum() {
s=$(openssl dgst -sha256 -r 2>/dev/null || sha256sum 2>/dev/null) && printf %s "${s%% *}"
}
`

// look asks the host in one command whether there is anything to do.
func (p *put) look(ctx context.Context) (same bool, err error) {
	part := p.part
	if p.up.Become {
		part = "" // the login user may not write there
	}
	res, err := p.run(ctx, Command{Script: lookScript, Args: []string{
		p.up.Path, part, strconv.FormatInt(p.up.Size, 10), p.up.SHA256, p.mode(), p.up.Owner,
	}})
	return strings.TrimSpace(string(res.Stdout)) == "same", err
}

// run runs one of the upload's own commands.
func (p *put) run(ctx context.Context, cmd Command) (Result, error) {
	cmd.Become, cmd.Step = p.up.Become, p.step
	if cmd.Timeout == 0 {
		cmd.Timeout = uploadTimeout
	}
	return p.c.Run(ctx, cmd)
}

func parseSize(out []byte) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the host answered %q instead of a size", out)
	}
	return n, nil
}
