package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"sync/atomic"

	"github.com/pkg/sftp"
)

// A sender brings bytes into a temporary file on the host.
type sender interface {
	// open makes the temporary file, or finds what is left of an earlier one.
	open(ctx context.Context) (have int64, err error)
	// send writes r from offset on and tells how many bytes are there then.
	send(ctx context.Context, offset int64, r io.Reader) (have int64, err error)
	// staged is the file when it is not beside the target: root copies it.
	staged() string
	// discard removes the temporary file.
	discard(ctx context.Context) error
}

// sftpSender writes with many requests under way.
type sftpSender struct {
	p      *put
	client *sftp.Client
	part   string
	dir    string // of a staged file, made by us; else empty
	file   *sftp.File
}

// stageName is the private folder in the login user's home.
const stageName = ".ghadeploy-upload"

func (s *sftpSender) staged() string {
	if s.dir == "" {
		return ""
	}
	return s.part
}

// opened is a temporary file and the folder that was made for it.
type opened struct {
	file *sftp.File
	dir  string
	size int64
}

// open: beside the target the part was made by lookScript, with a mode that lets
// nobody else read it; in the private folder the folder's mode does that.
func (s *sftpSender) open(ctx context.Context) (int64, error) {
	o, err := within(ctx, s.p.c, exchangeWithin, func() (o opened, err error) {
		if s.p.up.Become {
			if o, err = s.stage(path.Base(s.part)); err != nil {
				return o, fmt.Errorf("make a private folder for the upload: %w", err)
			}
		} else if o.file, err = s.client.OpenFile(s.part, os.O_WRONLY|os.O_CREATE); err != nil {
			return o, fmt.Errorf("open %s: %w", s.part, err)
		}
		info, err := o.file.Stat()
		if err == nil {
			o.size = info.Size()
		}
		return o, err
	})
	s.file, s.dir = o.file, o.dir
	if o.file != nil {
		s.part = o.file.Name()
	}
	return o.size, err
}

// stage opens the part in the login user's home, or in a folder of its own in
// /tmp for users without one. Another upload may remove the folder just when it
// has become empty, hence the second try.
func (s *sftpSender) stage(name string) (opened, error) {
	home, err := s.client.Getwd()
	for range 3 {
		if err != nil {
			break
		}
		var o opened
		if o, err = s.openIn(path.Join(home, stageName), name); err == nil {
			return o, nil
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	o, terr := s.openIn("/tmp/ghadeploy-"+rand.Text(), name)
	if terr != nil {
		return o, errors.Join(err, terr)
	}
	return o, nil
}

func (s *sftpSender) openIn(dir, name string) (opened, error) {
	// What exists already is looked at: a link or another user's folder is refused.
	_ = s.client.Mkdir(dir)
	info, err := s.client.Lstat(dir)
	if err != nil {
		return opened{}, err
	}
	if !info.IsDir() {
		return opened{}, fmt.Errorf("%s is not a folder", dir)
	}
	if err := s.client.Chmod(dir, 0o700); err != nil {
		return opened{}, err
	}
	file, err := s.client.OpenFile(path.Join(dir, name), os.O_WRONLY|os.O_CREATE)
	return opened{file: file, dir: dir}, err
}

func (s *sftpSender) send(ctx context.Context, offset int64, r io.Reader) (int64, error) {
	file, dir, left := s.file, path.Dir(s.part), s.p.up.Size-offset
	n, err := within(ctx, s.p.c, sendWithin, func() (int64, error) {
		defer file.Close()
		if err := file.Truncate(offset); err != nil {
			return 0, err
		}
		if _, err := file.Seek(offset, io.SeekStart); err != nil {
			return 0, err
		}
		n, err := file.ReadFromWithConcurrency(r, sftpRequests)
		if err != nil {
			return n, diskFull(s.client, dir, left-n, err)
		}
		return n, file.Close()
	})
	return offset + n, err
}

func (s *sftpSender) discard(ctx context.Context) error {
	if s.file == nil {
		return nil
	}
	_, err := within(ctx, s.p.c, exchangeWithin, func() (struct{}, error) {
		_ = s.file.Close() // mostly closed already
		err := s.client.Remove(s.part)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		s.tidy()
		return struct{}{}, err
	})
	return err
}

// tidy removes the private folder when no other upload is in it.
func (s *sftpSender) tidy() {
	if s.dir != "" {
		_ = s.client.RemoveDirectory(s.dir)
	}
}

// streamSender is for hosts without SFTP: the file is the stdin of cat, which
// writes beside the target at once, as root if need be.
type streamSender struct{ p *put }

func (s *streamSender) staged() string { return "" }

const openPartScript = `umask 077
if [ -L "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then rm -rf "$1"; fi
: >>"$1" && chmod 600 "$1" && wc -c <"$1"`

func (s *streamSender) open(ctx context.Context) (int64, error) {
	res, err := s.p.run(ctx, Command{Script: openPartScript, Args: []string{s.p.part}})
	if err != nil {
		return 0, err
	}
	return parseSize(res.Stdout)
}

func (s *streamSender) send(ctx context.Context, offset int64, r io.Reader) (int64, error) {
	counted := &countedReader{r: r}
	_, err := s.p.run(ctx, Command{
		Script: `umask 077; if [ "$2" -eq 0 ]; then cat >"$1"; else cat >>"$1"; fi`,
		Args:   []string{s.p.part, strconv.FormatInt(offset, 10)},
		Stdin:  counted, Timeout: -1,
	})
	return offset + counted.n.Load(), err
}

func (s *streamSender) discard(ctx context.Context) error {
	_, err := s.p.run(ctx, Command{Args: []string{"rm", "-f", s.p.part}})
	return err
}

type countedReader struct {
	r io.Reader
	n atomic.Int64
}

func (c *countedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}
