// Package localfile is the one opener for files of the operator's machine that an
// inventory, a command line or a configuration names: regular files only, opened without
// waiting, with a limit, within a deadline. A named pipe, a device, a folder, a link to
// one of them, or a file without end is an error that says so, never a program that hangs
// or eats the memory. It knows nothing of what is read.
package localfile

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// patience is how long one file may take: a disk that needs longer is a network share
// that does not answer.
const patience = 30 * time.Second

// The limits of what is read, in bytes.
const (
	// Small is for what people write or tools generate for people: secrets, keys,
	// certificates, configurations.
	Small = 1 << 20
	// Large is for what programs write: known_hosts of a fleet, journals, saved plans,
	// files that are shipped as they are.
	Large = 64 << 20
	// Tree is for all of a folder that is shipped as it is: beyond it somebody named the
	// wrong one.
	Tree = 256 << 20
)

// NotRegularError is a path that is no regular file.
type NotRegularError struct {
	Path string
	Kind string // "a named pipe", "a device", "a directory", "a socket"
}

// Error names the path and what lies there.
func (e *NotRegularError) Error() string {
	return fmt.Sprintf("%s is %s, not a regular file", e.Path, e.Kind)
}

// TooLargeError is a file with more than Limit bytes.
type TooLargeError struct {
	Path  string
	Limit int64
}

// Error names the path and the limit.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s is larger than %s", e.Path, size(e.Limit))
}

func size(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// Check tells without opening whether path is a regular file, links followed.
func Check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return regular(path, info)
}

// CheckSize is [Check], and that the file has at most limit bytes.
func CheckSize(path string, limit int64) error {
	info, err := os.Stat(path)
	if err == nil {
		err = regular(path, info)
	}
	if err == nil && info.Size() > limit {
		err = &TooLargeError{Path: path, Limit: limit}
	}
	return err
}

// Open opens a regular file for reading. Opening never waits for a writer at the other
// end, and has no side effect on a device. Close it.
func Open(path string) (*os.File, error) {
	// Looked at before it is opened, since opening alone rewinds a tape; and after, since it
	// may be another one by then.
	if err := Check(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	return checked(path, f)
}

// checked closes what turned out to be no regular file.
func checked(path string, f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err == nil {
		err = regular(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func regular(path string, info fs.FileInfo) error {
	mode := info.Mode()
	kind := ""
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		kind = "a named pipe"
	case mode&fs.ModeSocket != 0:
		kind = "a socket"
	case mode&fs.ModeDevice != 0:
		kind = "a device"
	default:
		kind = "something else"
	}
	return &NotRegularError{Path: path, Kind: kind}
}

// Read reads a regular file of at most limit bytes. It ends with ctx and after half a
// minute, even where the file system does not answer: what waits in the kernel then is
// left behind. Errors: *[NotRegularError], *[TooLargeError], those of package os, ctx's.
func Read(ctx context.Context, path string, limit int64) ([]byte, error) {
	return within(ctx, path, func() ([]byte, error) {
		f, err := Open(path)
		if err != nil {
			return nil, err
		}
		return readAll(path, f, limit)
	})
}

// ReadEnd is [Read] for files that grow: of one with more than limit bytes the last ones.
func ReadEnd(ctx context.Context, path string, limit int64) ([]byte, error) {
	return within(ctx, path, func() ([]byte, error) {
		f, err := Open(path)
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err == nil && info.Size() > limit {
			if _, err := f.Seek(-limit, io.SeekEnd); err != nil {
				return nil, errors.Join(err, f.Close())
			}
		}
		// What is appended meanwhile comes with the next reading.
		b, err := io.ReadAll(io.LimitReader(f, limit))
		return b, errors.Join(err, f.Close())
	})
}

// KeyPair reads a certificate chain and its private key, both PEM.
func KeyPair(ctx context.Context, cert, key string) (tls.Certificate, error) {
	chain, err := Read(ctx, cert, Small)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := Read(ctx, key, Small)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, private)
}

// within does a piece of reading that may never come back.
func within[T any](ctx context.Context, path string, read func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	ctx, stop := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s was not read within %s", path, patience))
	defer stop()
	var none T
	if ctx.Err() != nil {
		return none, context.Cause(ctx)
	}
	done := make(chan result, 1)
	guard.Go(func() {
		var r result
		r.err = guard.Do(func() (err error) {
			r.value, err = read()
			return err
		})
		done <- r
	})
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
}

// readAll reads f to its end and closes it.
func readAll(path string, f *os.File, limit int64) ([]byte, error) {
	// A file of the kernel's claims a size of 0 and may make its reader wait.
	_ = f.SetReadDeadline(time.Now().Add(patience))
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	err = errors.Join(err, f.Close())
	switch {
	case err != nil:
		return nil, err
	case int64(len(b)) > limit:
		return nil, &TooLargeError{Path: path, Limit: limit}
	}
	return b, nil
}
