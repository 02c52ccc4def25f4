package remote

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8) ^ byte(i*31)
	}
	return b
}

func uploadOf(data []byte, path string) Upload {
	sum := sha256.Sum256(data)
	return Upload{Source: bytes.NewReader(data), Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:]), Path: path, Mode: 0o640}
}

func partOf(up Upload) string {
	return filepath.Join(filepath.Dir(up.Path), ".ghadeploy-"+up.SHA256[:12]+".part")
}

// assertOnly fails when a folder holds anything but the named files.
func assertOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

func assertFile(t *testing.T, up Upload, data []byte) {
	t.Helper()
	got, err := os.ReadFile(up.Path)
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if info, err := os.Stat(up.Path); err == nil && info.Mode().Perm() != up.Mode {
		t.Errorf("mode %v, want %v", info.Mode(), up.Mode)
	}
}

// uploadHosts are the ways that a file can take.
func uploadHosts(t *testing.T, each func(t *testing.T, c *Client, become bool)) {
	for _, way := range []struct {
		name           string
		noSFTP, become bool
	}{{"sftp", false, false}, {"stream", true, false}, {"sftp as root", false, true}, {"stream as root", true, true}} {
		t.Run(way.name, func(t *testing.T) {
			dir := t.TempDir()
			remotetest.WriteFile(t, filepath.Join(dir, "sudo"), fakeSudo, 0o700)
			remotetest.WriteFile(t, filepath.Join(dir, "id"), notRoot, 0o700)
			s := &remotetest.Server{NoSFTP: way.noSFTP, Dir: t.TempDir(), Env: []string{
				"PATH=" + dir + ":" + os.Getenv("PATH"), "FAKE_SUDO=nopasswd", "SUDO_LOG=" + filepath.Join(dir, "log"),
			}}
			each(t, dialHost(t, s), way.become)
			assertOnly(t, s.Dir)
		})
	}
}

func TestPut(t *testing.T) {
	if testing.Short() {
		t.Skip("writes files of many megabytes, to the disk")
	}
	uploadHosts(t, func(t *testing.T, c *Client, become bool) {
		for _, size := range []int{0, 1, 3<<20 + 5} {
			data := content(size)
			dir := t.TempDir()
			up := uploadOf(data, filepath.Join(dir, "it's a file"))
			up.Become = become
			var told []int64
			up.Progress = func(done, size int64) { told = append(told, done) }
			res, err := c.Put(t.Context(), up)
			if err != nil || res.Skipped || res.Sent != up.Size {
				t.Fatalf("%+v, %v", res, err)
			}
			assertFile(t, up, data)
			if len(told) == 0 || told[len(told)-1] != up.Size {
				t.Errorf("progress %v", told)
			}
			up.Mode = 0o600
			if res, err = c.Put(t.Context(), up); err != nil || !res.Skipped || res.Sent != 0 {
				t.Errorf("second time: %+v, %v", res, err)
			}
			assertFile(t, up, data)
			// Same size, other content.
			if size > 0 {
				remotetest.WriteFile(t, up.Path, strings.Repeat("x", size), 0o600)
				if res, err = c.Put(t.Context(), up); err != nil || res.Skipped {
					t.Errorf("changed file: %+v, %v", res, err)
				}
				assertFile(t, up, data)
			}
			assertOnly(t, dir, "it's a file")
		}
	})
}

// What the next step uses up is verified and not synced; all else is both.
func TestPutSyncsWhatIsToStay(t *testing.T) {
	for _, transient := range []bool{false, true} {
		bin, dir := t.TempDir(), t.TempDir()
		log := filepath.Join(bin, "log")
		remotetest.WriteFile(t, filepath.Join(bin, "sync"), "#!/bin/sh\nprintf '%s\\n' \"$1\" >>"+Quote(log)+"\n", 0o700)
		c := dialHost(t, &remotetest.Server{Env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}})
		up := uploadOf(content(1000), filepath.Join(dir, "f"))
		up.Transient = transient
		if _, err := c.Put(t.Context(), up); err != nil {
			t.Fatal(err)
		}
		assertFile(t, up, content(1000))
		synced, _ := os.ReadFile(log)
		want := partOf(up) + "\n" + dir + "/\n"
		if transient {
			want = ""
		}
		if string(synced) != want {
			t.Errorf("transient %v: synced %q, want %q", transient, synced, want)
		}
	}
}

func TestPutResumes(t *testing.T) {
	if testing.Short() {
		t.Skip("writes files of many megabytes, to the disk")
	}
	for _, noSFTP := range []bool{false, true} {
		c := dialHost(t, &remotetest.Server{NoSFTP: noSFTP})
		data := content(4 << 20)
		dir := t.TempDir()
		up := uploadOf(data, filepath.Join(dir, "f"))
		remotetest.WriteFile(t, partOf(up), string(data[:3<<20]), 0o600)
		res, err := c.Put(t.Context(), up)
		if err != nil || res.Sent != 1<<20 {
			t.Errorf("sent %d, %v", res.Sent, err)
		}
		assertFile(t, up, data)

		// A part that is damaged, or longer than the file, is no obstacle.
		for _, bad := range []string{strings.Repeat("x", 1<<20), strings.Repeat("y", 5<<20)} {
			_ = os.Remove(up.Path)
			remotetest.WriteFile(t, partOf(up), bad, 0o600)
			if _, err := c.Put(t.Context(), up); err != nil {
				t.Error(err)
			}
			assertFile(t, up, data)
			assertOnly(t, dir, "f")
		}
	}
}

