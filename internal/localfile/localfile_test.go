package localfile

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Whatever lies where a file was named, reading it ends at once and says what it is.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	link := func(to string) string {
		name := filepath.Join(dir, "to-"+filepath.Base(to))
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for path, kind := range map[string]string{
		fifo: "a named pipe", link(fifo): "a named pipe", dir: "a directory", socket: "a socket",
		"/dev/zero": "a device", link("/dev/zero"): "a device", link("/dev/tty"): "a device",
	} {
		start := time.Now()
		_, err := Read(t.Context(), path, Small)
		var other *NotRegularError
		if !errors.As(err, &other) || other.Kind != kind {
			t.Errorf("%s: %v, want %s", path, err, kind)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: refused after %s only", path, took)
		}
	}
}

func TestReadingHasALimitAndEndsWithItsContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(t.Context(), file, 10); err != nil || string(b) != "0123456789" {
		t.Errorf("%q, %v", b, err)
	}
	var large *TooLargeError
	if _, err := Read(t.Context(), file, 9); !errors.As(err, &large) {
		t.Errorf("more than the limit: %v", err)
	}
	sparse := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(sparse)
	if err == nil {
		err = errors.Join(f.Truncate(1<<40), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Read(t.Context(), sparse, Small); !errors.As(err, &large) {
		t.Errorf("a terabyte of nothing: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := Read(ended, file, 10); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
	// A file of the kernel's says that it is regular and never ends or makes its reader wait.
	ctx, stop := context.WithTimeoutCause(t.Context(), time.Second, errors.New("long enough"))
	defer stop()
	start := time.Now()
	_, _ = Read(ctx, "/proc/kmsg", Small)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the kernel's messages were read for %s", took)
	}
}

func TestATreeIsReadWithoutLeavingIt(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("not yours"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		make func(dir string) error
		want string // in the error; empty: it is read
	}{
		"a link within the tree": {func(d string) error { return os.Symlink("a.yaml", filepath.Join(d, "b.yaml")) }, ""},
		"a hidden folder": {func(d string) error {
			return errors.Join(os.Mkdir(filepath.Join(d, ".git"), 0o700), syscall.Mkfifo(filepath.Join(d, ".git", "pipe"), 0o600))
		}, ""},
		"an absolute link": {func(d string) error { return os.Symlink(outside, filepath.Join(d, "b.yaml")) }, "leaves"},
		"a relative link": {func(d string) error {
			return os.Symlink("../../../../../../../../etc/passwd", filepath.Join(d, "b.yaml"))
		}, "leaves"},
		"a link to nothing":   {func(d string) error { return os.Symlink("nothing", filepath.Join(d, "b.yaml")) }, "is not there"},
		"a link to a device":  {func(d string) error { return os.Symlink("/dev/zero", filepath.Join(d, "b.yaml")) }, "leaves"},
		"a link to a folder":  {func(d string) error { return os.Symlink(".", filepath.Join(d, "b")) }, "a directory"},
		"a named pipe":        {func(d string) error { return syscall.Mkfifo(filepath.Join(d, "b.yaml"), 0o600) }, "a named pipe"},
		"more than the limit": {func(d string) error { return os.WriteFile(filepath.Join(d, "b.yaml"), make([]byte, 200), 0o600) }, "larger"},
	} {
		dir := t.TempDir()
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "a.yaml"), []byte("a"), 0o600), c.make(dir)); err != nil {
			t.Fatal(err)
		}
		files, err := ReadTree(t.Context(), dir, 100)
		switch {
		case c.want == "" && (err != nil || string(files["a.yaml"]) != "a"):
			t.Errorf("%s: %v, %v", name, files, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, %v, want an error with %q", name, files, err, c.want)
		}
	}
	if _, err := ReadTree(t.Context(), outside, 100); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("a file as a tree: %v", err)
	}
}

func TestAPrivateKeyIsKnown(t *testing.T) {
	for text, want := range map[string]bool{
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb\n": true, "\n\n-----BEGIN RSA PRIVATE KEY-----\n": true,
		"# created: today\n# public key: age1\nAGE-SECRET-KEY-1XYZ\n": true, "PuTTY-User-Key-File-3: ssh-ed25519\n": true,
		"cluster: prod\n": false, "-----BEGIN CERTIFICATE-----\n": false, "": false,
	} {
		if got := IsPrivateKey([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
