package remote

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
)

// AddKnownHost appends a host's key to a known_hosts file, with the name readable
// and not hashed, unless that very line is there. The file and its folder are
// made when missing (0600, 0700). Safe against others that do the same.
func AddKnownHost(file, host string, port int, key ssh.PublicKey) error {
	if port == 0 {
		port = 22
	}
	return addKnownHost(file, net.JoinHostPort(host, strconv.Itoa(port)), key)
}

// addKnownHost appends with one write under a lock, so that no reader sees half
// a line and two writers do not mix theirs.
func addKnownHost(file, address string, key ssh.PublicKey) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("add the host key to %s: %w", file, err)
		}
	}()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	// The lock goes with the file descriptor.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	old, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	entry := []byte(knownhosts.Line([]string{address}, key))
	for have := range bytes.Lines(old) {
		if bytes.Equal(bytes.TrimSpace(have), entry) {
			return nil
		}
	}
	if len(old) > 0 && old[len(old)-1] != '\n' {
		entry = append([]byte{'\n'}, entry...)
	}
	if _, err := f.Write(append(entry, '\n')); err != nil {
		return err
	}
	return f.Sync()
}