// cutReader ends ctx in the middle of the file.
type cutReader struct {
	io.ReaderAt
	at  int64
	cut func()
}

func (c *cutReader) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > c.at {
		c.cut()
	}
	return c.ReaderAt.ReadAt(p, off)
}

func TestCanceledPutKeepsAPartAndSaysSo(t *testing.T) {
	if testing.Short() {
		t.Skip("writes files of many megabytes, to the disk")
	}
	uploadHosts(t, func(t *testing.T, c *Client, become bool) {
		data := content(8 << 20)
		dir := t.TempDir()
		up := uploadOf(data, filepath.Join(dir, "f"))
		up.Become = become
		ctx, cancel := context.WithCancel(t.Context())
		up.Source = &cutReader{up.Source, 6 << 20, cancel}
		_, err := c.Put(ctx, up)
		var fault *UploadError
		if !errors.Is(err, context.Canceled) || !errors.As(err, &fault) || fault.Kept < keepFrom {
			t.Fatalf("got %v", err)
		}
		if _, err := os.Stat(up.Path); !errors.Is(err, os.ErrNotExist) {
			t.Error("half a file is in place:", err)
		}
		up.Source = bytes.NewReader(data)
		res, err := c.Put(t.Context(), up)
		if err != nil || res.Sent >= up.Size {
			t.Errorf("sent %d of %d, %v", res.Sent, up.Size, err)
		}
		assertFile(t, up, data)
		assertOnly(t, dir, "f")
	})
}

func TestPutCleansUpAfterFailures(t *testing.T) {
	if testing.Short() {
		t.Skip("writes files of many megabytes, to the disk")
	}
	uploadHosts(t, func(t *testing.T, c *Client, become bool) {
		dir := t.TempDir()
		small := content(1000)
		up := uploadOf(small, filepath.Join(dir, "f"))
		up.Become = become
		up.Source = bytes.NewReader(content(1001)[1:]) // not what was announced
		_, err := c.Put(t.Context(), up)
		if !errors.Is(err, errSourceHash) {
			t.Errorf("got %v", err)
		}
		assertOnly(t, dir)

		up.Source = bytes.NewReader(small[:500])
		if _, err = c.Put(t.Context(), up); err == nil {
			t.Error("half a source was taken for the whole")
		}
		assertOnly(t, dir)

		up.Source, up.Owner = bytes.NewReader(small), "nobody-of-that-name"
		_, err = c.Put(t.Context(), up)
		mustContain(t, err, "g1: upload "+up.Path, "nobody-of-that-name")
		assertOnly(t, dir)

		up.Owner = ""
		up.Path = filepath.Join(dir, "none", "f")
		_, err = c.Put(t.Context(), up)
		mustContain(t, err, "does not exist")

		if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
			t.Fatal(err)
		}
		up.Path = filepath.Join(dir, "folder")
		_, err = c.Put(t.Context(), up)
		mustContain(t, err, "is a folder")
		assertOnly(t, dir, "folder")
	})
}

func TestPutToAHostWithoutHashTools(t *testing.T) {
	dir := t.TempDir()
	for _, tool := range []string{"sha256sum", "openssl"} {
		remotetest.WriteFile(t, filepath.Join(dir, tool), "#!/bin/sh\nexit 127\n", 0o700)
	}
	c := dialHost(t, &remotetest.Server{Env: []string{"PATH=" + dir + ":" + os.Getenv("PATH")}})
	data := content(100_000)
	up := uploadOf(data, filepath.Join(t.TempDir(), "f"))
	if _, err := c.Put(t.Context(), up); err != nil {
		t.Fatal(err)
	}
	assertFile(t, up, data)
	// The part of another run with the wrong bytes is noticed without a tool too.
	_ = os.Remove(up.Path)
	remotetest.WriteFile(t, partOf(up), "wrong", 0o600)
	if _, err := c.Put(t.Context(), up); err != nil {
		t.Error(err)
	}
	assertFile(t, up, data)
}

func TestPutRefusesNonsense(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	for want, change := range map[string]func(*Upload){
		"is not a SHA-256": func(u *Upload) { u.SHA256 = "abc" },
		"absolute":         func(u *Upload) { u.Path = "f" },
		"clean":            func(u *Upload) { u.Path = "/tmp/../f" },
		"no source":        func(u *Upload) { u.Source = nil },
		"size -1":          func(u *Upload) { u.Size = -1 },
	} {
		up := uploadOf(nil, "/tmp/f")
		change(&up)
		_, err := c.Put(t.Context(), up)
		mustContain(t, err, "g1: upload", want)
	}
}

func TestPutsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("writes files of many megabytes, to the disk")
	}
	uploadHosts(t, func(t *testing.T, c *Client, become bool) {
		dir := t.TempDir()
		data := content(300_000)
		var all sync.WaitGroup
		for _, name := range []string{"a", "b", "c", "d"} {
			all.Go(func() {
				up := uploadOf(data, filepath.Join(dir, name)) // one content, one part
				up.Become = become
				if _, err := c.Put(t.Context(), up); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		assertOnly(t, dir, "a", "b", "c", "d")
	})
}

func TestPutOverALostConnection(t *testing.T) {
	s := &remotetest.Server{}
	c := dialHost(t, s)
	up := uploadOf(content(8<<20), filepath.Join(t.TempDir(), "f"))
	up.Source = &cutReader{up.Source, 4 << 20, s.Drop}
	_, err := c.Put(t.Context(), up)
	var lost *UnreachableError
	if !errors.As(err, &lost) {
		t.Errorf("got %v", err)
	}
}
