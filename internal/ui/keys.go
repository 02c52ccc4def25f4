//go:build linux || darwin

package ui

import (
	"context"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// keys gives the keys that are pressed on a terminal, one by one and without echo, and the
// function that gives the terminal back as it was. Ctrl-C stays a signal, and output is not
// touched. It gives no channel for what is no terminal.
func keys(ctx context.Context, in *os.File) (pressed <-chan byte, restore func()) {
	fd := int(in.Fd())
	was, err := unix.IoctlGetTermios(fd, getTerminal)
	if err != nil {
		return nil, func() {}
	}
	now := *was
	now.Lflag &^= unix.ICANON | unix.ECHO
	now.Cc[unix.VMIN], now.Cc[unix.VTIME] = 0, 1 // a read ends after 0.1 s at the latest, so that its goroutine can
	if err := unix.IoctlSetTermios(fd, setTerminal, &now); err != nil {
		return nil, func() {}
	}
	ctx, stop := context.WithCancel(ctx)
	got, ended := make(chan byte), make(chan struct{})
	guard.Go(func() {
		defer close(ended)
		b := make([]byte, 1)
		for ctx.Err() == nil {
			if n, err := unix.Read(fd, b); n < 1 {
				if err != nil && err != unix.EINTR {
					return // the terminal is gone
				}
				continue
			}
			select {
			case got <- b[0]:
			case <-ctx.Done():
			}
		}
	})
	return got, func() {
		stop()
		<-ended
		_ = unix.IoctlSetTermios(fd, setTerminal, was) // a terminal that is gone needs nothing
	}
}
