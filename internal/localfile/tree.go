package localfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"
)

// maxFiles is how many files a tree may have.
const maxFiles = 100_000

// ReadTree reads all regular files below dir, of limit bytes together: slash-separated
// path to content. What is hidden (a name that starts with a dot) is left out. A link is
// followed as long as it stays in the tree; one that leaves it, or leads to a folder, is an
// error, and so is what is no regular file.
func ReadTree(ctx context.Context, dir string, limit int64) (map[string][]byte, error) {
	return within(ctx, dir, func() (map[string][]byte, error) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, plain(err)
		}
		t := tree{ctx: ctx, dir: dir, root: root, left: limit, limit: limit, files: map[string][]byte{}}
		err = fs.WalkDir(root.FS(), ".", t.visit)
		return t.files, errors.Join(err, root.Close())
	})
}

// CheckTree looks at a tree as [ReadTree] does, and reads nothing.
func CheckTree(ctx context.Context, dir string, limit int64) error {
	_, err := within(ctx, dir, func() (struct{}, error) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return struct{}{}, plain(err)
		}
		t := tree{ctx: ctx, dir: dir, root: root, left: limit, limit: limit, files: map[string][]byte{}, look: true}
		err = fs.WalkDir(root.FS(), ".", t.visit)
		return struct{}{}, errors.Join(err, root.Close())
	})
	return err
}

// plain says of a path that is no folder what it is, without the name of a system call.
func plain(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%s is not a directory", p.Path)
	}
	return err
}

type tree struct {
	ctx         context.Context
	dir         string
	root        *os.Root
	left, limit int64
	files       map[string][]byte
	look        bool // do not read
}

func (t *tree) visit(name string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	if taken, err := t.takes(name, d); !taken {
		return err
	}
	full := filepath.Join(t.dir, filepath.FromSlash(name))
	info, err := t.root.Stat(name)
	if err != nil {
		return t.outside(full, d, err)
	}
	if err := regular(full, info); err != nil {
		return err
	}
	if t.look {
		t.files[name] = nil
		if t.left -= info.Size(); t.left < 0 {
			return t.tooLarge()
		}
		return nil
	}
	return t.read(name, full, d)
}

// takes tells whether an entry is a file to read; the error is for names that no host may
// have, and for too many of them.
func (t *tree) takes(name string, d fs.DirEntry) (bool, error) {
	switch {
	case strings.HasPrefix(path.Base(name), ".") && name != ".":
		if d.IsDir() {
			return false, fs.SkipDir
		}
		return false, nil
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.Contains(name, `\`):
		return false, fmt.Errorf("%q in %s has a name that no file on a host may have: rename it", name, t.dir)
	case d.IsDir():
		return false, nil
	case len(t.files) == maxFiles:
		return false, fmt.Errorf("%s has more than %d files: is it the right folder?", t.dir, maxFiles)
	}
	return true, nil
}

func (t *tree) read(name, full string, d fs.DirEntry) error {
	f, err := t.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return t.outside(full, d, err)
	}
	if f, err = checked(full, f); err != nil {
		return err
	}
	b, err := readAll(full, f, t.left)
	if _, ok := errors.AsType[*TooLargeError](err); ok {
		return t.tooLarge()
	}
	t.left -= int64(len(b))
	t.files[name] = b
	return err
}

func (t *tree) tooLarge() error {
	return fmt.Errorf("%s is larger than %s: is it the right folder?", t.dir, size(t.limit))
}

// outside says of a link that could not be followed where it would have led.
func (t *tree) outside(full string, d fs.DirEntry, err error) error {
	if d.Type()&fs.ModeSymlink == 0 {
		return err
	}
	target, _ := os.Readlink(full)
	return fmt.Errorf("%s is a link to %q, which leaves %s or is not there: copy what it points to into the folder (%w)", full, target, t.dir,
		err)
}
