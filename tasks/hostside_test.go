package tasks

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needRoot skips what a host's root does.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, as on a host")
	}
}

func archiveOf(t *testing.T, headers ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range append([]tar.Header{{Name: "grafana/bin/grafana", Mode: 0o755, Size: 2}}, headers...) {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(bytes.Repeat([]byte("x"), int(h.Size)))
	}
	_ = w.Close()
	_ = z.Close()
	f := filepath.Join(t.TempDir(), "a.tar.gz")
	if err := os.WriteFile(f, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

// shells are the sh and tools that hosts have.
func shells(t *testing.T) map[string][]string {
	out := map[string][]string{"this machine's": {"sh"}}
	if box, err := exec.LookPath("busybox"); err == nil {
		dir := t.TempDir()
		for _, tool := range []string{"sh", "tar", "gzip", "head", "find", "chmod", "grep", "readlink", "mkdir", "rm", "mv", "chown", "sync"} {
			if err := os.Symlink(box, filepath.Join(dir, tool)); err != nil {
				t.Fatal(err)
			}
		}
		out["busybox"] = []string{"env", "PATH=" + dir, "sh"}
	}
	return out
}

func unpackWith(shell []string, root, archive, look string) (string, error) {
	args := append(append([]string{}, shell[1:]...), "-c", unpackScript, "sh", root, "r", archive, look)
	out, err := exec.Command(shell[0], args...).CombinedOutput()
	return string(out), err
}

func TestAnArchiveBringsNothingThatRunsAsRootOrThatOthersMayWrite(t *testing.T) {
	needRoot(t)
	for name, shell := range shells(t) {
		for _, look := range []string{"", inspect} {
			t.Run(name+"/"+look, func(t *testing.T) {
				root := t.TempDir()
				_ = os.Mkdir(filepath.Join(root, "releases"), 0o755)
				a := archiveOf(t,
					tar.Header{Name: "grafana/bin/suid", Mode: 0o6777, Size: 1, Uid: 1234, Gid: 1234},
					tar.Header{Name: "grafana/open/", Mode: 0o7777, Typeflag: tar.TypeDir},
					tar.Header{Name: "grafana/open/file", Mode: 0o666, Size: 1},
					tar.Header{Name: "grafana/link", Linkname: "open/file", Typeflag: tar.TypeSymlink})
				if out, err := unpackWith(shell, root, a, look); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				for file, want := range map[string]os.FileMode{
					"bin/suid": 0o755, "open": os.ModeDir | 0o755, "open/file": 0o644, "bin/grafana": 0o755, "": os.ModeDir | 0o755,
				} {
					info, err := os.Lstat(filepath.Join(root, "releases/r", file))
					if err != nil || info.Mode() != want || info.Sys().(*syscall.Stat_t).Uid != 0 {
						t.Errorf("%s: %v, %v; want %v of root", file, info.Mode(), err, want)
					}
				}
			})
		}
	}
}

func TestAPulledArchiveIsInspectedOnTheHost(t *testing.T) {
	needRoot(t)
	for shellName, shell := range shells(t) {
		for name, headers := range map[string][]tar.Header{
			"names a file outside":          {{Name: "grafana/../../evil", Mode: 0o644, Size: 1}},
			"names a file outside: /":       {{Name: "/etc/cron.d/evil-ghadeploy-test", Mode: 0o644, Size: 1}},
			"has a link out":                {{Name: "grafana/l", Linkname: "/etc", Typeflag: tar.TypeSymlink}},
			"has a link out of the release": {{Name: "grafana/l", Linkname: "../../../../etc/passwd", Typeflag: tar.TypeSymlink}},
			"has a device or a FIFO":        {{Name: "grafana/f", Mode: 0o644, Typeflag: tar.TypeFifo}},
			"has hard links":                {{Name: "grafana/h", Linkname: "grafana/bin/grafana", Typeflag: tar.TypeLink}},
		} {
			t.Run(shellName+"/"+name, func(t *testing.T) {
				if name == "has hard links" {
					headers[0].Linkname = "bin/grafana"
				}
				root := t.TempDir()
				_ = os.Mkdir(filepath.Join(root, "releases"), 0o755)
				out, err := unpackWith(shell, root, archiveOf(t, headers...), inspect)
				if err == nil || name != "has hard links" && !strings.Contains(out, strings.SplitN(name, ":", 2)[0]) && !strings.Contains(out, "tar:") {
					t.Fatalf("%v: %s", err, out)
				}
				if left, _ := filepath.Glob(filepath.Join(root, "releases", "*")); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
				if left, _ := filepath.Glob(filepath.Join(root, "*")); len(left) != 1 {
					t.Errorf("outside: %q", left)
				}
			})
		}
	}
}

// A service user that was broken into replaces its log.
func TestTheLogIsReadAsTheServiceUser(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 16 s")
	}
	needRoot(t)
	if _, err := user.Lookup("nobody"); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	_ = os.Mkdir(bin, 0o755)
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755)
	}
	secret := filepath.Join(dir, "shadow")
	_ = os.WriteFile(secret, []byte("Starting Grafana\nroot:canary-hash\n"), 0o600)
	plain := filepath.Join(dir, "plain.log")
	_ = os.WriteFile(plain, []byte("root:old\nStarting Grafana\nroot:of this process\n"), 0o644)
	link := filepath.Join(dir, "link.log")
	_ = os.Symlink(secret, link)
	fifo := filepath.Join(dir, "fifo.log")
	_ = syscall.Mkfifo(fifo, 0o666)
	for file, want := range map[string]string{plain: "root:of this process", link: "", fifo: "", secret: "", filepath.Join(dir, "absent"): ""} {
		process := exec.Command("sleep", "60") // as old as Grafana is
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		systemctl := "#!/bin/sh\necho MainPID=" + strconv.Itoa(process.Process.Pid) + "\n"
		if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte(systemctl), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", logScript, "sh", "grafana-server", "^root:", "4", file, "nobody")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		start := time.Now()
		out, err := cmd.CombinedOutput()
		_ = process.Process.Kill()
		_ = process.Wait()
		if got := strings.TrimSpace(string(out)); got != want || err != nil || time.Since(start) > 9*time.Second {
			t.Errorf("%s: %q after %s, %v; want %q", file, got, time.Since(start), err, want)
		}
	}
}
